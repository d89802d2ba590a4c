"""Speech recognition as a task: recordings of the user's, and the words that are said in them."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from datasets import Dataset
from transformers.models.whisper.english_normalizer import BasicTextNormalizer, EnglishTextNormalizer

from prunekit.data.tasks import FileTaskPlugin, Task, TaskPlugin, task_table
from prunekit.errors import PrunekitError
from prunekit.hookspecs import hookimpl

ENGLISH = ("en", "english")


class ASR(FileTaskPlugin):
    """Speech recognition on files of your own: recordings by their paths, and what is said in them.

    A row's recording is named by its path from the file that the row is in. Words are compared as the field does it,
    after Whisper's normaliser (Radford et al. 2022, appendix C): the English one unless `target_language` names another
    language, which gets the basic one.
    """

    name: ClassVar[str] = "asr"
    defaults: ClassVar[Mapping[str, Any]] = {
        "task": {"source": "audio", "target": "text", "metric": "wer", "target_length": 60},
        "training": {"batch": 8, "learning_rate": 1e-4, "warmup": 0.1},
        "measure": {
            "batch": 8,
            "dev_examples": 100,
            "workloads": [{"batch": 1, "source": 500, "new_tokens": 20}, {"batch": 8, "source": 500, "new_tokens": 20}],
        },
    }

    def of(self, task: Task) -> Task:
        """Paths that lead to the recordings, and texts that are compared by their words."""
        section = task.section
        if section.prefix:
            raise PrunekitError(
                "Recordings have no text that a prefix could stand before; leave out --prefix (task.prefix)."
            )
        return replace(
            task,
            name=self.name,
            train=_from(section.train, task.train),
            dev=_from(section.eval, task.dev),
            test=_from(section.test or section.eval, task.test),
            modality="audio",
            normalize=normaliser(section.target_language or "en"),
        )


def normaliser(language: str) -> Callable[[str], str]:
    """What takes case, punctuation and spelling variants off a text in this language."""
    english: Any = EnglishTextNormalizer  # constructors without types
    basic: Any = BasicTextNormalizer
    tidy: Callable[[str], str] = english({}) if language.lower() in ENGLISH else basic()
    return tidy


def _from(place: str | None, rows: Dataset) -> Dataset:
    """Rows whose recordings are named from where this process works, not from where the file of rows lies."""
    folder = Path(place or ".").expanduser().parent
    return task_table([str(folder / path) for path in rows["source"][:]], rows["target"][:], rows["references"][:])


@hookimpl
def prunekit_task() -> type[TaskPlugin]:
    """Registered like any plugin's."""
    return ASR
