"""Targets that the teacher writes: the run trains on what the dense model says, killed or not."""

import json

import pytest
import torch
from transformers import AutoModelForSeq2SeqLM

import prunekit
from prunekit import PrunekitError
from prunekit.learn.training.trainer import PruningTrainer
from prunekit.pipeline.run import dry_run, run
from prunekit.pipeline.stages import cut_vocabulary, train_teacher
from prunekit.pipeline.state import open_run
from prunekit.pipeline.targets import expected_examples, expected_training, share_to_write, write_targets
from prunekit.vocabulary.pruning import Corpus

LABELLED = {"d e": "e d", "h a b": "b a h"}
SOURCES = ("a b c", "d e", "f", "g h i", "a c", "b d f", "e", "h a b")


@pytest.fixture
def rows(tmp_path):
    """Eight rows, two of which have a label."""
    path = tmp_path / "train.jsonl"
    lines = [{"a": text, **({"b": LABELLED.get(text)} if text in LABELLED or text == "f" else {})} for text in SOURCES]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.fixture
def asked(recipe, rows, pairs, tmp_path):
    """A recipe that trains on the rows, for its parts in other words."""

    def make(output="run", targets="teacher", rule=None, train=rows, **more):
        task = {"train": str(train), "eval": str(pairs), "source": "a", "target": "b", "metric": "exact_match"}
        recovery = {"targets": targets, "steps": 4, "filter": {"unended": True, **(rule or {})}}
        if targets == "labels":
            recovery.pop("filter")
        base = {"strategy": "depth", "options": {"decoder_layers": 2}, "recovery": recovery}
        return recipe(task={**task, "target_length": 6}, output=str(tmp_path / output), **{**base, **more})

    return make


def said(directory, letters):
    """What the dense model says to each source, greedily, one at a time."""
    model = AutoModelForSeq2SeqLM.from_pretrained(directory)
    model.config.decoder_layers = model.config.num_decoder_layers
    answers = {}
    for text in SOURCES:
        ids = torch.tensor([letters(text)["input_ids"]])
        output = model.generate(ids, max_new_tokens=6, do_sample=False, num_beams=1)
        answers[text] = letters.decode(output[0], skip_special_tokens=True).strip()
    return answers


@pytest.fixture
def expected(t5_directory, letters):
    return said(t5_directory, letters)


@pytest.fixture
def taught(monkeypatch):
    """The pairs of sources and labels that recovery trains on, as ids."""
    seen = set()
    original = PruningTrainer.compute_loss

    def noted(self, model, inputs, *args, **named):
        if "/work/" in self.args.output_dir:  # not the steps that are timed beforehand, on copies
            for source, labels in zip(inputs["input_ids"].tolist(), inputs["labels"].tolist(), strict=True):
                seen.add((tuple(filter(None, source)), tuple(token for token in labels if token != -100)))
        return original(self, model, inputs, *args, **named)

    monkeypatch.setattr(PruningTrainer, "compute_loss", noted)
    return seen


def ids(tokenizer, answers):
    """Pairs of texts as pairs of ids, the targets cut to six tokens."""
    return {(tuple(tokenizer(one)["input_ids"]), tuple(tokenizer(other)["input_ids"][:6])) for one, other in answers}


def weights(directory):
    return prunekit.from_pretrained(directory / "model").state_dict()


@pytest.mark.parametrize("targets", ["both", pytest.param("teacher", marks=pytest.mark.full)])
def test_a_run_trains_on_what_the_dense_model_says(asked, expected, taught, letters, tmp_path, targets):
    report = run(asked(targets=targets))
    own = LABELLED.items() if targets == "both" else ()
    assert taught == ids(letters, [*expected.items(), *own])
    written = [json.loads(line) for line in (tmp_path / "run/targets.jsonl").read_text().splitlines()]
    assert {row["source"]: row["target"] for row in written} == expected
    assert {row["source"]: row["label"] for row in written if "label" in row} == LABELLED
    assert report.data is not None
    assert report.data.targets is not None
    assert (report.data.targets.used, report.data.targets.labelled, report.data.targets.dropped) == (8, 2, {})
    assert report.data.train is not None
    assert (report.data.train.rows, report.data.train.unlabelled) == (8, 6)
    page = (tmp_path / "run/report.html").read_text()
    assert "8 of the teacher&#39;s 8 answers" in page or "8 of the teacher's 8 answers" in page


@pytest.mark.full
def test_two_runs_on_rows_without_the_column_are_identical(asked, rows, tmp_path):
    rows.write_text("".join(json.dumps({"a": text}) + "\n" for text in SOURCES))
    for name in ("one", "two"):
        run(asked(name))
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert (tmp_path / "one/targets.jsonl").read_bytes() == (tmp_path / "two/targets.jsonl").read_bytes()


class Killed(BaseException):
    pass


