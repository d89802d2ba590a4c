"""Objects that a library changes for its own work, as they were before."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def restored_attributes(*owners: Any) -> Iterator[None]:
    """Give objects the attributes back that they had before the block: new ones go, replaced ones are as before.

    Example: transformers' trainer leaves ``use_cache = False`` on a model's config, and accelerate a mark on the model
    that makes the next training skip its mixed precision.
    """
    before = [dict(vars(owner)) for owner in owners]
    try:
        yield
    finally:
        for owner, attributes in zip(owners, before, strict=True):
            vars(owner).clear()
            vars(owner).update(attributes)
