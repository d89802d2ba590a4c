"""Preflight: a look at model and data before any work, so that nothing is cut, lost or asked wrongly in silence."""

import logging
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from datasets import Dataset

from prunekit.data.encoded import EncodedDataset, collate_batches
from prunekit.data.processors import Collator, Processor, SideCounter
from prunekit.loading.context import RunContext
from prunekit.pipeline.evaluation import take_first
from prunekit.report.data_section import DataSection, DatasetSection, FirstTokenLoss, LostTargets

log = logging.getLogger(__name__)

LOOKED_AT = 500
"""Targets that are encoded and decoded to see whether they survive."""

SCORED = 32
"""Dev rows on which the loss of the first label token is measured."""

MUCH_WORSE = 4.0
"""Nats by which the first label token may cost more than the others before something is doubtful."""


def look(
    context: RunContext, train: EncodedDataset | None, dev: EncodedDataset, test: EncodedDataset | None
) -> DataSection:
    """What a look at encoded rows and at the dense model finds; every warning in it has been logged.

    `train` and `test` are None where there are no such rows, or they are the dev rows.
    """
    section = context.processor.section
    processor = context.processor
    found = DataSection(
        train=None if train is None else DatasetSection.of(train),
        dev=DatasetSection.of(dev),
        test=None if test is None else DatasetSection.of(test),
        source_language=section.source_language,
        target_language=section.target_language,
        labels_begin_with=_pieces(processor, _common_start([dev.labels[n] for n in range(min(len(dev), SCORED))])),
        asked_with=_pieces(processor, _asked_with(context)),
        lost_targets=lost_targets(processor, context.task.dev),
        first_token_loss=first_token_loss(context, dev),
    )
    sentences = tuple(complaints(found))
    for sentence in sentences:
        log.warning("%s", sentence)
    return found.model_copy(update={"warnings": sentences})


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


def lost_targets(processor: Processor, rows: Dataset) -> LostTargets:
    """Dev targets that are another text once they were encoded and decoded; spaces do not count."""
    texts = list(take_first(rows, LOOKED_AT)["target"])
    whole = processor.uncut()
    encoded = whole.target_ids(texts, SideCounter(None))
    back = [whole.decode(torch.tensor([row], dtype=torch.long))[0] for row in encoded]
    lost = [(one, other) for one, other in zip(texts, back, strict=True) if one.split() != other.split()]
    return LostTargets(looked_at=len(texts), lost=len(lost), example=lost[0] if lost else None)


@torch.no_grad()
def first_token_loss(context: RunContext, dev: EncodedDataset) -> FirstTokenLoss | None:
    """The loss of the context's model on the first label token of some dev rows, and on all others."""
    model: Any = context.model
    collate = Collator(context.processor, model)
    first: list[float] = []
    others: list[float] = []
    for batch in collate_batches(dev, range(min(len(dev), SCORED)), SCORED // 4, collate, model):
        batch.pop("index", None)
        labels = batch["labels"]
        logits = model(**batch, use_cache=False).logits.float()
        losses = torch.nn.functional.cross_entropy(logits.transpose(1, 2), labels, reduction="none", ignore_index=-100)
        first += losses[:, 0][labels[:, 0] != -100].tolist()
        others += losses[:, 1:][labels[:, 1:] != -100].tolist()
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
