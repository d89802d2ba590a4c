"""Opens what a run works on: model, processor, task, adapter, graph."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import PretrainedConfig, PreTrainedModel

from prunekit.cut.checkpoint import dense_config
from prunekit.data.audio import AudioProcessor
from prunekit.data.lengths import Positions, check_answer_lengths, fit_lengths, positions_of
from prunekit.data.processors import Processor
from prunekit.data.speech_prompt import (
    PROMPT_SETTINGS,
    TRANSLATE,
    SpeechPrompt,
    hears_languages,
    prompt_for,
)
from prunekit.data.tasks import Task, from_files, with_unlabelled
from prunekit.data.text import TextProcessor
from prunekit.errors import PrunekitError
from prunekit.find.adapter import Adapter
from prunekit.find.graph import DependencyGraph
from prunekit.find.trace import build_skeleton
from prunekit.learn.strategy import Strategy, build
from prunekit.loading.answers import begin_answers, unset_language, unused_languages, unused_settings
from prunekit.loading.device import device_of
from prunekit.loading.labels import SHIFT_KEYS, check_shift, fit_label_start
from prunekit.loading.pretrained import (
    graph_of,
    located,
    open_config,
    open_extractor,
    open_generation_config,
    open_model,
    open_tokenizer,
)
from prunekit.loading.structure import adapter_for
from prunekit.loading.task import model_of, open_task
from prunekit.plugins import STRATEGIES, load
from prunekit.recipe import Recipe, TaskSection

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunContext:
    """What a run works on. Example: a T5 of 3.95M parameters, its reader, the task ``g2p`` and the adapter ``t5``.

    `graph` describes the original model, also where `model` is one that was pruned before; `name` is the adapter's.
    `generation` overrides the model's generation config, with tokens by the numbers that the reader gives them.
    """

    model: PreTrainedModel
    processor: Processor
    task: Task
    name: str
    adapter: Adapter
    graph: DependencyGraph
    device: str
    generation: Mapping[str, Any]


def open_run_context(recipe: Recipe, read: Callable[[TaskSection], Task] | None = None) -> RunContext:
    """Everything that `recipe` names, the cheap things first; `read` opens a task that is described by its files.

    When left out, it is as the recipe has it: training rows need a label unless a teacher writes their targets.
    Raises `PrunekitError` in one sentence for whatever is missing, damaged or does not fit.
    """
    device = device_of(recipe.device)
    directory = located(model_of(recipe))
    config = open_config(directory, recipe.trust_remote_code)
    name, adapter = adapter_for(config, recipe.adapter)
    _check_token_ids(config, directory)
    task = open_task(_with_answer_language(recipe), read or _how_to_read(recipe))
    _check_reads(adapter, config, task)
    positions = positions_of(config, build_skeleton(adapter, dense_config(config)), adapter.ahead)
    processor = open_processor(directory, config, task, positions, recipe.trust_remote_code, recipe.generation)
    processor = processor.with_hints(partial(adapter.attention_hints, config))
    task = _usable(task, processor)
    for sentence in (*unused_languages(task, processor), *unused_settings(recipe.generation)):
        log.warning("%s", sentence)
    dtype = getattr(torch, recipe.dtype)
    model = open_model(directory, config, adapter, dtype, device, recipe.trust_remote_code)
    _check_vocabulary(processor, model, directory)
    check_shift(model)
    fit_label_start(model, processor, task)
    begin_answers(model, processor, task, recipe.generation)
    for sentence in unset_language(model, processor, task, recipe.generation):
        log.warning("%s", sentence)
    generation = _left_to_generate(processor, recipe.generation)
    return RunContext(model, processor, task, name, adapter, graph_of(model, adapter), device, generation)


def _how_to_read(recipe: Recipe) -> Callable[[TaskSection], Task]:
    return from_files if recipe.recovery.targets == "labels" else with_unlabelled


def _with_answer_language(recipe: Recipe) -> TaskSection:
    """The recipe's task, whose answers are in the language that recordings are transcribed in."""
    language = recipe.generation.get("language")
    if not isinstance(language, str) or recipe.task.target_language or recipe.generation.get("task") == TRANSLATE:
        return recipe.task
    return recipe.task.model_copy(update={"target_language": language})


