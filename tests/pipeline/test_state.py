"""The state that a run starts from."""

import dataclasses

import pytest
import torch
from transformers import AutoModelForSeq2SeqLM

from prunekit import PrunekitError, PruningPlan
from prunekit.pipeline.state import open_run


def test_a_state_never_changes(state):
    with pytest.raises(dataclasses.FrozenInstanceError):
        state().plan = PruningPlan()


def test_both_models_are_the_live_one_at_first(state, t5_directory):
    opened = state()
    stock = AutoModelForSeq2SeqLM.from_pretrained(t5_directory)
    assert opened.dense.model is opened.pruned.model is opened.teacher.model
    assert torch.equal(opened.pruned.model.shared.weight, stock.shared.weight)
    assert opened.plan == opened.proposal == PruningPlan()
    assert sum(len(group) for group in opened.groups if group.name == "decoder.layers") == 3


def test_a_given_plan_is_the_proposal(state, tmp_path):
    plan = PruningPlan({"decoder.layers": (0, 2)})
    (tmp_path / "plan.json").write_text(plan.to_json())
    opened = state(plan=str(tmp_path / "plan.json"))
    assert opened.strategy is None
    assert opened.proposal == plan


def test_known_answers_that_are_not_there_are_missed_before_any_work(recipe, tmp_path):
    """They are read at the end of a run, when all else is done."""
    measure = {**recipe().measure.model_dump(exclude_unset=True), "dense_predictions": str(tmp_path / "nowhere.jsonl")}
    with pytest.raises(PrunekitError, match=r"The predictions .*nowhere.jsonl' cannot be read"):
        open_run(recipe(measure=measure))


def test_proofs_are_the_first_dev_rows_as_the_model_reads_them(state):
    (batch,) = state().data.proofs
    assert batch["input_ids"].shape == (8, 4)  # "a b c" and an end
    assert batch["input_ids"][0].tolist() == [3, 4, 5, 1]
    assert batch["labels"][0].tolist() == [5, 4, 3, 1]


def test_groups_are_those_that_the_plan_left(state):
    opened = dataclasses.replace(state(), plan=PruningPlan({"decoder.layers": (0, 2)}))
    layers = {group.name: group.ids for group in opened.groups}
    assert layers["decoder.layers"] == (0, 2)
    assert "decoder.1.ffn" not in layers


def test_a_workload_that_is_too_long_is_refused_before_any_work(recipe, bart_directory):
    long = {"workloads": [{"source": 4, "new_tokens": 500}]}
    with pytest.raises(PrunekitError, match="500"):
        open_run(recipe(model=str(bart_directory), measure=long))
