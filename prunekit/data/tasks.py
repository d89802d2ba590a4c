"""What a model is asked to do: rows to learn from, to choose on and to report on, and how answers are scored."""

import inspect
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from datasets import Dataset, Features, List, Value

from prunekit._support.suggest import hint
from prunekit.data import row_files
from prunekit.data.metrics.metric import Metric
from prunekit.errors import PrunekitError
from prunekit.recipe import TaskSection

log = logging.getLogger(__name__)

TEXT = Features({"source": Value("string"), "target": Value("string"), "references": List(Value("string"))})
"""The columns of a task's rows."""

Modality = Literal["text", "audio"]


@dataclass(frozen=True)
class Task:
    """Rows to learn from, to choose on and to report on. Example: 113,000 words with their phonemes.

    `train`, `dev` and `test` come from `task_table`: a source, a target to learn, and every answer that counts as right
    in each row. A source is of one `modality`: a text, or a recording by the path of its file. `section` says how texts
    are cut and prefixed. `normalize`, where given, is applied to answers and references before they are scored.

    `metrics` are those that the recipe names, or else the plugin; the first gives the headline. They are filled in when
    a recipe's task is opened, so a plugin leaves them out.
    """

    name: str
    train: Dataset
    dev: Dataset
    test: Dataset
    section: TaskSection
    modality: Modality = "text"
    normalize: Callable[[str], str] | None = None
    metrics: tuple[Metric, ...] = ()

    def scored_by(self, metrics: Sequence[Metric]) -> "Task":
        """The task with these metrics, each of normalized texts."""
        normalize = self.normalize
        fitting = metrics if normalize is None else [metric.after(normalize) for metric in metrics]
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

    Raises `PrunekitError` in one sentence for a file that is missing or malformed, a column that is missing, misnamed
    or not text, a row without text, and an empty set.
    """
    if section.train is None:
        raise PrunekitError("There is nothing to train on; name a file or a data set with --train (task.train).")
    return _from_files(section, section.train)


def for_evaluation(section: TaskSection) -> Task:
    """The same task without training rows, which `section` need not name: `train` is empty."""
    return _from_files(section, None)


def _from_files(section: TaskSection, train: str | None) -> Task:
    if section.eval is None:
        raise PrunekitError("There is nothing to evaluate on; name a file or a data set with --eval (task.eval).")
    dev = _read(section.eval, ("validation", "valid", "dev", "test"), section)
    if section.test is None:
        log.info("No test rows were named, so %s serves as dev and as test.", section.eval)
    test = _read(section.test, ("test",), section) if section.test else dev
    train_rows = _read(train, ("train",), section) if train else task_table([], [])
    return Task(section.name or Path(train or section.eval).stem, train_rows, dev, test, section)


def _read(origin: str, splits: Sequence[str], section: TaskSection) -> Dataset:
    """The two text columns of `origin` as rows of a task; a list of texts as the target is several right answers."""
    source = _Column("source", section.source, origin)
    target = _Column("target", section.target, origin)
    sources: list[str] = []
    targets: list[str] = []
    references: list[list[str]] = []
    for number, row in enumerate(row_files.read_rows(origin, splits), 1):
        sources.append(source.text(row, number))
        right = target.texts(row, number)
        targets.append(right[0])
        references.append(right)
    if not sources:
        raise PrunekitError(f"{origin!r} has no rows; give at least one pair of texts.")
    return task_table(sources, targets, references)


def task_table(
    sources: Sequence[str], targets: Sequence[str], references: Sequence[Sequence[str]] | None = None
) -> Dataset:
    """The rows of a task as an in-memory table with the columns `TEXT`, for task plugins too.

    `targets` are what the model learns to answer, `references` every answer that counts as right, the targets alone
    where left out. Example: ``task_table(["read"], ["R EH D"], [["R EH D", "R IY D"]])``.
    """
    every = [[target] for target in targets] if references is None else references
    return Dataset.from_dict({"source": sources, "target": targets, "references": every}, features=TEXT)


@dataclass(frozen=True)
class _Column:
    """One text column of a file, as the recipe names it. Example: the role `target`, called "summary" in x.jsonl."""

    role: str
    name: str | None
    origin: str

    def text(self, row: Mapping[str, object], number: int) -> str:
        """The text of `row` in this column; raises `PrunekitError` where there is none."""
        if self.name is None:
            listing = ", ".join(row)
            raise PrunekitError(f"Say with --{self.role} which column of {self.origin!r} to use; there are {listing}.")
        if self.name not in row and number == 1:
            raise PrunekitError(f"{self.origin!r} has no column {self.name!r}; {hint(self.name, row)}")
        return self._checked(row.get(self.name), f"Row {number} of {self.origin!r}")

    def texts(self, row: Mapping[str, object], number: int) -> list[str]:
        """The texts of `row` in this column, where it may hold a list of them; else its one text."""
        value = row.get(self.name or "")
        if not isinstance(value, list) or not value:
            return [self.text(row, number)]
        return [self._checked(one, f"Row {number} of {self.origin!r}") for one in value]

    def _checked(self, value: object, here: str) -> str:
        """`value` as a text that can be encoded; `here` names its row in errors."""
        if value is None or (isinstance(value, str) and not value.strip()):
            raise PrunekitError(f"{here} has no text in {self.name!r}; fill it or leave the row out.")
        if not isinstance(value, str):
            kind = type(value).__name__
            raise PrunekitError(f"{here} has a {kind} in {self.name!r}, where text is needed; write it as text.")
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise PrunekitError(f"{here} has half a character in {self.name!r}; repair the row.") from error
        return value
