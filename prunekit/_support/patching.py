"""An object whose method is another one for a while."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def patched(thing: Any, name: str, method: Callable[..., Any]) -> Iterator[None]:
    """Let `thing` have `method` of its own inside the block; afterwards what it had, be it its class's or its own."""
    own = vars(thing).get(name)
    setattr(thing, name, method)
    try:
        yield
    finally:
        delattr(thing, name)
        if own is not None:
            setattr(thing, name, own)
