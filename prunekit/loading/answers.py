"""How the model's answers begin: in the task's language, or in that of each row."""

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from transformers import PreTrainedModel

from prunekit.data.asking import Asking
from prunekit.data.languages import answer_settings, languages_of
from prunekit.data.processors import Processor
from prunekit.data.speech_prompt import BETWEEN_SEGMENTS, PROMPT_SETTINGS, token_tables
from prunekit.data.tasks import Task

log = logging.getLogger(__name__)


def begin_answers(model: PreTrainedModel, processor: Processor, task: Task, generation: Mapping[str, Any]) -> None:
    """Let the model's answers begin in the task's language, unless the user's generation settings say otherwise.

    Where rows have languages of their own, the model is left without what differs between them.
    """
    own: Any = model.generation_config
    settings = _shared_settings(processor, task)
    wanted = {key: value for key, value in settings.items() if key not in generation or key in PROMPT_SETTINGS}
    if processor.prompt_ids():
        wanted |= {key: value for key, value in token_tables(processor.tokenizer) if getattr(own, key, None) is None}
    for key, value in wanted.items():
        setattr(own, key, value)
    free = [key for key, value in settings.items() if value is None]
    if free:
        _unpin(model)
        log.info("Rows are asked each in its own way; the model that is saved is left without %s.", " and ".join(free))
    if wanted:
        own._from_model_config = False  # who loads the saved model would otherwise make it anew from config.json


def _unpin(model: PreTrainedModel) -> None:
    """Remove what older Whispers name a language by, which counts where nothing else names one."""
    holders: tuple[Any, ...] = (model.generation_config, model.config)
    for holder in holders:
        if getattr(holder, "forced_decoder_ids", None) is not None:
            holder.forced_decoder_ids = None


def _shared_settings(processor: Processor, task: Task) -> dict[str, Any]:
    """The settings by which all answers to the task's rows begin; None for those that differ between rows."""
    shared: dict[str, Any] | None = None
    for asking in _askings(processor, task):
        with processor.asked(asking):
            settings = dict(processor.generation_settings())
        if shared is None:
            shared = settings
        shared = {key: settings.get(key) if shared.get(key) == settings.get(key) else None for key in shared | settings}
    return shared or {}


def _askings(processor: Processor, task: Task) -> list[Asking | None]:
    """How the task's rows are asked, each way once; None alone is as the processor's section says."""
    found: dict[Asking | None, None] = {}
    for rows in (task.train, task.dev, task.test):
        found.update(dict.fromkeys(processor.askings(rows) or (None,) if len(rows) else ()))
    return list(found)


def unset_language(
    model: PreTrainedModel, processor: Processor, task: Task, generation: Mapping[str, Any]
) -> Iterator[str]:
    """A sentence where no language is set, and labels are in one that answers are not made to begin in.

    A multilingual model then answers in whichever it takes, and is scored against the tokenizer's own.
    """
    if not processor.has_languages or task.section.target_language or _askings(processor, task) != [None]:
        return
    written = {*processor.tokenizer(text_target="")["input_ids"]}
    language = next((name for name, id_ in languages_of(processor.tokenizer).items() if id_ in written), None)
    settings = answer_settings(processor.tokenizer, language)
    if any({**vars(model.generation_config), **generation}.get(key) != value for key, value in settings.items()):
        yield (
            f"task.target_language is not set: the tokenizer writes targets in {language!r}, but answers are not made "
            "to begin in it, so they may come in any language; set it, and task.source_language."
        )


def unused_settings(generation: Mapping[str, Any]) -> Iterator[str]:
    """A sentence for each generation setting that changes nothing, since every recording is heard at once."""
    for key in BETWEEN_SEGMENTS:
        if generation.get(key):
            yield (
                f"generation.{key} joins the segments of recordings longer than the model hears at once, and the task "
                "has none, so it changes nothing."
            )


def unused_languages(task: Task, processor: Processor) -> Iterator[str]:
    """A sentence for each language that the recipe names and the model is not told, with what uses it otherwise."""
    if processor.has_languages:
        return
    section = task.section
    users = [f"the metric {metric.name}" for metric in task.metrics if metric.uses_language]
    users += ["the normalizer of texts before they are scored"] if task.normalizers else []
    for key in ("source_language", "target_language", "source_language_column", "target_language_column"):
        value = getattr(section, key)
        if value is None:
            continue
        others = users if key.startswith("target") else []
        used = f"only {' and '.join(others)} uses it" if others else "nothing uses it"
        name = type(processor.tokenizer).__name__
        yield f"{name} has no languages, so task.{key} {value!r} does not reach the model; {used}."
