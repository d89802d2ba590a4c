"""Config keys: ``"d_model"``, or ``"decoder.num_hidden_layers"`` in a config that holds others."""

from functools import reduce
from typing import Any


def get_key(config: Any, key: str) -> Any:
    """The value of a key; None where there is none."""
    return reduce(lambda holder, name: getattr(holder, name, None), key.split("."), config)


def set_key(config: Any, key: str, value: Any) -> None:
    """Set a key."""
    holder, _, leaf = key.rpartition(".")
    setattr(get_key(config, holder) if holder else config, leaf, value)
