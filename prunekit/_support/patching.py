"""A method of one object that is replaced for a while."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def patched(owner: Any, name: str, method: Callable[..., Any]) -> Iterator[None]:
    """Replace the method `name` of the object `owner` inside the block; afterwards `owner` has its former one.

    Only this object changes, not its class. A replacement that `owner` already had is restored too, so blocks nest.
    """
    replaced = vars(owner).get(name)
    setattr(owner, name, method)
    try:
        yield
    finally:
        delattr(owner, name)
        if replaced is not None:
            setattr(owner, name, replaced)
