"""How good a model is at a task: it generates an answer for every row, and the task's metrics score the answers."""

import copy
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from datasets import Dataset
from torch import Tensor
from transformers import GenerationConfig, GenerationMixin, PreTrainedModel

from prunekit._support.modes import evaluation_mode
from prunekit._support.progress import StageProgress
from prunekit._support.suggest import hint
from prunekit.data.asking import Asking
from prunekit.data.encoded import EncodedDataset, to_device
from prunekit.data.metrics.metric import Metric
from prunekit.data.processors import Processor
from prunekit.errors import PrunekitError, one_line
from prunekit.generation import own_settings, use_generation_config
from prunekit.measure.predictions import answer_languages
from prunekit.recipe import TaskSection


@dataclass(frozen=True)
class Quality:
    """What a model scored. Example: ``Quality({"exact_match": 0.66, "per": 0.09}, ("S P IY D", ...), 41.0)``.

    `scores` are fractions by metric name, the headline first; `predictions` stand in the rows' order; `seconds` are
    wall seconds for generating and scoring. `ended` says of each answer whether the model ended it by itself, where
    that is known.
    """

    scores: Mapping[str, float]
    predictions: tuple[str, ...]
    seconds: float
    ended: tuple[bool, ...] | None = None


def evaluate_quality(
    model: PreTrainedModel,
    processor: Processor,
    rows: Dataset,
    metrics: Sequence[Metric],
    generation: Mapping[str, Any],
    batch: int = 64,
    progress: StageProgress | None = None,
) -> Quality:
    """Generate for every row and score against its `references`."""
    start = time.perf_counter()
    predictions, ended = generate_answers(model, processor, rows, generation, batch, progress)
    return replace(score_answers(predictions, rows, metrics, start), ended=tuple(ended))


def score_answers(
    predictions: Sequence[str], rows: Dataset, metrics: Sequence[Metric], start: float | None = None
) -> Quality:
    """Score answers to all rows against the rows' `references`; `start` is when the work on them began."""
    begun = time.perf_counter() if start is None else start
    languages = answer_languages(rows)
    scores = {metric.name: metric.score(predictions, rows["references"][:], languages) for metric in metrics}
    return Quality(scores, tuple(predictions), time.perf_counter() - begun)


def generate_answers(
    model: PreTrainedModel,
    processor: Processor,
    rows: Dataset,
    generation: Mapping[str, Any],
    batch: int = 64,
    progress: StageProgress | None = None,
) -> tuple[list[str], list[bool]]:
    """One generated text per row, in the rows' order, and whether each ended by itself.

    See `answered_batches` for `generation`, for the order of the work, and for what is raised.
    """
    encoded = processor.encode(rows)
    texts = [""] * len(encoded)
    ended = [True] * len(encoded)
    done = 0
    for answered in answered_batches(model, processor, encoded, generation, batch):
        for row, text, end in zip(answered.numbers, answered.texts, answered.ended, strict=True):
            texts[row] = text
            ended[row] = end
        done += len(answered.numbers)
        if progress:
            progress(done, len(encoded))
    return texts, ended


@dataclass(frozen=True)
class AnsweredBatch:
    """What a model generated for some rows, by their `numbers` from 0, which are all asked alike."""

    numbers: Sequence[int]
    asking: Asking | None
    sources: Sequence[Any]
    texts: Sequence[str]
    ended: Sequence[bool]


def answered_batches(
    model: PreTrainedModel,
    processor: Processor,
    encoded: EncodedDataset,
    generation: Mapping[str, Any],
    batch: int = 64,
    known: Collection[int] = (),
) -> Iterator[AnsweredBatch]:
    """Generate for every row, batch by batch; batches of rows that are all `known` are left out.

    `generation` overrides the model's own generation config; unless it limits the length, at most ``target_length`` new
    tokens are made, as the processor's section has it. Rows of like length that are asked alike share a batch, the
    longest first, so that a batch too large for the memory fails at once. Raises `PrunekitError` for a generation key
    that does not exist, and for settings by which the model cannot generate.
    """
    own = {key: value for key, value in generation.items() if key in own_settings(model)}
    shared = {key: value for key, value in generation.items() if key not in own}
    for asking, chunk in encoded.asked_alike(encoded.by_length(), batch):
        if all(row in known for row in chunk):
            continue
        config = _config(model, processor.section, shared, beginning(processor, asking))
        sources = [encoded.sources[row] for row in chunk]
        inputs = to_device(processor.pad(sources), model)
        with evaluation_mode(model), use_generation_config(model, config):
            answers = _generated(model, inputs, own, generation)
        ended = _which_end(answers, config, _is_stock(model))
        yield AnsweredBatch(chunk, asking, sources, processor.decode(answers), ended)