def test_a_run_killed_while_the_teacher_writes_ends_as_the_undisturbed_one(asked, tmp_path):
    measure = {"batch": 3, "repeats": 1, "least_quality": 0, "workloads": [{"source": 4, "new_tokens": 3}]}

    def stop(stage, done, *_):
        if stage == "targets" and done == 6:
            raise Killed

    with pytest.raises(Killed):
        run(asked("killed", measure=measure), stop)
    assert len((tmp_path / "killed/work/answers.jsonl").read_text().splitlines()) == 2
    done = []
    run(asked("killed", measure=measure), lambda stage, count, *_: done.append(count) if stage == "targets" else None)
    assert done == [6, 8]
    run(asked("whole", measure=measure))
    one, other = weights(tmp_path / "killed"), weights(tmp_path / "whole")
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert sorted(path.name for path in (tmp_path / "killed").iterdir()) == sorted(
        path.name for path in (tmp_path / "whole").iterdir()
    )
    assert (tmp_path / "killed/targets.jsonl").read_bytes() == (tmp_path / "whole/targets.jsonl").read_bytes()


def test_filters_drop_answers_by_the_labels_that_there_are(asked, expected, tmp_path):
    opened = train_teacher(open_run(asked(rule={"most_word_errors": 0.0})))
    written = write_targets(opened)
    wrong = {text for text, label in LABELLED.items() if expected[text] != label}
    assert wrong
    assert written.pruned.task.train["source"][:] == [text for text in SOURCES if text not in wrong]
    assert len(written.data.training.train) == len(SOURCES) - len(wrong)
    lines = [json.loads(line) for line in (tmp_path / "run/targets.jsonl").read_text().splitlines()]
    assert {row["source"] for row in lines if row.get("dropped") == ["most_word_errors"]} == wrong


def test_seconds_of_writing_are_spent(asked):
    opened = train_teacher(open_run(asked()))
    before = opened.budget.seconds
    written = write_targets(opened)
    assert written.budget.seconds > before
    assert written.budget.examples == 0


@pytest.mark.parametrize(("seconds", "told"), [(1e-3, True), (1e6, False)])
def test_a_budget_that_the_answers_use_up_is_told(asked, caplog, seconds, told):
    write_targets(train_teacher(open_run(asked(budget={"cpu_seconds": seconds}))))
    assert ("Writing 8 answers took" in caplog.text) is told


def test_nothing_to_train_on_names_the_reasons(asked):
    opened = train_teacher(open_run(asked(rule={"least_score": -1e-9})))
    with pytest.raises(PrunekitError, match=r"8 answers none is left .*least_score 8.*recovery\.filter"):
        write_targets(opened)


def test_the_teacher_is_trained_on_labels_only(asked, rows, taught, letters):
    train_teacher(open_run(asked(teacher={"steps": 2})))
    assert taught == ids(letters, LABELLED.items())
    rows.write_text('{"a": "a b c"}\n')
    with pytest.raises(PrunekitError, match="no training row has a label"):
        train_teacher(open_run(asked("other", teacher={"steps": 2})))


def test_the_vocabulary_is_cut_to_what_the_teacher_writes_and_rows_are_read_by_it(asked, expected):
    written = write_targets(train_teacher(open_run(asked(vocabulary={"corpus": "task"}))))
    assert Corpus.of_task(written.pruned.task) == Corpus(list(SOURCES), list(expected.values()))
    cut = cut_vocabulary(written)
    assert cut.pruned.model.shared.num_embeddings < 32
    labels = [cut.data.training.train[number]["labels"] for number in range(8)]
    tokenizer = cut.pruned.processor.tokenizer
    assert [tokenizer.decode(ids, skip_special_tokens=True) for ids in labels] == list(expected.values())


def test_a_dry_run_says_what_the_teacher_is_to_write(asked, tmp_path):
    found = dry_run(asked())
    assert found.targets is not None
    assert (found.targets.rows, found.targets.labelled, found.targets.used) == (8, 2, None)
    assert found.train is not None
    assert (found.train.unlabelled, found.train.targets.longest) == (6, 4)
    assert not (tmp_path / "run").exists()


def test_what_is_to_be_written_is_forecast_by_the_dev_rows(asked, pairs):
    opened = open_run(asked(targets="both", measure={"batch": 8, "eval_examples": 2}))
    dev = open_run(asked(targets="labels", train=pairs)).data.training.dev
    assert [row["labels"] for row in expected_training(opened)] == [dev.labels[number] for number in range(8)]
    assert expected_examples(opened) == 8 + 2
    assert share_to_write(opened) == 8 / 2
    assert share_to_write(open_run(asked(budget={"cpu_seconds": 9}))) == 0
    plain = open_run(asked(targets="labels", train=pairs))
    assert expected_training(plain) is plain.data.training.train
    assert (expected_examples(plain), share_to_write(plain)) == (8, 0)


def test_rows_without_labels_are_for_a_teacher_only_and_dev_rows_need_theirs(asked, rows):
    rows.write_text('{"a": "b", "b": "b"}\n{"a": "c", "b": ""}\n')
    with pytest.raises(PrunekitError, match=r"1 of 2 rows .* no text in 'b'"):
        run(asked(targets="labels"))
    bare = asked().model_copy(update={"task": asked().task.model_copy(update={"eval": str(rows)})})
    with pytest.raises(PrunekitError, match=r"1 of 2 rows .* no text in 'b'"):
        run(bare)


def test_a_filter_without_answers_to_filter_is_refused(recipe):
    with pytest.raises(PrunekitError, match=r"set recovery\.targets to teacher or both"):
        recipe(recovery={"filter": {"least_score": -1.0}})
