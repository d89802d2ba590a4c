"""The prompt of multilingual speech models: the language that they hear, and what they write of it."""

import difflib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from transformers import PreTrainedTokenizerBase
from transformers.models.whisper.tokenization_whisper import TASK_IDS, TO_LANGUAGE_CODE

from prunekit.data.asking import Asking
from prunekit.data.languages import check_language, languages_of
from prunekit.errors import PrunekitError
from prunekit.recipe import TaskSection

log = logging.getLogger(__name__)

PROMPT_SETTINGS = ("language", "task", "return_timestamps")
"""The generation settings that make a prompt."""

BETWEEN_SEGMENTS = ("condition_on_prev_tokens", "prompt_condition_type")
"""The generation settings that join the segments of a recording longer than the model hears at once."""

TRANSCRIBE = "transcribe"
TRANSLATE = "translate"

NO_TIMESTAMPS = "<|notimestamps|>"


@dataclass(frozen=True)
class SpeechPrompt:
    """How every answer begins. Example: German without times begins with ``<|de|><|transcribe|><|notimestamps|>``.

    `language` is that of the recordings; None lets the model guess it for each. `task` is ``transcribe``, or
    ``translate`` for answers in English.
    """

    language: str | None
    task: str = TRANSCRIBE
    timestamps: bool = False

    @property
    def tokens(self) -> tuple[str, ...]:
        """The tokens between the decoder's start and the text."""
        language = () if self.language is None else (f"<|{self.language}|>",)
        return (*language, f"<|{self.task}|>", *(() if self.timestamps else (NO_TIMESTAMPS,)))

    @property
    def length(self) -> int:
        """How many tokens stand before an answer: the decoder's start, a language, and the rest."""
        return len(self.tokens) + (1 if self.language else 2)

    @property
    def settings(self) -> dict[str, Any]:
        """The same as generation settings."""
        language = {} if self.language is None else {"language": self.language}
        return {**language, "task": self.task, "return_timestamps": self.timestamps}

    @property
    def asking(self) -> Asking:
        """The same as rows say it: recordings in `language`, answers in it too, or in English."""
        answer = "en" if self.task == TRANSLATE else self.language
        return Asking(self.language, answer, self.task)

    def of_row(self, tokenizer: PreTrainedTokenizerBase, asking: Asking) -> "SpeechPrompt":
        """The prompt of a row that is asked so; raises `PrunekitError` for what the tokenizer has no token for."""
        task = asking.task and _task(asking.task, tokenizer, "its task")
        spoken = [speech_language(tokenizer, name) for name in (asking.source, asking.target) if name]
        if (task or self.task) != TRANSLATE and len(set(spoken)) > 1:
            raise PrunekitError(f"its languages are {' and '.join(spoken)}, but what is said is written in its own.")
        if len(spoken) > 1 and spoken[1] not in (spoken[0], "en"):
            raise PrunekitError(f"its answer is in {spoken[1]!r}, but translations are in English.")
        return replace(self, language=spoken[0] if spoken else None, task=task or self.task)

    def tell(self, tokenizer: Any) -> None:
        """Let a tokenizer write the prompt before targets, where its class can, so that it is saved with it."""
        if hasattr(tokenizer, "set_prefix_tokens") and self.language in (None, *TO_LANGUAGE_CODE.values()):
            tokenizer.set_prefix_tokens(language=self.language, task=self.task, predict_timestamps=self.timestamps)


def hears_languages(tokenizer: PreTrainedTokenizerBase, own: Any) -> bool:
    """Whether a speech model takes a language; `own` is its generation config. English-only models have its tokens too.

    Example: whisper-tiny does, whisper-tiny.en says ``is_multilingual: false``.
    """
    known = tokenizer.get_vocab()
    able = getattr(own, "is_multilingual", None) is not False
    return able and f"<|{TRANSCRIBE}|>" in known and len(languages_of(tokenizer)) > 1


