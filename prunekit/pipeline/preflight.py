"""Preflight: a look at model and data before any work, so that nothing is cut, lost or asked wrongly in silence."""

import logging
import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from datasets import Dataset

from prunekit._support.modes import evaluation_mode
from prunekit.data.encoded import EncodedDataset, SideCounter, collate_batches
from prunekit.data.processors import Collator, Processor
from prunekit.data.table import are_labelled
from prunekit.errors import PrunekitError
from prunekit.loading.context import RunContext
from prunekit.pipeline.evaluation import quality_of, take_first
from prunekit.pipeline.forecast import forecast, is_worth_timing
from prunekit.pipeline.recovery import check_anything_trains
from prunekit.pipeline.state import RunState, take_sample
from prunekit.report.data_section import (
    DataSection,
    DatasetSection,
    FirstTokenLoss,
    LostTargets,
    SampleScore,
    TargetsSection,
)

log = logging.getLogger(__name__)

LOOKED_AT = 500
"""Targets that are encoded and decoded to see whether they survive."""

SCORED = 32
"""Dev rows on which the loss of the first label token is measured."""

HOPELESS = 0.5
"""The share of unknown tokens in right answers beyond which a model cannot do its task."""

MUCH_WORSE = 4.0
"""Nats by which the first label token may cost more than the others before something is doubtful."""


def look(
    context: RunContext, train: EncodedDataset | None, dev: EncodedDataset, test: EncodedDataset | None
) -> DataSection:
    """What a look at encoded rows and at the dense model finds; every warning in it has been logged.

    `train` and `test` are None where there are no such rows, or they are the dev rows.
    """
    return _warned(_found(context, train, dev, test))


def look_at_run(state: RunState) -> DataSection:
    """The same for a run that has just been opened, with what the run will come to.

    Steps and answers are timed for it only where much training lies ahead, or nothing but a look is asked for. Raises
    `PrunekitError` for a recovery that could train nothing.
    """
    context = state.dense
    check_anything_trains(context.model, state.recipe.recovery)
    measure = state.recipe.measure
    rows = take_sample(take_first(context.task.test, measure.eval_examples), state.sample, state.recipe.seed)
    test = None if context.task.test is context.task.dev else context.processor.encode(rows)
    found = _found(context, state.data.training.train, state.data.training.dev, test)
    score = seconds = None
    if state.sample is not None or is_worth_timing(state):
        score, seconds = _dense_answers(state)
    more = {"dense": score, "forecast": forecast(state, seconds), "targets": _expected_targets(state)}
    return _warned(found.model_copy(update=more))


def _expected_targets(state: RunState) -> TargetsSection | None:
    """Which training targets the teacher will write; None where all are labels."""
    by = state.recipe.recovery.targets
    flags = are_labelled(state.dense.task.train)
    return None if by == "labels" else TargetsSection(by=by, rows=len(flags), labelled=sum(flags))


def _dense_answers(state: RunState) -> tuple[SampleScore, float]:
    """The dense model's score on a batch of dev rows, and the seconds that all test rows would take it."""
    context = state.dense
    measure = state.recipe.measure
    rows = take_sample(context.task.dev, measure.batch, state.recipe.seed)
    quality = quality_of(context, rows, measure.batch)
    head = context.task.metrics[0]
    tests = len(take_first(context.task.test, measure.eval_examples))
    score = SampleScore(metric=head.name, score=quality.scores[head.name], fraction=head.fraction, rows=len(rows))
    return score, quality.seconds * tests / len(rows)


def _warned(found: DataSection) -> DataSection:
    """The same with its warnings, which have been logged; raises `PrunekitError` where it is surely wrong."""
    unknown = found.dev.targets.unknown
    if unknown > HOPELESS:
        raise PrunekitError(
            f"{unknown:.0%} of the tokens in the targets of the dev rows are unknown to the tokenizer, so the model "
            "cannot write them; give the tokenizer that was trained with it, or another model."
        )
    sentences = tuple(complaints(found))
    for sentence in sentences:
        log.warning("%s", sentence)
    return found.model_copy(update={"warnings": sentences})


