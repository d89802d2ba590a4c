"""The kit for tasks: a suite of checks that an outsider's test file uses in three lines."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, get_args

import pytest
from datasets import Dataset

from prunekit._support.nested import over
from prunekit.data.encoded import EncodedDataset
from prunekit.data.table import MORE, TEXT
from prunekit.data.tasks import FileTaskPlugin, Modality, Task, TaskPlugin
from prunekit.data.text import TextProcessor
from prunekit.errors import PrunekitError
from prunekit.learn.strategy import build
from prunekit.loading.metrics import open_metric
from prunekit.loading.pretrained import open_tokenizer
from prunekit.loading.structure import open_structure
from prunekit.plugins import STRATEGIES, load
from prunekit.recipe import Recipe, TaskSection
from prunekit.testing.public_door import private_imports

EXAMPLES = 200
"""Rows of a split that are tokenized and scored."""


class TaskSuite:
    """What every task must hold.

    A test file of three lines is enough:

        class TestBackwards(TaskSuite):
            task = Backwards

    `section` are keys of ``task`` that a user would give: the files of a `FileTaskPlugin`. `overlap` is the share of
    dev and test sources that may be among the training rows as well, and of test sources among the dev rows. Each check
    is a method, and its message says what to change.
    """

    task: ClassVar[type[TaskPlugin]]
    section: ClassVar[Mapping[str, Any]] = {}
    overlap: ClassVar[float] = 0.0

    @pytest.fixture
    def opened(self) -> Task:
        """The task with its defaults, opened once."""
        kind = type(self)
        if kind not in _OPENED:
            _OPENED[kind] = self.open()
        return _OPENED[kind]

    def open(self) -> Task:
        """The task as a recipe opens it, its metrics apart."""
        return self.task().open(self._section())

    def test_it_is_documented(self) -> None:
        """It has a name, and a docstring whose first line is listed."""
        assert getattr(self.task, "name", ""), "name the task like its entry point"
        assert "__doc__" in vars(self.task), "describe the task in its class docstring"
        assert self.task.summary, "describe the task in its class docstring"

    def test_it_imports_only_the_public_door(self) -> None:
        """What `prunekit` itself does not export may change from one version to the next."""
        if self.task.__module__.startswith("prunekit."):
            pytest.skip("it is part of prunekit")
        private = private_imports(self.task)
        assert not private, f"import these from `prunekit` itself, or do without them: {private}"

    def test_its_defaults_are_a_recipe(self) -> None:
        """Known keys with allowed values, and options that the strategy has."""
        recipe = _tried(lambda: Recipe.parse(dict(self.task.defaults)), "correct `defaults`")
        strategy = _tried(lambda: load(STRATEGIES, recipe.strategy), "name an installed strategy in `defaults`")
        _tried(lambda: build(strategy, recipe.options), "correct the options in `defaults`")
        assert recipe.task.name in (None, self.task.name), "leave the name of the task out of `defaults`"

    def test_its_metrics_exist(self) -> None:
        """It names metrics that are installed, so that a recipe need not."""
        listed = (self._section().metric or "").split(",")
        named = [*self.task.metrics, *(name.strip() for name in listed if name)]
        assert named or issubclass(self.task, FileTaskPlugin), "name metrics in `metrics`"
        for name in named:
            _tried(partial(open_metric, name), "name installed metrics")

    def test_its_model_fits_its_adapter(self) -> None:
        """A task that brings a model names the adapter; one without a model names none."""
        if self.task.model is None:
            assert self.task.adapter is None, "`adapter` is that of `model`; leave it out, or bring a model"
            pytest.skip("it brings no model")
        assert self.task.adapter is not None, "name the adapter of `model` in `adapter`"
        _tried(lambda: open_structure(str(self.task.model), self.task.adapter), "correct `model` or `adapter`")

    def test_it_opens(self, opened: Task) -> None:
        """There is something to learn from, to choose on and to report on, and the user's section is kept."""
        assert opened.name == self.task.name, f"the opened task must be called {self.task.name!r} too"
        assert opened.section == self._section(), "hand on the section: it holds the user's lengths and prefix"
        assert opened.modality in get_args(Modality), f"a modality is one of {', '.join(get_args(Modality))}"
        empty = [name for name, table in _splits(opened) if len(table) == 0]
        assert not empty, f"these have no examples: {', '.join(empty)}"

    def test_its_tables_have_the_columns(self, opened: Task) -> None:
        """Texts in `source` and `target`, and lists of texts in `references`, the target among them."""
        for name, table in _splits(opened):
            columns = {key: table.features[key] for key in table.features if key not in MORE}
            assert columns == TEXT, f"make {name} by `task_table`; it has the columns {table.features}"
            for number, row in enumerate(table):
                where = f"row {number} of {name}"
                assert row["source"].strip(), f"{where} has an empty source"
                assert row["target"].strip(), f"{where} has an empty target"
                assert row["target"] in row["references"], f"the target of {where} is none of its references"

    def test_train_dev_and_test_do_not_overlap(self, opened: Task) -> None:
        """What is learned is not tested; `overlap` says how much of it may be."""
        pairs = [("dev", opened.dev, "train", opened.train), ("test", opened.test, "train", opened.train)]
        if opened.test is not opened.dev:
            pairs.append(("test", opened.test, "dev", opened.dev))
        for name, table, other, known in pairs:
            both = set(table["source"][:]) & set(known["source"][:])
            share = sum(source in both for source in table["source"][:]) / len(table)
            example = next(iter(both), None)
            assert share <= self.overlap, f"{share:.1%} of {name} is in {other} too, like {example!r}; set `overlap`"

    def test_opening_twice_gives_the_same(self, opened: Task) -> None:
        """Resumed runs must see the same examples in the same order."""
        again = dict(_splits(self.open()))
        for name, table in _splits(opened):
            assert again[name][:] == table[:], f"{name} must have the same rows in the same order each time"

    def test_right_answers_score_best(self, opened: Task) -> None:
        """Its own targets, against its own references, are perfect by its own metrics."""
        names = self._section().metric or ",".join(self.task.metrics)
        if not names:
            pytest.skip("its users name the metrics")
        table = _first(opened.test)
        for metric in opened.scored_by([open_metric(name.strip()) for name in names.split(",")]).metrics:
            share = metric.share(metric.score(table["target"][:], table["references"][:]))
            assert share is None or share > 1 - 1e-9, f"the targets themselves get only {share:.1%} by {metric.name}"

    def test_targets_survive_the_tokenizer(self, opened: Task) -> None:
        """What the model's own tokenizer reads of a target is the target, and no text is cut."""
        if self.task.model is None or opened.modality != "text":
            pytest.skip("it brings no model that reads text")
        processor = TextProcessor(open_tokenizer(self.task.model), opened.section)
        longest = opened.section.model_copy(update={"source_length": 10**6, "target_length": 10**6})
        uncut = TextProcessor(processor.tokenizer, longest)
        for name, table in ((name, _first(table)) for name, table in _splits(opened)):
            encoded = processor.encode(table)
            assert _ids(encoded) == _ids(uncut.encode(table)), (
                f"texts of {name} are cut; raise the lengths in `defaults`"
            )
            for text, read in zip(table["target"][:], self._read(processor, encoded), strict=True):
                assert read.split() == text.split(), f"the tokenizer reads {text!r} of {name} as {read!r}"

    @staticmethod
    def _read(processor: TextProcessor, encoded: EncodedDataset) -> list[str]:
        """The labels as text again."""
        return processor.tokenizer.batch_decode(
            [encoded.labels[number] for number in range(len(encoded))], skip_special_tokens=True
        )

    def _section(self) -> TaskSection:
        """The user's section over the task's defaults."""
        below = self.task.defaults.get("task", {})
        return TaskSection.parse(over({**below, "name": self.task.name}, self.section))


_OPENED: dict[type[TaskSuite], Task] = {}


def _splits(task: Task) -> Iterator[tuple[str, Dataset]]:
    yield from (("train", task.train), ("dev", task.dev), ("test", task.test))


def _first(table: Dataset) -> Dataset:
    return table.select(range(min(len(table), EXAMPLES)))


def _ids(encoded: EncodedDataset) -> list[tuple[Sequence[int], Sequence[int]]]:
    return [(encoded.sources[number], encoded.labels[number]) for number in range(len(encoded))]


def _tried(work: Any, mend: str) -> Any:
    """What `work` returns; the check fails with its sentence if it raises one."""
    try:
        return work()
    except PrunekitError as error:
        pytest.fail(f"{error} To mend it, {mend}.", pytrace=False)