def prompt_for(
    tokenizer: PreTrainedTokenizerBase, section: TaskSection, own: Any, generation: Mapping[str, Any]
) -> SpeechPrompt | None:
    """The prompt that a recipe asks for, by its `generation` settings or its task section; else the model's `own`.

    None where nobody names a language or a task, which is a warning: the model then guesses each recording's language.
    A setting beside a column of the same, by which each row is asked, is a warning too.
    Raises `PrunekitError` for a language or a task that the tokenizer has no token for, and for two that differ.
    """
    _warn_of_columns(section, generation)
    task = _task(generation.get("task") or getattr(own, "task", None), tokenizer)
    language = _language(tokenizer, section, generation, task or TRANSCRIBE)
    by_row = section.source_language_column or section.target_language_column
    if language is None and not by_row:
        language = getattr(own, "language", None)
    if language is None and not by_row:
        log.warning(
            "Nothing says which language the recordings are in, so the model guesses it for each of them and labels "
            "hold none; set task.target_language."
        )
        if task is None:
            return None
    code = None if language is None else speech_language(tokenizer, language)
    times = generation.get("return_timestamps", getattr(own, "return_timestamps", None))
    return SpeechPrompt(code, task or TRANSCRIBE, bool(times))


def _warn_of_columns(section: TaskSection, generation: Mapping[str, Any]) -> None:
    """Say by which settings no row is asked, since every row has its own language or task."""
    columns = {
        "language": ("source_language_column", "target_language_column"),
        "task": ("task_column",),
    }
    for setting, names in columns.items():
        given = next((name for name in names if getattr(section, name)), None)
        if given and generation.get(setting):
            log.warning(
                f"Rows are asked by task.{given} {getattr(section, given)!r}, none by generation.{setting} "
                f"{generation[setting]!r}."
            )


def _task(name: Any, tokenizer: PreTrainedTokenizerBase, what: str = "generation.task") -> str | None:
    if name is not None and (name not in TASK_IDS or f"<|{name}|>" not in tokenizer.get_vocab()):
        raise PrunekitError(f"{what} is {name!r}; it can be {' or '.join(TASK_IDS)}.")
    return None if name is None else str(name)


def _language(
    tokenizer: PreTrainedTokenizerBase, section: TaskSection, generation: Mapping[str, Any], task: str
) -> str | None:
    """The language of the recordings as the recipe has it; every one that it names is checked.

    Where answers are a translation, the recordings' language is ``source_language``; else both are the same.
    """
    asked = {
        "generation.language": generation.get("language"),
        "task.source_language": section.source_language,
        "task.target_language": section.target_language,
    }
    codes = {key: speech_language(tokenizer, name) for key, name in asked.items() if name is not None}
    if task == TRANSLATE and len(codes) > 1:
        codes.pop("task.target_language", None)
    if len(set(codes.values())) > 1:
        named = " and ".join(f"{key} {asked[key]!r}" for key in codes)
        raise PrunekitError(f"Recordings have one language, but the recipe has {named}; name one.")
    return next(iter(codes.values()), None)


def speech_language(tokenizer: PreTrainedTokenizerBase, language: Any) -> str:
    """The code of a language by its code, its token or its English name: ``de``, ``<|de|>`` and ``German`` are ``de``.

    Raises `PrunekitError`, with near names, for one that the tokenizer has no token for.
    """
    if not isinstance(language, str):
        raise PrunekitError(f"generation.language is {language!r}; name one language, such as 'de'.")
    name = language.strip("<|>").lower()
    code = TO_LANGUAGE_CODE.get(name, name)
    known = languages_of(tokenizer)
    near = difflib.get_close_matches(name, [full for full, code in TO_LANGUAGE_CODE.items() if code in known], n=1)
    if code not in known and near:
        raise PrunekitError(f"{type(tokenizer).__name__} has no language {language!r}; did you mean {near[0]!r}?")
    check_language(tokenizer, code)
    return code


def token_tables(tokenizer: Any) -> Iterator[tuple[str, Any]]:
    """What `generate` asks a multilingual model's generation config for; old checkpoints have none of it."""
    number = tokenizer.convert_tokens_to_ids
    yield "is_multilingual", True
    yield "lang_to_id", {f"<|{name}|>": token for name, token in languages_of(tokenizer).items()}
    yield "task_to_id", {name: number(f"<|{name}|>") for name in TASK_IDS}
    yield "no_timestamps_token_id", number(NO_TIMESTAMPS)
