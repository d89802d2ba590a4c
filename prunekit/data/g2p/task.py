"""The built-in example as a task: spelled English words to their phonemes, from the CMU Pronouncing Dictionary."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from datasets import Dataset

from prunekit.data import g2p
from prunekit.data.table import task_table
from prunekit.data.tasks import Task, TaskPlugin
from prunekit.hookspecs import hookimpl
from prunekit.recipe import TaskSection

TOKENS = 9
"""A word of eight letters and the end of sequence; its phonemes are about as many."""


class G2P(TaskPlugin):
    """English words to phonemes (CMUdict): "speed" -> "S P IY D", with a small T5 that was trained on it.

    Training rows are pronunciations, so a word with two of them stands there twice. Dev and test rows are words, and
    any of a word's pronunciations is right. ``1 - exact_match`` is what the field calls the word error rate.
    """

    name: ClassVar[str] = "g2p"
    metrics: ClassVar[tuple[str, ...]] = ("exact_match", "per")
    adapter: ClassVar[str | None] = "t5"
    model: ClassVar[Path | None] = g2p.MODEL
    defaults: ClassVar[Mapping[str, Any]] = {
        "task": {"source_length": 40, "target_length": 40},
        "options": {
            "decoder_layers": [1, 6],  # examples/g2p/choose_layers.py
            "encoder_sparsity": 0.1,
        },
        "training": {"batch": 256, "learning_rate": 1e-3, "warmup": 0.05, "dropout": 0.0, "optimizer": "muon"},
        "recovery": {"steps": 950, "learning_rate": 3e-3},
        "measure": {
            "batch": 256,
            "workloads": [
                {"batch": 1, "source": TOKENS, "new_tokens": TOKENS},
                {"batch": 32, "source": TOKENS, "new_tokens": TOKENS},
            ],
        },
    }

    def open(self, section: TaskSection) -> Task:
        """The dictionary in its fixed split: 90% of the words to train on, 5% dev, 5% test."""
        train = [(word, spoken) for word, variants in g2p.words("train").items() for spoken in variants]
        learn = task_table([word for word, _ in train], [spoken for _, spoken in train])
        return Task(self.name, learn, _by_word("dev"), _by_word("test"), section)


def _by_word(split: str) -> Dataset:
    words = g2p.words(split)
    return task_table(list(words), [variants[0] for variants in words.values()], [list(v) for v in words.values()])


@hookimpl
def prunekit_task() -> type[TaskPlugin]:
    """The built-in example, registered like any plugin's."""
    return G2P
