"""The suite for tasks finds every planted fault, and passes what is right."""

import inspect
import itertools
import json
from dataclasses import replace

import pytest
from datasets import Dataset

from prunekit import FileTaskPlugin, Task, TaskPlugin, task_table
from prunekit.data.asr import ASR
from prunekit.data.g2p.task import G2P
from prunekit.testing import TaskSuite

WORDS = ["a b", "b c d", "c", "d e f", "e a", "f b c", "g", "h a"]


def backwards(words):
    return task_table(words, [word[::-1] for word in words])


class Backwards(TaskPlugin):
    """Letters from the last to the first."""

    name = "backwards"
    metrics = ("exact_match", "cer")
    defaults = {"task": {"source_length": 8, "target_length": 8}, "training": {"batch": 4}, "strategy": "uniform"}

    def open(self, section):
        return Task(self.name, backwards(WORDS[:4]), backwards(WORDS[4:6]), backwards(WORDS[6:]), section)


class Undocumented(Backwards):
    pass


class Nameless(Backwards):
    """Has no name."""

    name = ""


class Misspelt(Backwards):
    """Defaults of a key that does not exist."""

    defaults = {"trainin": {}}


class Optional(Backwards):
    """Options that the strategy does not have."""

    defaults = {"strategy": "uniform", "options": {"decoder_layer": 2}}


class Elsewhere(Backwards):
    """A strategy that does not exist."""

    defaults = {"strategy": "nashh"}


class Unscored(Backwards):
    """Names no metric."""

    metrics = ()


class Scored(Backwards):
    """Names a metric that does not exist."""

    metrics = ("exact_match", "cerr")


class Homeless(Backwards):
    """An adapter without a model."""

    adapter = "t5"


class Renamed(Backwards):
    """Opens as another task."""

    def open(self, section):
        return replace(super().open(section), name="forwards")


class Deaf(Backwards):
    """Does not hear its user."""

    def open(self, section):
        return replace(super().open(section), section=section.model_copy(update={"prefix": "x "}))


class Smelling(Backwards):
    """A modality that nobody reads."""

    def open(self, section):
        return replace(super().open(section), modality="smell")


class Empty(Backwards):
    """Nothing to choose on."""

    def open(self, section):
        return replace(super().open(section), dev=backwards([]))


class Bare(Backwards):
    """A table of its own making."""

    def open(self, section):
        return replace(super().open(section), dev=Dataset.from_dict({"source": ["a"], "target": ["a"]}))


class Blank(Backwards):
    """A target without text."""

    def open(self, section):
        return replace(super().open(section), dev=task_table(["e a"], [" "]))


class Unrelated(Backwards):
    """A target that does not count as right."""

    def open(self, section):
        return replace(super().open(section), test=task_table(["g"], ["g"], [["h"]]))


class Learned(Backwards):
    """Tests what it has taught."""

    def open(self, section):
        return replace(super().open(section), test=backwards(WORDS[3:5]))


class Chosen(Backwards):
    """Reports on what was chosen on."""

    def open(self, section):
        return replace(super().open(section), test=backwards(WORDS[5:]))


class Moody(Backwards):
    """Has other rows each time."""

    def open(self, section):
        return replace(super().open(section), train=backwards([f"a {next(COUNTER)}"]))


COUNTER = itertools.count()


class Destructive(Backwards):
    """Normalizes one side's texts away."""

    def open(self, section):
        return replace(super().open(section), test=task_table(["g"], ["ghijk"]), normalize=Shrinking())


class Shrinking:
    """Gives less each time."""

    def __init__(self):
        self.calls = 0

    def __call__(self, text):
        self.calls += 1
        return text[: -self.calls]


def suite(given, **settings):
    """The suite of an outsider's three lines, as an object whose checks can be called."""
    return type("TestIt", (TaskSuite,), {"task": given, **settings})()


def check(made, name):
    method = getattr(made, name)
    return method(made.open()) if "opened" in inspect.signature(method).parameters else method()


PLANTED = [
    (Undocumented, "test_it_is_documented"),
    (Nameless, "test_it_is_documented"),
    (Misspelt, "test_its_defaults_are_a_recipe"),
    (Optional, "test_its_defaults_are_a_recipe"),
    (Elsewhere, "test_its_defaults_are_a_recipe"),
    (Unscored, "test_its_metrics_exist"),
    (Scored, "test_its_metrics_exist"),
    (Homeless, "test_its_model_fits_its_adapter"),
    (Renamed, "test_it_opens"),
    (Deaf, "test_it_opens"),
    (Smelling, "test_it_opens"),
    (Empty, "test_it_opens"),
    (Bare, "test_its_tables_have_the_columns"),
    (Blank, "test_its_tables_have_the_columns"),
    (Unrelated, "test_its_tables_have_the_columns"),
    (Learned, "test_train_dev_and_test_do_not_overlap"),
    (Chosen, "test_train_dev_and_test_do_not_overlap"),
    (Moody, "test_opening_twice_gives_the_same"),
    (Unrelated, "test_right_answers_score_best"),
    (Destructive, "test_right_answers_score_best"),
]
FAULT = (AssertionError, pytest.fail.Exception)


