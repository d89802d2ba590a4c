"""Equivalence: does the cut model compute what the masked one computed?"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from prunekit._support.frozen import FrozenModel
from prunekit._support.modes import evaluation_mode
from prunekit.cut.token_ids import BEGINNING, Renumbering
from prunekit.find.groups import PruningGroup
from prunekit.find.plan import PruningPlan
from prunekit.learn.masking.masks import masked

TOLERANCE = 1e-5
"""Largest difference of a logit, relative to the largest logit, between models that compute the same (float32)."""

ALARM = {torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 1e-1}
"""Above this a cut is wrong: rounding may exceed `TOLERANCE` in a model with sharp weights, a wrong slice by far."""


@dataclass(frozen=True)
class OutputTrace:
    """What a model did on a few fixed batches: logits [batch, tokens, vocabulary], greedy tokens and their scores."""

    logits: tuple[Tensor, ...]
    tokens: tuple[Tensor, ...]
    scores: tuple[Tensor, ...]

    def renumbered(self, fewer: Renumbering) -> "OutputTrace":
        """The same for the kept tokens, by their new numbers."""
        return OutputTrace(
            tuple(values[..., fewer.kept_ids] for values in self.logits),
            tuple(map(fewer.renumber, self.tokens)),
            tuple(values[..., fewer.kept_ids] for values in self.scores),
        )


class Equivalence(FrozenModel):
    """How far two traces are apart, in logits and greedy tokens. Example: ``max_abs_diff=3e-6, tokens_equal=True``.

    `max_rel_diff` is relative to the largest logit; `tokens_equal` allows a flip where the top two scores were within
    tolerance.
    """

    max_abs_diff: float
    max_rel_diff: float
    tokens_equal: bool

    def holds(self, dtype: torch.dtype) -> bool:
        """Whether the two compute the same, as far as rounding in this precision allows (see `ALARM`)."""
        return self.max_rel_diff <= ALARM.get(dtype, ALARM[torch.float32]) and self.tokens_equal

    def worse(self, other: "Equivalence") -> "Equivalence":
        """The worse of both in each respect."""
        return Equivalence(
            max_abs_diff=max(self.max_abs_diff, other.max_abs_diff),
            max_rel_diff=max(self.max_rel_diff, other.max_rel_diff),
            tokens_equal=self.tokens_equal and other.tokens_equal,
        )


def record_outputs(model: PreTrainedModel, batches: Sequence[dict[str, Any]], new_tokens: int = 12) -> OutputTrace:
    """Run `model` in evaluation mode on teacher-forced batches, and let it generate from the same inputs."""
    logits = []
    tokens = []
    scores = []
    with evaluation_mode(model):
        for batch in batches:
            forced = {key: value for key, value in batch.items() if key not in ("index", BEGINNING)}
            logits.append(model(**forced, use_cache=False).logits.float().cpu())
            output = _generate_greedily(model, batch, new_tokens)
            tokens.append(output.sequences.cpu())
            scores.append(torch.stack(output.logits, dim=1).float().cpu())
    return OutputTrace(tuple(logits), tuple(tokens), tuple(scores))


def _generate_greedily(model: PreTrainedModel, batch: dict[str, Any], new_tokens: int) -> Any:
    """Tokens, and the logits behind each, from the encoder's inputs of a batch."""
    generator: Any = model  # transformers declares `generate` on the classes of single architectures only
    others = ("labels", "index", "decoder_", BEGINNING)
    inputs = {key: value for key, value in batch.items() if not key.startswith(others)}
    return generator.generate(
        **inputs,
        **batch.get(BEGINNING, {}),
        max_new_tokens=new_tokens,
        do_sample=False,
        num_beams=1,
        output_logits=True,
        return_dict_in_generate=True,
    )


def compare_outputs(one: OutputTrace, other: OutputTrace) -> Equivalence:
    """Differences of `other` from `one`."""
    largest = _largest(one.logits)
    difference = _largest([a - b for a, b in zip(one.logits, other.logits, strict=True)])
    same = all(
        _same_tokens(a, b, scores, max(TOLERANCE * largest, difference))
        for a, b, scores in zip(one.tokens, other.tokens, one.scores, strict=True)
    )
    return Equivalence(max_abs_diff=difference, max_rel_diff=difference / max(largest, 1e-30), tokens_equal=same)


def _largest(values: Sequence[Tensor]) -> float:
    """The largest magnitude; no number where one of them is none."""
    return float(torch.stack([each.abs().max() for each in values]).max())


def _same_tokens(one: Tensor, other: Tensor, scores: Tensor, tolerance: float) -> bool:
    """Whether each row agrees up to its first flip, if any, and that flip was a tie within `tolerance`."""
    start = one.shape[1] - scores.shape[1]
    for row in range(len(one)):
        width = min(one.shape[1], other.shape[1])
        different = (one[row, :width] != other[row, :width]).nonzero()
        if len(different) == 0 and one.shape == other.shape:
            continue
        first = int(different[0]) if len(different) else width
        if first - start >= scores.shape[1]:
            return False
        top = scores[row, first - start].topk(2).values
        if float(top[0] - top[1]) > 2 * tolerance:
            return False
    return True


def compare_with_cut(
    model: PreTrainedModel,
    groups: Sequence[PruningGroup],
    plan: PruningPlan,
    cut: Callable[[], object],
    batches: Sequence[dict[str, Any]],
) -> Equivalence:
    """Compare `model`, masked to `plan`, with what `cut` makes of it in place.

    `groups` are the model's before the cut, and `plan` keeps units of them. Where tokens are removed, `batches` must
    hold none of them, and number the others as the model does before the cut.
    """
    with masked(model, groups, plan):
        expected = record_outputs(model, batches)
    cut()
    fewer = Renumbering.of(groups, plan)
    if fewer is not None:
        expected = expected.renumbered(fewer)
        batches = [fewer.renumber_batch(batch) for batch in batches]
    return compare_outputs(expected, record_outputs(model, batches))
