"""Parity: whether an exported model computes what the pruned one does, on the same random inputs."""

import copy
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedModel

from prunekit.errors import PrunekitError
from prunekit.export.float_noise import Distance, exact_copy, noise_tolerance
from prunekit.find.adapter import Adapter
from prunekit.measure.equivalence import ALARM, OutputTrace, compare_outputs, record_outputs


@dataclass(frozen=True)
class Parity:
    """How an export compares. Example: ``Parity(2.1e-06, 16, 16)``: all of 16 inputs have equal greedy tokens.

    `difference` is the largest one of any score, as a share of the largest score where that is above 1. For an export
    with rounded weights `mean` is the mean difference of a log-probability, and `agreement` the share of its greedy
    tokens that the model itself would have chosen next.
    """

    difference: float
    equal: int
    rows: int
    mean: float | None = None
    agreement: float = 1.0

    def describe(self) -> str:
        """One or two sentences for the user."""
        exact = (
            f"scores differ by {self.difference:.1e}, greedy tokens are equal for {self.equal} of {self.rows} inputs."
        )
        if self.mean is None:
            return exact
        return (
            f"{exact} Log-probabilities differ by {self.mean:.3f} on average, and {self.agreement:.1%} of the greedy "
            "tokens are those that the model would have chosen next."
        )


def check_parity(one: PreTrainedModel, other: PreTrainedModel, adapter: Adapter) -> Parity:
    """Compare two models of transformers; raises `PrunekitError` where they differ by more than rounding."""
    table: Any = one.get_input_embeddings()
    config = copy.copy(one.config)
    config.vocab_size = len(table.weight)
    inputs = adapter.encoder_inputs(config, 4)
    batch = {**inputs, "decoder_input_ids": torch.tensor([[3, 4, 5, 6]]).repeat(4, 1)}
    expected = record_outputs(one, [batch])
    traced = record_outputs(other, [batch])
    found = compare_outputs(expected, traced)
    tolerance = ALARM[one.dtype]
    if not found.max_rel_diff <= tolerance and one.dtype is torch.float32:
        apart = Distance.between(zip(expected.logits, traced.logits, strict=True))
        tolerance = max(tolerance, noise_tolerance(apart, lambda: _noise(one, expected, batch)))
    if not found.max_rel_diff <= tolerance or not found.tokens_equal:
        raise parity_error(f"logits by {found.max_rel_diff:.1e} of the largest", found.tokens_equal)
    return Parity(found.max_rel_diff, 4, 4)


def _noise(model: PreTrainedModel, trace: OutputTrace, batch: dict[str, Any]) -> Distance:
    """How far the logits of a model are from those of its exact copy."""
    exact = exact_copy(model)
    same = {key: value.double() if value.is_floating_point() else value for key, value in batch.items()}
    return Distance.between(zip(trace.logits, record_outputs(exact, [same]).logits, strict=True))


def parity_error(difference: str, tokens_equal: bool | None) -> PrunekitError:
    """The error of an export that computes something else."""
    tokens = "" if tokens_equal is None else f", tokens {'equal' if tokens_equal else 'different'}"
    return PrunekitError(
        f"The exported model differs from the pruned one ({difference}{tokens}), so nothing was written; please "
        "report it."
    )