@pytest.mark.parametrize(("wrong", "name"), PLANTED, ids=lambda value: getattr(value, "__name__", value))
def test_a_planted_fault_is_found(wrong, name):
    with pytest.raises(FAULT):
        check(suite(wrong), name)


@pytest.fixture
def trained(t5_directory):
    """The task with a model and its tokenizer, which knows single letters."""

    class Trained(Backwards):
        """Letters from the last to the first, with a model."""

        adapter = "t5"
        model = t5_directory

    return Trained


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("test_its_model_fits_its_adapter", {"adapter": None}),
        ("test_its_model_fits_its_adapter", {"adapter": "bart"}),
        ("test_targets_survive_the_tokenizer", {"defaults": {"task": {"target_length": 3}}}),
        ("test_targets_survive_the_tokenizer", {"defaults": {"task": {"source_length": 3}}}),
    ],
)
def test_a_model_that_does_not_fit_is_found(trained, name, changes):
    with pytest.raises(FAULT):
        check(suite(type("Wrong", (trained,), changes)), name)


def test_targets_that_the_tokenizer_does_not_know_are_found(trained):
    class Foreign(trained):
        """Capitals, which the tokenizer does not know."""

        def open(self, section):
            return replace(super().open(section), train=task_table(["a b"], ["B A"]))

    with pytest.raises(AssertionError, match="reads 'B A' of train as"):
        check(suite(Foreign), "test_targets_survive_the_tokenizer")


def test_private_imports_are_found(tmp_path, monkeypatch):
    (tmp_path / "a_private_task.py").write_text(
        "from prunekit import TaskPlugin\nfrom prunekit.data import tasks\n"
        "class Private(TaskPlugin):\n    name = 'it'\n    def open(self, section): ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    from a_private_task import Private

    with pytest.raises(AssertionError, match=r"\['prunekit.data.tasks'\]"):
        suite(Private).test_it_imports_only_the_public_door()


DOOR = "test_it_imports_only_the_public_door"
CHECKS = [name for name, check in vars(TaskSuite).items() if name.startswith("test_")]


def skipped(made):
    """The checks that are skipped; a fault is raised."""
    found = set()
    for name in CHECKS:
        try:
            check(made, name)
        except pytest.skip.Exception:
            found.add(name)
    return found


def test_a_right_task_passes_every_check(trained, monkeypatch):
    monkeypatch.setattr("prunekit.testing.tasks.private_imports", lambda kind: [])  # this file imports other rooms
    assert skipped(suite(Backwards)) == {"test_its_model_fits_its_adapter", "test_targets_survive_the_tokenizer"}
    assert skipped(suite(trained)) == set()


def test_an_overlap_that_is_declared_passes():
    check(suite(Chosen, overlap=0.5), "test_train_dev_and_test_do_not_overlap")
    with pytest.raises(AssertionError, match=r"33\.3% of test is in dev too, like 'f b c'"):
        check(suite(Chosen, overlap=0.3), "test_train_dev_and_test_do_not_overlap")


def test_rows_of_the_user_are_given_by_the_section(pairs, tmp_path):
    class Loud(FileTaskPlugin):
        """Texts in capitals."""

        name = "loud"

        def of(self, task):
            return replace(task, name=self.name, normalize=str.upper)

    held_out = tmp_path / "dev.jsonl"
    held_out.write_text(json.dumps({"a": "x y", "b": "Y X"}) + "\n")
    files = {"train": str(pairs), "eval": str(held_out), "source": "a", "target": "b", "metric": "exact_match"}
    made = suite(Loud, section=files)
    for name in CHECKS:
        if name not in (DOOR, "test_its_model_fits_its_adapter", "test_targets_survive_the_tokenizer"):
            check(made, name)
    assert len(made.open().train) == 8


def test_every_check_says_what_it_is_about():
    assert [name for name in CHECKS if not getattr(TaskSuite, name).__doc__] == []


def test_every_check_finds_a_fault():
    assert {name for _, name in PLANTED} | {DOOR, "test_targets_survive_the_tokenizer"} == set(CHECKS)


class TestG2P(TaskSuite):
    task = G2P
    overlap = 0.0


class TestASR(TaskSuite):
    task = ASR

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _files(cls, tmp_path_factory):
        folder = tmp_path_factory.mktemp("speech")
        for name, words in {"train": ["one", "two"], "dev": ["three"], "test": ["four"]}.items():
            lines = [json.dumps({"audio": f"{name}-{word}.wav", "text": f"{word.title()}!"}) for word in words]
            (folder / f"{name}.jsonl").write_text("\n".join(lines))
        files = {"train": "train", "eval": "dev", "test": "test"}
        cls.section = {key: str(folder / f"{name}.jsonl") for key, name in files.items()}
