"""Labels as a model learnt them, where its tokenizer writes a start token before every text."""

import logging
from typing import Any

import torch

from prunekit.data.encoded import EncodedDataset, collate_batches
from prunekit.data.languages import beginnings
from prunekit.data.processors import Collator, Processor
from prunekit.data.tasks import Task
from prunekit.errors import PrunekitError

log = logging.getLogger(__name__)

SHIFT_KEYS = ("decoder_start_token_id", "pad_token_id")
"""The keys of a config by which labels become decoder inputs."""

COMPARED = 16
"""Dev rows on which both ways are compared."""


def fit_label_start(model: Any, processor: Processor, task: Task) -> None:
    """Let `processor` leave out a start token that its tokenizer writes, if the model's loss is lower without it.

    The model puts its start before the labels itself. Some were trained on labels that hold it, or the tokenizer's own
    beginning, once more, others not; whichever loss on dev rows is lower tells. Nothing to choose where the tokenizer
    writes none, or there are no dev rows.
    """
    if not len(task.dev):
        return
    rows = task.dev.select(range(min(len(task.dev), COMPARED)))
    askings = processor.askings(rows)
    with processor.asked(askings[0] if askings else None):
        writes = _writes_start(processor)
    if processor.drops_start or not writes:
        return
    losses = {}
    for drops in (False, True):
        processor.drops_start = drops
        losses[drops] = _loss(model, processor, processor.encode(rows))
    processor.drops_start = losses[True] < losses[False]
    log.info(
        "The tokenizer writes a start token before every text; labels are %s it, since the model's loss is "
        "%.2f with it and %.2f without.",
        "without" if processor.drops_start else "with",
        losses[False],
        losses[True],
    )


def check_shift(model: Any) -> None:
    """Raise `PrunekitError` where a model cannot put its start before labels, since its config names none."""
    shift = getattr(model, "prepare_decoder_input_ids_from_labels", None)
    try:
        if shift is not None:
            word = 1 if getattr(model.config, "pad_token_id", None) == 0 else 0
            shift(labels=torch.tensor([[word, -100]]))
    except (ValueError, AttributeError, AssertionError, TypeError) as error:
        config = model.config
        missing = [key for key in SHIFT_KEYS if getattr(config, key, None) is None]
        raise PrunekitError(
            f"The model's config.json lacks {' and '.join(missing) or 'what labels are shifted with'}, so no decoder "
            "input can be made of labels; write there the id of the token that every answer begins with, or pads."
        ) from error


def _writes_start(processor: Processor) -> bool:
    ids = processor.tokenizer(text_target="")["input_ids"]
    return bool(ids) and ids[0] in beginnings(processor.tokenizer, processor.start)


@torch.no_grad()
def _loss(model: Any, processor: Processor, encoded: EncodedDataset) -> float:
    """The mean loss per batch on encoded rows."""
    batches = collate_batches(encoded, range(len(encoded)), COMPARED, Collator(processor, model), model)
    losses = []
    for batch in batches:
        batch.pop("index", None)
        losses.append(float(model(**batch, use_cache=False).loss))
    return sum(losses) / max(1, len(losses))
