"""Whole comparisons on a tiny model: made once, gone on with, failing in part, at equal cost."""

import json
import os
import re

import pytest
import torch

import prunekit
from prunekit import Report
from prunekit.compare import Comparison, compare, execution
from prunekit.compare.figures import Summary
from prunekit.compare.grid import ordered_trials, select_trials
from prunekit.recipe import Recipe


def report(out, trial):
    return Report.load(out / "trials" / trial / "report.json")


def test_a_comparison_is_made_once_and_only_written_again(comparison, tmp_path, made):
    found = Comparison.parse(comparison)
    out = tmp_path / "out"
    first = compare(found, "prunekit compare tiny.yaml")
    assert sorted(made) == sorted(trial.name for trial in ordered_trials(found))
    trials = {trial.name: report(out, trial.name) for trial in ordered_trials(found)}
    assert {one.spent.examples for one in trials.values()} == {24}
    control = trials["dense-further-24ex-0"]
    assert control.parameters.pruned == control.parameters.dense
    assert control.equivalence is None
    assert {one.quality.dense for one in trials.values()} == {first.dense.quality.mean}
    assert not list(out.glob("trials/*/model"))

    rows = {row.variant: row for row in first.tables[0].rows}
    assert list(rows) == ["narrow", "shallow", "dense-further"]
    expected = [trials[f"narrow-24ex-{seed}"] for seed in (0, 1)]
    assert rows["narrow"].quality.values == [one.quality.pruned for one in expected]
    live = sum(expected[0].parameters.by_part[stack] for stack in ("encoder", "decoder"))
    assert rows["narrow"].non_embedding == live
    assert rows["narrow"].gain.over == "shallow" == first.tables[0].best_baseline
    assert rows["narrow"].gain.gain == pytest.approx(
        rows["narrow"].quality.mean - trials["shallow-24ex-0"].quality.pruned
    )
    assert (first.recommended, first.missing) == ("narrow", {})

    written = {name: (out / name).read_bytes() for name in ("results.md", "comparison.json", "comparison.html")}
    for name in written:
        (out / name).unlink()
    made.clear()
    assert compare(found, "prunekit compare tiny.yaml") == first
    assert not made
    assert {name: (out / name).read_bytes() for name in written} == written
    assert Summary.model_validate(json.loads(written["comparison.json"])) == first

    page = written["comparison.html"].decode()
    assert page.count("<svg") == 2
    for outside in re.findall(r"""(?:src|href)\s*=|url\(|@import|https?://[^"<\s]*""", page):
        pytest.fail(f"the page needs {outside}")
    assert "prunekit compare tiny.yaml" in page


def test_what_fails_is_named_and_the_rest_goes_on(comparison, tmp_path, made):
    comparison["variants"] = {"broken": {"options": {"decoder_layers": 9}}, "narrow": {}}
    comparison["variants"]["fresh"] = {"from_scratch": "broken"}
    comparison |= {"baselines": [], "seeds": [0]}
    found = Comparison.parse(comparison)
    summary = compare(found)
    assert set(summary.missing) == {"broken-24ex-0", "fresh-24ex-0"}
    assert "has 3 layers" in summary.missing["broken-24ex-0"]
    assert "needs the shape of broken-24ex-0" in summary.missing["fresh-24ex-0"]
    assert [row.variant for row in summary.tables[0].rows] == ["narrow", "dense-further"]

    comparison["variants"]["broken"]["options"] = {"decoder_layers": 2}
    made.clear()
    mended = compare(Comparison.parse(comparison))
    assert made == ["broken-24ex-0", "fresh-24ex-0"]
    assert mended.missing == {}
    kept, fresh = report(tmp_path / "out", "broken-24ex-0"), report(tmp_path / "out", "fresh-24ex-0")
    assert fresh.parameters == kept.parameters


def test_a_cell_of_another_recipe_is_left_alone(comparison, tmp_path, made):
    comparison |= {"seeds": [0], "baselines": [], "variants": {"narrow": {}}}
    compare(Comparison.parse(comparison))
    before = report(tmp_path / "out", "narrow-24ex-0")
    comparison["variants"]["narrow"] = {"options": {"encoder_sparsity": 0.3}}
    made.clear()
    summary = compare(Comparison.parse(comparison))
    assert not made
    assert "was made by another recipe; remove it" in summary.missing["narrow-24ex-0"]
    assert report(tmp_path / "out", "narrow-24ex-0") == before


def test_only_some_variants_are_made_and_others_are_missing(comparison, made):
    found = Comparison.parse(comparison)
    summary = compare(found, trials=select_trials(found, ["shallow"]))
    assert made == ["shallow-24ex-0"]
    assert set(summary.missing.values()) == {"not run yet"}
    assert len(summary.missing) == 4


@pytest.mark.skipif(os.name != "posix", reason="processes are told apart by their id")
@pytest.mark.full
def test_cells_in_processes_of_their_own_come_to_the_same(comparison, tmp_path, made):
    comparison |= {"seeds": [0], "baselines": [], "keep_models": True}
    comparison["variants"] = {"narrow": {}, "fresh": {"from_scratch": "narrow"}, "broken": {"options": {"rounds": 0}}}
    apart = Comparison.parse({**comparison, "output": str(tmp_path / "apart")})
    summary = compare(apart, jobs=2)
    assert not made
    assert set(summary.missing) == {"broken-24ex-0"}
    assert "rounds" in summary.missing["broken-24ex-0"]
    recipe = Recipe.load(tmp_path / "apart/trials/narrow-24ex-0/recipe.yaml")
    execution.run(recipe.model_copy(update={"output": str(tmp_path / "here")}))
    one = prunekit.from_pretrained(tmp_path / "here/model").state_dict()
    other = prunekit.from_pretrained(tmp_path / "apart/trials/narrow-24ex-0/model").state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)


class Stopped(BaseException):
    """Nothing in the engine catches this."""


@pytest.mark.full
def test_a_cell_that_was_stopped_goes_on(comparison, tmp_path, made):
    comparison |= {"seeds": [0], "baselines": [], "variants": {"narrow": {}}, "keep_models": True}
    comparison["base"]["training"]["save_every"] = 2
    found = Comparison.parse(comparison)

    def stop(stage, done, total, figures):
        if stage == "recover" and done == 3:
            raise Stopped

    with pytest.raises(Stopped):
        compare(found, progress=stop)
    work = tmp_path / "out/trials/narrow-24ex-0/work"
    assert list(work.glob("recover-1/checkpoint-2"))
    assert compare(found, trials=select_trials(found, ["narrow"])).missing.keys() == {"dense-further-24ex-0"}
    assert made == ["narrow-24ex-0", "narrow-24ex-0"]
    whole = Comparison.parse({**comparison, "output": str(tmp_path / "whole")})
    compare(whole, trials=select_trials(whole, ["narrow"]))
    one, other = (
        prunekit.from_pretrained(tmp_path / out / "trials/narrow-24ex-0/model").state_dict() for out in ("out", "whole")
    )
    assert all(torch.equal(one[name], other[name]) for name in one)
