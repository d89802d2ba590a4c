"""Formats of the record that the config of a pruned model carries, and the upgrade from each older one.

The policy: a checkpoint of an older format can always be read, from format 2 on, and is saved again in the newest one.
A checkpoint of a newer format is refused with a sentence that says to upgrade prunekit. Whoever changes what a record
holds adds 1 to `FORMAT`, an entry to `_UPGRADES`, and a checkpoint written by the code before to the tests.
"""

from collections.abc import Callable, Mapping
from typing import Any

import transformers

from prunekit.cut.auto_classes import auto_classes
from prunekit.errors import PrunekitError

FORMAT = 3
"""The format that this prunekit writes. Format 1 existed only before the first checkpoints were kept."""

_NAMES_IN_FORMAT_2 = {
    "TakesSlices": "SliceSharedInput",
    "PadsOutput": "PadOutput",
    "DropsInput": "DropInput",
    "Skipped": "EmptyAttention",
    "Idle": "NoOp",
    "GathersOutput": "GatherOutput",
}


def upgrade_record(record: Mapping[str, Any], source: str = "The model") -> dict[str, Any]:
    """A record of any format since 2 in today's; `record` itself is not changed.

    `source` names the model in the errors. Raises `PrunekitError` for a newer format and for one that never existed.
    Example: ``{"format": 2, ...}`` becomes ``{"format": 3, ...}``.
    """
    upgraded = dict(record)
    while upgraded.get("format") != FORMAT:
        found = upgraded.get("format")
        if found not in _UPGRADES:
            raise PrunekitError(_unreadable(found, source))
        upgraded = _UPGRADES[found](upgraded)
    return upgraded


def _unreadable(found: Any, source: str) -> str:
    known = f"this prunekit reads formats {min(_UPGRADES)} to {FORMAT}"
    if isinstance(found, int) and found > FORMAT:
        return f"{source} has checkpoint format {found}; {known}: upgrade prunekit to open it."
    return f"{source} has checkpoint format {found}; {known}: its config was damaged, or prune the model again."


def _from_2(record: Mapping[str, Any]) -> dict[str, Any]:
    """Format 3 lists `overrides`, under new names, where format 2 listed `quirks`, and names the Auto classes."""
    layout = dict(record["layout"])
    layout["overrides"] = [_renamed(entry) for entry in layout.pop("quirks")]
    stock = getattr(transformers, record["base"])
    return {**record, "format": 3, "auto": auto_classes(stock), "layout": layout}


def _renamed(entry: Mapping[str, Any]) -> dict[str, Any]:
    options = {key: value for key, value in entry.items() if key != "quirk"}
    return {"override": _NAMES_IN_FORMAT_2[entry["quirk"]], **options}


_UPGRADES: Mapping[Any, Callable[[Mapping[str, Any]], dict[str, Any]]] = {2: _from_2}
"""From each older format to the next one."""