def _found(
    context: RunContext, train: EncodedDataset | None, dev: EncodedDataset, test: EncodedDataset | None
) -> DataSection:
    section = context.processor.section
    processor = context.processor
    skipped = context.task.skipped
    return DataSection(
        train=None if train is None else DatasetSection.of(train, len(context.task.train), skipped.get("train", 0)),
        dev=DatasetSection.of(dev, skipped=skipped.get("dev", 0)),
        test=None if test is None else DatasetSection.of(test, skipped=skipped.get("test", 0)),
        source_language=section.source_language,
        target_language=section.target_language,
        labels_begin_with=_pieces(processor, _common_start([dev.labels[n] for n in range(min(len(dev), SCORED))])),
        asked_with=_pieces(processor, _asked_with(context)),
        lost_targets=lost_targets(processor, context.task.dev),
        first_token_loss=first_token_loss(context, dev),
    )


def complaints(found: DataSection) -> Iterator[str]:
    """Everything doubtful, each as one sentence."""
    for name, rows in (("training", found.train), ("dev", found.dev), ("test", found.test)):
        if rows is not None:
            yield from rows.complaints(name)
    lost = found.lost_targets
    if lost is not None and lost.example is not None:
        before, after = lost.example
        yield (
            f"{lost.lost:,} of {lost.looked_at:,} dev targets do not survive the tokenizer: {before[:60]!r} becomes "
            f"{after[:60]!r}."
        )
    loss = found.first_token_loss
    if loss is not None and loss.first > loss.others + MUCH_WORSE:
        yield (
            f"The dense model's loss on the first label token is {loss.first:.1f}, on the others {loss.others:.1f}: it "
            "may have been trained with another language, prompt or start token."
        )
    if found.forecast is not None:
        yield from found.forecast.complaints()


def lost_targets(processor: Processor, rows: Dataset) -> LostTargets:
    """Dev targets that are another text once they were encoded and decoded; spaces do not count."""
    first = take_first(rows, LOOKED_AT)
    texts = list(first["target"])
    whole = processor.uncut()
    encoded = whole.target_ids(texts, SideCounter(None), whole.askings(first))
    back = [whole.decode(torch.tensor([row], dtype=torch.long))[0] for row in encoded]
    lost = [(one, other) for one, other in zip(texts, back, strict=True) if one.split() != other.split()]
    return LostTargets(looked_at=len(texts), lost=len(lost), example=lost[0] if lost else None)


def first_token_loss(context: RunContext, dev: EncodedDataset) -> FirstTokenLoss | None:
    """The loss of the context's model on the first label token of some dev rows, and on all others.

    Raises `PrunekitError` where the model computes no numbers.
    """
    model: Any = context.model
    collate = Collator(context.processor, model)
    first: list[float] = []
    others: list[float] = []
    with evaluation_mode(model):
        for batch in collate_batches(dev, range(min(len(dev), SCORED)), SCORED // 4, collate, model):
            batch.pop("index", None)
            labels = batch["labels"]
            logits = model(**batch, use_cache=False).logits.float().transpose(1, 2)
            losses = torch.nn.functional.cross_entropy(logits, labels, reduction="none", ignore_index=-100)
            first += losses[:, 0][labels[:, 0] != -100].tolist()
            others += losses[:, 1:][labels[:, 1:] != -100].tolist()
    if not math.isfinite(sum(first) + sum(others)):
        raise PrunekitError(
            f"The dense model's loss on the dev rows is no number in {str(model.dtype).removeprefix('torch.')}; its "
            "weights are damaged, or it computes in another precision only."
        )
    if not first or not others:
        return None
    return FirstTokenLoss(first=sum(first) / len(first), others=sum(others) / len(others))


def _common_start(rows: Sequence[Sequence[int]]) -> list[int]:
    """What all rows begin with; nothing where a single row would be its own beginning."""
    if len(rows) < 2:
        return []
    shared: list[int] = []
    for column in zip(*rows, strict=False):
        if len(set(column)) > 1:
            break
        shared.append(column[0])
    return shared


def _asked_with(context: RunContext) -> list[int]:
    """The tokens that every answer of the model begins with."""
    config: Any = context.model.generation_config
    ids = (config.decoder_start_token_id, config.forced_bos_token_id)
    return [*(token for token in ids if isinstance(token, int)), *context.processor.prompt_ids()]


def _pieces(processor: Processor, ids: Sequence[int]) -> tuple[str, ...]:
    return tuple(map(str, processor.tokenizer.convert_ids_to_tokens(list(ids))))