def _usable(task: Task, processor: Processor) -> Task:
    """The task without rows that cannot be asked, if its section says to leave them out; counted in `skipped`."""
    train = processor.usable(task.train, "training") if len(task.train) else task.train
    dev = processor.usable(task.dev, "dev") if len(task.dev) else task.dev
    test = dev if task.test is task.dev else processor.usable(task.test, "test")
    pairs = {"train": (task.train, train), "dev": (task.dev, dev), "test": (task.test, test)}
    skipped = {name: task.skipped.get(name, 0) + len(all_) - len(kept) for name, (all_, kept) in pairs.items()}
    return replace(task, train=train, dev=dev, test=test, skipped=skipped)


def open_strategy(recipe: Recipe) -> Strategy:
    """The recipe's strategy with its options."""
    return build(load(STRATEGIES, recipe.strategy), recipe.options)


INPUTS = {"input_ids": "text", "input_features": "audio", "input_values": "audio", "pixel_values": "image"}
"""What models read, by the name of their input."""


def _check_reads(adapter: Adapter, config: PretrainedConfig, task: Task) -> None:
    """Raise `PrunekitError` where a task gives what the model cannot read."""
    reads = {INPUTS.get(name) for name in adapter.encoder_inputs(config, 1)} - {None}
    if task.modality not in reads:
        hint = "for recordings there is --task asr." if reads == {"audio"} else "give a model that fits the task."
        raise PrunekitError(
            f"A model of type {config.model_type!r} reads {', '.join(sorted(filter(None, reads)))}, but the task "
            f"{task.name!r} gives {task.modality}; {hint}"
        )


def open_processor(
    directory: Path,
    config: PretrainedConfig,
    task: Task,
    positions: Positions,
    trust_remote_code: bool = False,
    generation: Mapping[str, Any] | None = None,
) -> Processor:
    """What reads a task's rows for the model in a directory; `generation` may name a speech model's language."""
    tokenizer = open_tokenizer(directory, trust_remote_code)
    start = getattr(config, "decoder_start_token_id", None)
    if task.modality == "text":
        check_answer_lengths(generation or {}, positions)
        return TextProcessor(tokenizer, fit_lengths(task.section, positions), start)
    extractor = open_extractor(directory, trust_remote_code)
    prompt = _speech_prompt(directory, tokenizer, task.section, generation or {})
    length = _prompt_length(tokenizer, start) if prompt is None else prompt.length
    check_answer_lengths(generation or {}, positions, length)
    section = fit_lengths(task.section, Positions(None, positions.target), length)
    return AudioProcessor(tokenizer, section, extractor, start, prompt)


def _speech_prompt(
    directory: Path, tokenizer: Any, section: TaskSection, generation: Mapping[str, Any]
) -> SpeechPrompt | None:
    """The prompt of a multilingual speech model; None for others."""
    own = open_generation_config(directory)
    return prompt_for(tokenizer, section, own, generation) if hears_languages(tokenizer, own) else None


def _prompt_length(tokenizer: Any, start: int | None) -> int:
    """How many tokens stand before every answer of a speech model: the decoder's start, and what belongs to it."""
    ids = tokenizer(text_target="")["input_ids"]
    written = [token for token in ids if token != tokenizer.eos_token_id]
    return len(written) if start in written else len(written) + 1


def _left_to_generate(processor: Processor, generation: Mapping[str, Any]) -> dict[str, Any]:
    """The user's generation settings without those of the prompt, which the model's own config has by now."""
    taken = PROMPT_SETTINGS if processor.prompt_ids() else ()
    return {key: value for key, value in generation.items() if key not in taken}


def _check_token_ids(config: PretrainedConfig, directory: Path) -> None:
    """Raise `PrunekitError` for a config that pads or starts answers with a token beyond its vocabulary."""
    size = getattr(config.get_text_config(decoder=True), "vocab_size", None)
    for key in SHIFT_KEYS:
        token = getattr(config, key, None)
        if isinstance(token, int) and isinstance(size, int) and token >= size:
            raise PrunekitError(
                f"The config in {str(directory)!r} has the {key} {token}, but a vocabulary of {size} tokens, from 0 to "
                f"{size - 1}; write the right one into its config.json."
            )


def _check_vocabulary(processor: Processor, model: PreTrainedModel, directory: Path) -> None:
    table: Any = model.get_input_embeddings()
    tokens = len(processor.tokenizer)
    if tokens > table.num_embeddings:
        raise PrunekitError(
            f"The tokenizer in {str(directory)!r} has {tokens} tokens, but the model's vocabulary only "
            f"{table.num_embeddings}; give the tokenizer that belongs to the model."
        )
