"""Records: what stays of a run is enough for the tables and for going on elsewhere, and is of one dense model."""

import hashlib
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from safetensors.torch import load_file, save_file

import prunekit
from prunekit.compare import Comparison, compare, execution, records, sources
from prunekit.compare.grid import ordered_trials
from prunekit.compare.recipes import trial_recipe
from prunekit.compare.trial import Trial
from prunekit.data.asr import normalizer
from prunekit.data.metrics.word_errors import WordErrorRate
from prunekit.find.plan import PruningPlan
from prunekit.measure.predictions import Predictions
from prunekit.recipe import BudgetSection, Recipe


@pytest.fixture
def small(comparison, tmp_path):
    """One variant and the control, one seed, with the records in a place of their own."""
    variants = {"narrow": {}}
    return comparison | {"seeds": [0], "baselines": [], "variants": variants, "records": str(tmp_path / "kept")}


@pytest.mark.full
def test_records_are_enough_to_go_on_elsewhere(small, tmp_path, made):
    first = compare(Comparison.parse(small))
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == [
        "dense-further-24ex-0.json",
        "narrow-24ex-0.json",
        "speeds.json",
    ]
    plan = PruningPlan.load(tmp_path / "out/trials/narrow-24ex-0/plan.json")
    shutil.rmtree(tmp_path / "out")
    made.clear()
    assert compare(Comparison.parse(small)) == first
    assert not made
    small["variants"]["fresh"] = {"from_scratch": "narrow"}
    again = compare(Comparison.parse(small))
    assert made == ["fresh-24ex-0"]
    assert again.missing == {}
    assert PruningPlan.load(tmp_path / "out/trials/fresh-24ex-0/plan.json") == plan


def test_scores_are_those_of_the_answers(small, tmp_path):
    found = Comparison.parse(small)
    row = compare(found).tables[0].rows[0]
    record = records.read_record(found, Trial("narrow", BudgetSection(examples=24), 0))
    right, rows = map(sum, zip(*record.scores, strict=True))
    assert right / rows == pytest.approx(row.quality.mean)
    assert rows == record.report.quality.examples


@pytest.mark.full
def test_a_run_that_ended_without_a_record_is_not_made_again(small, tmp_path, made):
    first = compare(Comparison.parse(small))
    (tmp_path / "kept/narrow-24ex-0.json").unlink()
    made.clear()
    assert compare(Comparison.parse(small)) == first
    assert not made


@pytest.mark.parametrize("spoiled", ["{", "{}", '{"recipe": {"strategy": 7}}'])
def test_a_record_that_tells_of_something_else_is_none(small, tmp_path, spoiled):
    found = Comparison.parse(small)
    trial = Trial("narrow", BudgetSection(examples=24), 0)
    assert records.read_record(found, trial) is None
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/narrow-24ex-0.json").write_text(spoiled)
    assert records.read_record(found, trial) is None


def test_a_record_is_of_one_dense_model(small, tmp_path):
    model = shutil.copytree(small["base"]["model"], tmp_path / "model")
    small["base"]["model"] = str(model)
    found = Comparison.parse(small)
    trial = Trial("narrow", BudgetSection(examples=24), 0)
    compare(found, trials=[trial])
    assert execution.is_finished(found, trial)
    weights = load_file(model / "model.safetensors")
    save_file({name: 2 * tensor for name, tensor in weights.items()}, model / "model.safetensors", {"format": "pt"})
    sources.files_hash.cache_clear()
    assert not execution.is_finished(found, trial)
    model.rename(tmp_path / "elsewhere")
    sources.files_hash.cache_clear()
    assert execution.is_finished(found, trial), "a model that is not here cannot contradict"


def test_a_record_knows_the_built_in_model(small):
    """The recipe names no model there; the task brings it."""
    small["base"] = {"measure": {"workloads": [{"source": 9, "new_tokens": 9}]}}
    recipe = trial_recipe(Comparison.parse(small), Trial("narrow", None, 0))
    assert recipe.model is None
    weights = next((Path(prunekit.__file__).parent / "data").rglob("*.safetensors"))
    assert sources.weights_hash(recipe) == hashlib.sha256(weights.read_bytes()).hexdigest()


def test_another_output_knows_no_records(small, tmp_path):
    path = tmp_path / "comparison.yaml"
    path.write_text(json.dumps(small))
    assert Comparison.load(path).archive == tmp_path / "kept"
    assert Comparison.load(path, "other").archive == Path("other/records")


def test_steps_that_give_way_to_a_budget_are_not_asked_for(small):
    trial = Trial("narrow", BudgetSection(examples=24), 0)
    compare(Comparison.parse(small), trials=[trial])
    for recovery, done in (({"steps": 7}, True), ({"steps": 7, "learning_rate": 0.02}, False)):
        changed = small | {"base": small["base"] | {"recovery": recovery}}
        assert execution.is_finished(Comparison.parse(changed), trial) is done


@pytest.mark.parametrize(("reported", "known"), [(0.25, True), (0.75, False)])
def test_rows_are_scored_as_the_task_counts(tmp_path, monkeypatch, reported, known):
    """Speech tidies texts before they are compared: one word of four is wrong then, three of them as they stand."""
    answers = Predictions(("1", "2"), (("Yes, sir.",), ("No sir",)), ("", ""), ("yes sir", "no Sire"))
    answers.write(tmp_path / "answers.jsonl")
    english = WordErrorRate("wer").after(normalizer("en"))
    monkeypatch.setattr(records, "open_task", lambda section: SimpleNamespace(metrics=(english,)))
    report = SimpleNamespace(quality=SimpleNamespace(metric="wer", pruned=reported))
    found = records.row_scores(Recipe(), report, tmp_path / "answers.jsonl")
    assert found == ([(0.0, 2.0), (1.0, 2.0)] if known else None)


@pytest.mark.parametrize("example", ["g2p", "verses", "whisper"])
def test_the_records_of_the_examples_still_belong_to_their_recipes(example, monkeypatch):
    """Written by earlier versions: a recipe or a record that is read in another way would make all runs anew."""
    monkeypatch.chdir(Path(__file__).parents[2])
    found = Comparison.load(Path(f"examples/{example}/compare.yaml"))
    stored = {path.stem for path in found.archive.glob("*.json")} - {"speeds"}
    read = {trial.name for trial in ordered_trials(found) if records.read_record(found, trial) is not None}
    assert stored == read
