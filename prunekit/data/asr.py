"""Speech recognition as a task: the user's recordings and their transcripts."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from datasets import Dataset
from transformers.models.whisper.english_normalizer import BasicTextNormalizer, EnglishTextNormalizer

from prunekit.data.table import TEXT
from prunekit.data.tasks import FileTaskPlugin, Task, TaskPlugin
from prunekit.errors import PrunekitError
from prunekit.hookspecs import hookimpl

ENGLISH = ("en", "eng", "english")


class ASR(FileTaskPlugin):
    """Speech recognition on files of your own: recordings by their paths, with their transcripts.

    A row names its recording by the path from the row's own file. As usual in the field, words are compared after
    Whisper's normalizer (Radford et al. 2022, appendix C): the English one, or the basic one if `target_language` names
    another language or, where it names none, for texts with other letters than Latin ones. Vowel signs stay, which
    Whisper's basic one takes for punctuation.
    """

    name: ClassVar[str] = "asr"
    defaults: ClassVar[Mapping[str, Any]] = {
        "task": {"source": "audio", "target": "text", "metric": "wer"},
        "training": {"batch": 8, "learning_rate": 1e-4, "warmup": 0.1},
        "measure": {
            "batch": 8,
            "dev_examples": 100,
            "workloads": [{"batch": 1, "source": 500, "new_tokens": 20}, {"batch": 8, "source": 500, "new_tokens": 20}],
        },
    }

    def of(self, task: Task) -> Task:
        """The task with paths from where this process works, and with normalized texts for the metrics."""
        section = task.section
        if section.prefix:
            raise PrunekitError("Recordings have no text to put a prefix before; leave out --prefix (task.prefix).")
        return replace(
            task,
            name=self.name,
            train=_with_paths(section.train, task.train),
            dev=_with_paths(section.eval, task.dev),
            test=_with_paths(section.test or section.eval, task.test),
            modality="audio",
            normalize=normalizer(section.target_language),
            normalizers=cache(normalizer),
        )


def normalizer(language: str | None) -> Callable[[str], str]:
    """A function that removes case, punctuation and, in English, spelling variants from a text in this language.

    Without a language, texts in Latin letters are taken for English.
    """
    if language is None:
        return _ByLetters()
    is_english = re.split("[-_]", language.lower())[0] in ENGLISH
    return _english() if is_english else _basic()


class _ByLetters:
    """English for texts in Latin letters, the basic normalizer for others."""

    def __init__(self) -> None:
        self.english = _english()
        self.basic = _basic()

    def __call__(self, text: str) -> str:
        return (self.english if _is_latin(text) else self.basic)(text)


def _english() -> Callable[[str], str]:
    make: Any = EnglishTextNormalizer  # a constructor without types
    made: Callable[[str], str] = make({})
    return made


def _basic() -> Callable[[str], str]:
    make: Any = BasicTextNormalizer
    basic = make()
    basic.clean = _without_punctuation
    made: Callable[[str], str] = basic
    return made


def _without_punctuation(text: str) -> str:
    """A blank for every symbol and punctuation mark; marks that belong to letters, as in Hindi and Thai, stay."""
    composed = unicodedata.normalize("NFKC", text)
    return "".join(" " if unicodedata.category(char)[0] in "SP" else char for char in composed)


def _is_latin(text: str) -> bool:
    """Whether all letters of a text are Latin."""
    letters = (char for char in text if char.isalpha() and not char.isascii())
    return all("LATIN" in unicodedata.name(char, "") for char in letters)


def _with_paths(file: str | None, rows: Dataset) -> Dataset:
    """The rows of a file, whose recordings are named by their paths from its directory."""
    origin = Path(file or ".").expanduser()
    folder = origin if origin.is_dir() else origin.parent
    held = rows.data["recording"].is_valid().to_pylist() if "recording" in rows.column_names else [False] * len(rows)
    paths = [path if inside else str(folder / path) for path, inside in zip(rows["source"][:], held, strict=True)]
    return rows.remove_columns("source").add_column("source", paths, feature=TEXT["source"])


@hookimpl
def prunekit_task() -> type[TaskPlugin]:
    """Registered like any plugin's."""
    return ASR
