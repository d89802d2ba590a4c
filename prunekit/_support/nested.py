"""Nested mappings laid over each other: a recipe's keys over its task's, and ``key=value`` pairs over both."""

from collections.abc import Mapping
from typing import Any

import yaml

from prunekit.errors import PrunekitError


def over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Two nested mappings as one, in which `above` wins key by key."""
    both = {**below, **above}
    for key in below.keys() & above.keys():
        if isinstance(below[key], Mapping) and isinstance(above[key], Mapping):
            both[key] = over(below[key], above[key])
    return both


def override(data: dict[str, Any], pairs: list[str]) -> dict[str, Any]:
    """`data` with ``a.b=value`` pairs laid over it; values are read as YAML, so ``training.batch=32`` is a number."""
    result = dict(data)
    for pair in pairs:
        key, found, text = pair.partition("=")
        if not found or not key:
            raise PrunekitError(f"--set takes key=value, for example --set training.batch=32; got {pair!r}.")
        *outer, last = key.split(".")
        place = result
        for name in outer:
            inner = place.get(name)
            place[name] = dict(inner) if isinstance(inner, dict) else {}
            place = place[name]
        try:
            place[last] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise PrunekitError(f"--set {pair!r}: the value is not valid YAML; put it in quotes.") from error
    return result
