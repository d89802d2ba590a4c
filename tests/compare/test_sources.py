"""What a run started from: a comparison notices that the model, the data or a shape is another, and says so."""

import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from prunekit.compare import Comparison, compare, execution, records, sources, speeds
from prunekit.compare.files import TrialFiles
from prunekit.compare.trial import Trial
from prunekit.find.plan import PruningPlan
from prunekit.recipe import BudgetSection

NARROW = Trial("narrow", BudgetSection(examples=24), 0)


@pytest.fixture
def small(comparison, tmp_path, pairs):
    """One variant and the control, one seed; the model and the data are copies that a test may change."""
    base = comparison["base"]
    base["model"] = str(shutil.copytree(base["model"], tmp_path / "model"))
    base["task"] |= {"train": str(shutil.copy(pairs, tmp_path / "train.jsonl"))}
    return comparison | {"seeds": [0], "baselines": [], "variants": {"narrow": {}}}


def retrained(model):
    """Other weights in the same place."""
    path = Path(model) / "model.safetensors"
    save_file({name: 1.5 * tensor for name, tensor in load_file(path).items()}, path, {"format": "pt"})
    sources.files_hash.cache_clear()


@pytest.mark.full
def test_runs_of_another_dense_model_are_neither_kept_nor_mixed(small, tmp_path, made):
    compare(Comparison.parse(small))
    answers = tmp_path / "out/dense.jsonl"
    before = answers.read_bytes()
    retrained(small["base"]["model"])
    made.clear()
    assert compare(Comparison.parse(small)) is None
    assert not made
    why = TrialFiles(Comparison.parse(small), NARROW).failure_reason()
    assert "was made from another model, plan or data; remove it" in why
    assert answers.read_bytes() != before, "the new dense model answers for itself"
    shutil.rmtree(tmp_path / "out/trials")
    summary = compare(Comparison.parse(small))
    assert sorted(made) == ["dense-further-24ex-0", "narrow-24ex-0"]
    pruned = records.read_record(Comparison.parse(small), NARROW).report
    assert pruned.quality.dense == summary.dense.quality.mean


@pytest.mark.full
def test_other_rows_are_other_runs(small, tmp_path, made):
    compare(Comparison.parse(small))
    train = tmp_path / "train.jsonl"
    train.write_text(train.read_text() + train.read_text().splitlines()[0] + "\n")
    sources.files_hash.cache_clear()
    assert not execution.is_finished(Comparison.parse(small), NARROW)
    shutil.rmtree(tmp_path / "out/trials")
    made.clear()
    assert compare(Comparison.parse(small)).missing == {}
    assert sorted(made) == ["dense-further-24ex-0", "narrow-24ex-0"]


@pytest.mark.full
def test_a_shape_that_was_taken_is_taken_anew_when_it_changes(small, tmp_path, made):
    small["variants"]["fresh"] = {"from_scratch": "narrow"}
    compare(Comparison.parse(small))
    small["variants"]["narrow"] = {"options": {"encoder_sparsity": 0.2}}
    found = Comparison.parse(small)
    assert not execution.is_finished(found, Trial("fresh", NARROW.budget, 0))
    shutil.rmtree(tmp_path / "out/trials")
    made.clear()
    summary = compare(found)
    assert made == ["narrow-24ex-0", "fresh-24ex-0"]
    sizes = {row.variant: row.parameters for row in summary.tables[0].rows}
    assert sizes["fresh"] == sizes["narrow"] < sizes["dense-further"]


@pytest.mark.full
def test_a_shape_that_comes_out_the_same_leaves_the_others_done(small, tmp_path, made):
    small["variants"]["fresh"] = {"from_scratch": "narrow"}
    first = compare(Comparison.parse(small))
    (tmp_path / "out/records/narrow-24ex-0.json").unlink()
    shutil.rmtree(tmp_path / "out/trials/narrow-24ex-0")
    made.clear()
    assert compare(Comparison.parse(small)).missing == first.missing == {}
    assert made == ["narrow-24ex-0"]


def test_a_plan_of_ones_own_that_changes_makes_its_run_anew(small, tmp_path):
    plan = tmp_path / "plan.json"
    plan.write_text(PruningPlan({"decoder.layers": (0, 2)}).to_json())
    small["variants"] = {"given": {"plan": str(plan)}}
    trial = Trial("given", NARROW.budget, 0)
    found = Comparison.parse(small)
    compare(found, trials=[trial])
    assert execution.is_finished(found, trial)
    plan.write_text(PruningPlan({"decoder.layers": (0,)}).to_json())
    assert not execution.is_finished(found, trial)


def test_speeds_are_of_one_model_and_one_precision(small, tmp_path, monkeypatch):
    found = Comparison.parse(small)
    compare(found, trials=[NARROW])
    plan = records.read_record(found, NARROW).shape
    asked = []
    monkeypatch.setattr(
        speeds, "_measure", lambda recipe, shapes, progress: asked.append(recipe) or {name: [] for name in shapes}
    )
    speeds.time_together(found, [plan])
    assert not asked
    coarse = Comparison.parse({**small, "base": {**small["base"], "dtype": "bfloat16"}})
    speeds.time_together(coarse, [plan])
    assert len(asked) == 1
    retrained(small["base"]["model"])
    speeds.time_together(coarse, [plan])
    assert len(asked) == 2
    shutil.rmtree(small["base"]["model"])
    sources.files_hash.cache_clear()
    speeds.time_together(coarse, [plan])
    assert len(asked) == 2, "a model that is not here cannot contradict"