def beginning(processor: Processor, asking: Asking | None) -> Mapping[str, Any]:
    """The generation settings by which answers of rows that are asked so begin; the model's own where all are alike."""
    if asking is None:
        return {}
    with processor.asked(asking):
        return dict(processor.generation_settings())


def _generated(
    model: PreTrainedModel, inputs: Mapping[str, Any], own: Mapping[str, Any], overrides: Mapping[str, Any]
) -> Any:
    """The ids [rows, tokens] that the model generates; raises `PrunekitError` with what its `generate` says if not.

    `own` are those of the `overrides` that only this model's `generate` knows.
    """
    generator: Any = model  # transformers declares `generate` on the classes of single architectures only
    try:
        return generator.generate(**inputs, **own, return_dict_in_generate=False)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # settings fail wherever they are used, and remote code may raise anything
        listed = ", ".join(f"{key}={value}" for key, value in overrides.items())
        settings = f"the generation settings {listed}" if listed else "its own generation config"
        raise PrunekitError(f"The model cannot generate by {settings}: {one_line(error, 300)}") from error


def _is_stock(model: PreTrainedModel) -> bool:
    """Whether the model generates by the `generate` that all share."""
    generator: Any = type(model)
    return generator.generate is GenerationMixin.generate


def _which_end(answers: Tensor, config: GenerationConfig, stock: bool) -> list[bool]:
    """Whether each of the generated ids [rows, tokens] holds the token that ends an answer.

    The first column starts every answer. A `generate` that is not `stock`, such as Whisper's, may take both off:
    answers that are shorter than the limit have ended then, and padding stands behind one that has.
    """
    settings: Any = config
    ends = set(settings.eos_token_id if isinstance(settings.eos_token_id, list) else [settings.eos_token_id])
    width = answers.shape[1]
    if stock or (width and bool((answers[:, 0] == settings.decoder_start_token_id).all())):
        return [bool(set(ids[1:]) & ends) for ids in answers.tolist()]
    limit = settings.max_new_tokens or settings.max_length
    if limit is None or width < limit:
        return [True] * len(answers)
    return [bool(set(ids) & {*ends, settings.pad_token_id}) for ids in answers.tolist()]


def _config(
    model: PreTrainedModel, section: TaskSection, overrides: Mapping[str, Any], beginning: Mapping[str, Any]
) -> GenerationConfig:
    """A copy of the model's generation config with a `beginning`, `overrides` and a limit of length."""
    config: Any = copy.deepcopy(model.generation_config)
    for key, value in beginning.items():
        setattr(config, key, value)
    limits = {"max_length": None, "max_new_tokens": section.target_length}
    if "max_length" in overrides or "max_new_tokens" in overrides:
        limits = {"max_length": None, "max_new_tokens": None}  # whatever the model brought must not compete
    try:
        unknown = config.update(**{**limits, **overrides})
    except (ValueError, TypeError, AttributeError) as error:  # a value of a wrong type meets comparisons and methods
        raise PrunekitError(f"The generation settings do not work: {one_line(error)}") from error
    if unknown:
        name = min(unknown)
        known = [key for key in (*sorted(own_settings(model)), *config.to_dict()) if not key.startswith("_")]
        raise PrunekitError(f"There is no generation setting {name!r}; {hint(name, known)}")
    if (config.num_return_sequences or 1) != 1:
        raise PrunekitError(
            f"num_return_sequences is {config.num_return_sequences}, but one answer a row is scored; leave it out."
        )
    result: GenerationConfig = config
    return result
