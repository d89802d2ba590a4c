"""How good a model is at a task: it generates an answer for every row, and the task's metrics score the answers."""

import copy
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from datasets import Dataset
from transformers import GenerationConfig, PreTrainedModel

from prunekit._support.modes import evaluation_mode
from prunekit._support.progress import StageProgress
from prunekit._support.suggest import hint
from prunekit.data.asking import Asking
from prunekit.data.encoded import to_device
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

    `generation` overrides the model's own generation config; unless it limits the length, at most ``target_length`` new
    tokens are made, as the reader's section has it. Rows of like length that are asked alike share a batch, the longest
    first, so that a batch too large for the memory fails at once. Raises `PrunekitError` for a generation key that does
    not exist, and for settings by which the model cannot generate.
    """
    own = {key: value for key, value in generation.items() if key in own_settings(model)}
    shared = {key: value for key, value in generation.items() if key not in own}
    encoded = processor.encode(rows)
    order = encoded.by_length()
    texts = [""] * len(order)
    ended = [True] * len(order)
    done = 0
    for asking, chunk in encoded.asked_alike(order, batch):
        config = _config(model, processor.section, shared, beginning(processor, asking))
        inputs = to_device(processor.pad([encoded.sources[row] for row in chunk]), model)
        with evaluation_mode(model), use_generation_config(model, config):
            answers = _generated(model, inputs, own, generation)
        for row, ids, text in zip(chunk, answers.tolist(), processor.decode(answers), strict=True):
            texts[row] = text
            ended[row] = _ends(ids, model)
        done += len(chunk)
        if progress:
            progress(done, len(order))
    return texts, ended


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


def _ends(ids: Sequence[int], model: PreTrainedModel) -> bool:
    """Whether generated ids, the first of which starts every answer, hold the token that ends one."""
    config: Any = model.generation_config
    ends = config.eos_token_id
    return bool(set(ids[1:]) & set(ends if isinstance(ends, list) else [ends]))


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
