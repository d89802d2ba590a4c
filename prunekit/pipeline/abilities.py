"""Abilities that a cut takes from a model beside its scores, so that none is lost in silence."""

import logging
from collections.abc import Iterator
from typing import Any

from prunekit.find.adapter import Adapter
from prunekit.pipeline.state import RunState
from prunekit.report.data_section import DataSection

log = logging.getLogger(__name__)


def lost_abilities(adapter: Adapter, dense: Any, pruned: Any) -> Iterator[str]:
    """One sentence for each list of heads in the generation config `dense` of which `pruned` keeps only some, or none.

    Example: of a Whisper that timed words by ``[[2, 0], [2, 3]]``, nothing is left without decoder layer 2.
    """
    for key in adapter.alignment:
        before = len(getattr(dense, key, None) or ())
        after = len(getattr(pruned, key, None) or ())
        if before and not after:
            yield (
                f"Word timestamps are lost: all heads that time words ({before}, in {key}) were removed; keep one of "
                "them, or the decoder layers that they are in, if timestamps are needed."
            )
        elif after < before:
            yield f"Word timestamps may be less exact: {after} of the {before} heads that time words ({key}) are kept."


def warn_of_lost_abilities(state: RunState) -> DataSection | None:
    """What the look before the work found, and what the pruned model cannot do any more, which is logged."""
    pruned = state.pruned.model.generation_config
    lost = tuple(lost_abilities(state.dense.adapter, state.dense.model.generation_config, pruned))
    for sentence in lost:
        log.warning("%s", sentence)
    found = state.found
    return found and found.model_copy(update={"warnings": (*found.warnings, *lost)})
