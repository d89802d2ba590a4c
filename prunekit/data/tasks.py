"""What a model is asked to do: rows to learn from, to choose on and to report on, and how answers are scored."""

import inspect
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from datasets import Dataset

from prunekit.data.columns import ReadTable, read_table
from prunekit.data.metrics.metric import Metric, Normalizers
from prunekit.data.table import labelled, task_table
from prunekit.errors import PrunekitError
from prunekit.recipe import TaskSection

log = logging.getLogger(__name__)

Modality = Literal["text", "audio"]


@dataclass(frozen=True)
class Task:
    """Rows to learn from, to choose on and to report on. Example: 113,000 words with their phonemes.

    `train`, `dev` and `test` come from `task_table`: a source, a target to learn, and every answer that counts as right
    in each row. A source is of one `modality`: a text, or a recording by the path of its file. `section` says how texts
    are cut and prefixed. `normalize`, where given, is applied to answers and references before they are scored; where
    rows have languages of their own, what `normalizers` gives for each.

    `metrics` are those that the recipe names, or else the plugin; the first gives the headline. They are filled in when
    a recipe's task is opened, so a plugin leaves them out. `skipped` counts the rows of ``train``, ``dev`` and ``test``
    that could not be used and were left out. Rows of `train` may lack a label where a teacher writes their targets.
    """

    name: str
    train: Dataset
    dev: Dataset
    test: Dataset
    section: TaskSection
    modality: Modality = "text"
    normalize: Callable[[str], str] | None = None
    normalizers: Normalizers | None = None
    metrics: tuple[Metric, ...] = ()
    skipped: Mapping[str, int] = field(default_factory=dict)

    def scored_by(self, metrics: Sequence[Metric]) -> "Task":
        """The task with these metrics, each of normalized texts."""
        normalize = self.normalize
        fitting = metrics if normalize is None else [metric.after(normalize, self.normalizers) for metric in metrics]
        return replace(self, metrics=tuple(fitting))


class TaskPlugin(ABC):
    """A task that comes with prunekit or with a plugin. Example: `prunekit.data.g2p.task.G2P`, words to phonemes.

    The class docstring's first line is its `summary` in listings. `metrics` are the names of the metrics that score it
    unless the recipe names others. `model` is a dense model that was trained on the task and fits `adapter`.
    `defaults` are recipe values suited to the task; the user's settings override them.
    """

    name: ClassVar[str]
    summary: ClassVar[str] = ""
    metrics: ClassVar[tuple[str, ...]] = ()
    adapter: ClassVar[str | None] = None
    model: ClassVar[Path | None] = None
    defaults: ClassVar[Mapping[str, Any]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.summary = inspect.cleandoc(cls.__doc__ or "").partition("\n")[0]

    @abstractmethod
    def open(self, section: TaskSection) -> Task:
        """The task's rows; `section` holds the lengths and the prefix that its user chose."""


class FileTaskPlugin(TaskPlugin):
    """A task whose rows its user brings. Example: `prunekit.data.asr.ASR`, recordings and their transcripts."""

    def open(self, section: TaskSection) -> Task:
        """The user's files; raises `PrunekitError` where none is named."""
        return self.of(from_files(section))

    @abstractmethod
    def of(self, task: Task) -> Task:
        """The task that was read from the user's files, with what belongs to this kind of task."""


def from_files(section: TaskSection) -> Task:
    """The task that a recipe describes by its files or data set ids; without `test`, the dev rows are the test rows.

    Raises `PrunekitError` in one sentence for a file that is missing or malformed, a column that is missing or
    misnamed, rows that cannot be used (all at once), and an empty set.
    """
    return _from_files(section, _train_of(section))


def with_unlabelled(section: TaskSection) -> Task:
    """The same task, whose training rows need no label: a teacher writes their targets."""
    return _from_files(section, _train_of(section), unlabelled=True)


def for_labelling(section: TaskSection) -> Task:
    """The task whose rows a model labels, as training rows; those that have a label already are its dev rows too."""
    rows = read_table(_train_of(section), ("train",), section, unlabelled=True)
    known = labelled(rows.table)
    section = section.model_copy(update={"eval": section.train, "test": None})
    name = section.name or Path(str(section.train)).stem
    return Task(name, rows.table, known, known, section, skipped={"train": rows.skipped})


def for_evaluation(section: TaskSection) -> Task:
    """The same task without training rows, which `section` need not name: `train` is empty."""
    return _from_files(section, None)


def _train_of(section: TaskSection) -> str:
    if section.train is None:
        raise PrunekitError("There is nothing to train on; name a file or a data set with --train (task.train).")
    return section.train


def _from_files(section: TaskSection, train: str | None, unlabelled: bool = False) -> Task:
    if section.eval is None:
        raise PrunekitError("There is nothing to evaluate on; name a file or a data set with --eval (task.eval).")
    dev = read_table(section.eval, ("validation", "valid", "dev", "test"), section)
    if section.test is None:
        log.info("No test rows were named, so %s serves as dev and as test.", section.eval)
    test = read_table(section.test, ("test",), section) if section.test else dev
    learnt = read_table(train, ("train",), section, unlabelled) if train else ReadTable(task_table([], []), 0)
    name = section.name or Path(train or section.eval).stem
    skipped = {"train": learnt.skipped, "dev": dev.skipped, "test": test.skipped}
    return Task(name, learnt.table, dev.table, test.table, section, skipped=skipped)
