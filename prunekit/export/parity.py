"""Does an exported model say what the pruned one says? Scores and tokens of both, on the same random inputs."""

import copy
from dataclasses import dataclass
from typing import Any, cast

import torch
from transformers import PreTrainedModel

from prunekit.errors import PrunekitError
from prunekit.find.adapter import Adapter
from prunekit.measure.equivalence import ALARM, compare_outputs, record_outputs

APART = 1e-4
"""How far log-probabilities of a token may be apart in float32, as a share of the largest where that is above 1."""


@dataclass(frozen=True)
class Parity:
    """How an export compares. Example: ``Parity(2.1e-06, 16, 16)``: all of 16 inputs have equal greedy tokens.

    `difference` is the largest of any score, as a share of the largest score where that is above 1. Of an export with
    rounded weights `mean` is the mean difference of a log-probability, and `own` the share of its greedy tokens that
    the model itself would have said next.
    """

    difference: float
    equal: int
    rows: int
    mean: float | None = None
    own: float = 1.0

    def told(self) -> str:
        """For the one who exports."""
        exact = (
            f"scores differ by {self.difference:.1e}, greedy tokens are equal for {self.equal} of {self.rows} inputs."
        )
        if self.mean is None:
            return exact
        return (
            f"{exact} Log-probabilities differ by {self.mean:.3f} on average, and {self.own:.1%} of the greedy tokens "
            "are those that the model would have said next."
        )


def check_parity(one: PreTrainedModel, other: PreTrainedModel, adapter: Adapter) -> Parity:
    """Two models of transformers; raises `PrunekitError` where logits or tokens differ by more than rounding."""
    config, table = copy.copy(one.config), cast(Any, one.get_input_embeddings())
    config.vocab_size = len(table.weight)
    inputs = adapter.encoder_inputs(config, 4)
    batch = {**inputs, "decoder_input_ids": torch.tensor([[3, 4, 5, 6]]).repeat(4, 1)}
    found = compare_outputs(record_outputs(one, [batch]), record_outputs(other, [batch]))
    if found.max_rel_diff > ALARM[one.dtype] or not found.tokens_equal:
        raise refuse_export(f"logits by {found.max_rel_diff:.1e} of the largest", found.tokens_equal)
    return Parity(found.max_rel_diff, 4, 4)


def refuse_export(how: str, tokens_equal: bool | None) -> PrunekitError:
    """The error of an export that says something else."""
    tokens = "" if tokens_equal is None else f", tokens {'equal' if tokens_equal else 'different'}"
    return PrunekitError(
        f"The exported model differs from the pruned one ({how}{tokens}), so nothing was written; please report it."
    )
