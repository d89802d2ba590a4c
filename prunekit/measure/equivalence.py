"""Equivalence: does the cut model compute what the masked one computed?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from prunekit._support.frozen import FrozenModel
from prunekit._support.modes import evaluation_mode
from prunekit.cut.surgery import cut
from prunekit.cut.token_ids import Renumbering
from prunekit.errors import PrunekitError
from prunekit.find.adapter import Adapter
from prunekit.find.graph import DependencyGraph
from prunekit.find.groups import PruningGroup
from prunekit.find.plan import PruningPlan, groups_after
from prunekit.learn.masking.masks import masked

TOLERANCE = 1e-5
"""Largest difference of a logit, relative to the largest logit, between models that compute the same (float32)."""

ALARM = {torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 1e-1}
"""Where a run stops. Rounding can pass `TOLERANCE` in a model with sharp weights; a wrong slice is off by far more."""


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

    def worse(self, other: "Equivalence") -> "Equivalence":
        """The worse of both in each respect."""
        return Equivalence(
            max_abs_diff=max(self.max_abs_diff, other.max_abs_diff),
            max_rel_diff=max(self.max_rel_diff, other.max_rel_diff),
            tokens_equal=self.tokens_equal and other.tokens_equal,
        )


def record_outputs(model: PreTrainedModel, batches: Sequence[dict[str, Any]], new_tokens: int = 12) -> OutputTrace:
    """Run `model` in evaluation mode on teacher-forced batches, and let it generate from the same inputs."""
    logits, tokens, scores = [], [], []
    with evaluation_mode(model):
        for batch in batches:
            forced = {key: value for key, value in batch.items() if key != "index"}
            logits.append(model(**forced, use_cache=False).logits.float().cpu())
            output = _generate_greedily(model, batch, new_tokens)
            tokens.append(output.sequences.cpu())
            scores.append(torch.stack(output.logits, dim=1).float().cpu())
    return OutputTrace(tuple(logits), tuple(tokens), tuple(scores))


def _generate_greedily(model: PreTrainedModel, batch: dict[str, Any], new_tokens: int) -> Any:
    """Tokens, and the logits behind each, from the encoder's inputs of a batch."""
    generator: Any = model  # transformers declares `generate` on the classes of single architectures only
    inputs = {key: value for key, value in batch.items() if not key.startswith(("labels", "index", "decoder_"))}
    return generator.generate(
        **inputs,
        max_new_tokens=new_tokens,
        do_sample=False,
        num_beams=1,
        output_logits=True,
        return_dict_in_generate=True,
    )


def compare_outputs(one: OutputTrace, other: OutputTrace) -> Equivalence:
    """Differences of `other` from `one`."""
    largest = max(float(values.abs().max()) for values in one.logits)
    difference = max(float((a - b).abs().max()) for a, b in zip(one.logits, other.logits, strict=True))
    same = all(
        _same_tokens(a, b, scores, max(TOLERANCE * largest, difference))
        for a, b, scores in zip(one.tokens, other.tokens, one.scores, strict=True)
    )
    return Equivalence(max_abs_diff=difference, max_rel_diff=difference / max(largest, 1e-30), tokens_equal=same)


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


def cut_checked(
    model: PreTrainedModel,
    plan: PruningPlan,
    adapter: Adapter,
    graph: DependencyGraph,
    dense_config: Any,
    before: PruningPlan,
    batches: Sequence[dict[str, Any]],
) -> Equivalence:
    """Cut `model` in place to `before.then(plan)`, and prove on `batches` that it computes what the masked model did.

    Where tokens are removed, `batches` must hold none of them, and number the others as the model does before the cut.
    Raises `PrunekitError` where logits differ by more than the tolerance or tokens flip; `model` is then of no use.
    """
    groups: Sequence[PruningGroup] = groups_after(graph.groups, before)
    names = {group.name for group in groups}
    local = PruningPlan({name: ids for name, ids in before.then(plan).kept.items() if name in names})
    fewer = Renumbering.of(groups, local)
    with masked(model, groups, local):
        expected = record_outputs(model, batches)
    cut(model, plan, adapter, graph, dense_config, before)
    if fewer is not None:
        expected, batches = expected.renumbered(fewer), [fewer.renumber_batch(batch) for batch in batches]
    result = compare_outputs(expected, record_outputs(model, batches))
    if result.max_rel_diff > ALARM.get(model.dtype, 1e-4) or not result.tokens_equal:
        tokens = "equal" if result.tokens_equal else "different"
        raise PrunekitError(
            f"The cut model differs from the masked one (logits by {result.max_rel_diff:.1e} of the largest, tokens "
            f"{tokens}); the adapter {type(adapter).__name__} is wrong for this model."
        )
    return result
