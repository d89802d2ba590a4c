"""A model writes answers to rows, to train on: generated, kept in a file as they come, and scored as targets."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from prunekit._support.modes import evaluation_mode
from prunekit._support.progress import StageProgress
from prunekit.data.encoded import EncodedDataset, SideCounter, to_device
from prunekit.data.languages import framing_ids
from prunekit.data.processors import Collator, Processor
from prunekit.measure.answer_log import AnswerLog, WrittenAnswer
from prunekit.measure.quality import AnsweredBatch, answered_batches

DIGITS = 6
"""Decimal places of a score: as many as float32 computes."""


def write_answers(
    model: PreTrainedModel,
    processor: Processor,
    encoded: EncodedDataset,
    generation: Mapping[str, Any],
    log: AnswerLog,
    batch: int = 64,
    scored: bool = True,
    progress: StageProgress | None = None,
) -> list[WrittenAnswer]:
    """One answer per encoded row, in the rows' order; what `log` holds already is not generated again.

    Batches and settings are those of `answered_batches`. With the same rows, model, settings and `batch` the answers
    are the same, however often the work was interrupted; what a generation draws depends on how many there are.
    """
    known = log.load()
    scorer = TargetScorer(model, processor) if scored else None
    if progress:
        progress(len(known), len(encoded))
    with torch.random.fork_rng():
        torch.manual_seed(len(known))
        for answered in answered_batches(model, processor, encoded, generation, batch, known):
            written = _written(processor, answered, scorer)
            log.add(written)
            known.update(written)
            torch.manual_seed(len(known))
            if progress:
                progress(len(known), len(encoded))
    return [known[number] for number in range(len(encoded))]


def _written(processor: Processor, answered: AnsweredBatch, scorer: "TargetScorer | None") -> dict[int, WrittenAnswer]:
    """The answers of a batch by their rows' numbers, each tokenised again as training reads it."""
    askings = None if answered.asking is None else [answered.asking] * len(answered.texts)
    labels = list(processor.target_ids(answered.texts, SideCounter(None), askings))
    outside = _outside(processor)
    tokens = [sum(token not in outside for token in ids) for ids in labels]
    scores = [None] * len(labels) if scorer is None else scorer.scores(answered.sources, labels)
    rows = zip(answered.numbers, answered.texts, answered.ended, tokens, scores, strict=True)
    return {number: WrittenAnswer(text, ended, count, score) for number, text, ended, count, score in rows}


class TargetScorer:
    """How probable a model finds targets: the mean log-probability of a token, in nats.

    Tokens that stand before every answer do not count. Example: a target of "a" and an end, with the probabilities 0.5
    and 0.9, has (ln 0.5 + ln 0.9) / 2 = -0.399.
    """

    def __init__(self, model: PreTrainedModel, processor: Processor):
        self.model: Any = model
        self.collate = Collator(processor, model)
        self.outside = torch.tensor(sorted(_outside(processor)), dtype=torch.long)

    def scores(self, sources: Sequence[Any], labels: Sequence[Sequence[int]]) -> list[float]:
        """The score of each row's labels after its encoded source; 0 for a row without tokens that count."""
        if not any(labels):
            return [0.0] * len(labels)
        rows = [{"source": each, "labels": ids, "index": 0} for each, ids in zip(sources, labels, strict=True)]
        batch = self.collate(rows)
        batch.pop("index")
        with evaluation_mode(self.model):
            logits = self.model(**to_device(batch, self.model), use_cache=False).logits
        means = self._means(logits.float().cpu(), batch["labels"])
        return [round(float(mean), DIGITS) + 0.0 for mean in means]  # no negative zero

    def _means(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The mean over the tokens that count, [rows], of logits [rows, tokens, vocabulary]."""
        counted = (labels != -100) & ~torch.isin(labels, self.outside)
        chosen = logits.log_softmax(-1).gather(-1, labels.clamp(min=0).unsqueeze(-1)).squeeze(-1)
        return torch.where(counted, chosen, 0.0).sum(-1) / counted.sum(-1).clamp(min=1)


def _outside(processor: Processor) -> set[int]:
    """The ids that frame a text and are neither its end nor a piece that the tokenizer does not know."""
    tokenizer: Any = processor.tokenizer
    end = tokenizer.sep_token_id if tokenizer.eos_token_id is None else tokenizer.eos_token_id
    return framing_ids(tokenizer) - {end, tokenizer.unk_token_id}
