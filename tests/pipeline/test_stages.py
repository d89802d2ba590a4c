"""The stages of a run, one by one."""

import copy
import dataclasses

import pytest
import torch

from prunekit import PrunekitError, PruningPlan, prune
from prunekit.pipeline import stages
from prunekit.pipeline.stages import STAGES
from prunekit.report.sections import SecondsSection


def test_a_given_plan_must_fit(state, tmp_path):
    (tmp_path / "plan.json").write_text(PruningPlan({"decoder.layers": (0, 9)}).to_json())
    with pytest.raises(PrunekitError, match="keeps unit 9"):
        stages.check_given_plan(state(plan=str(tmp_path / "plan.json")))


def test_the_dense_model_is_set_aside_before_anything_is_cut(state):
    taught = stages.train_teacher(state())
    assert taught.dense.model is taught.teacher.model
    assert taught.dense.model is not taught.pruned.model
    before = copy.deepcopy(taught.dense.model.state_dict())
    cut = stages.cut_proposal(dataclasses.replace(taught, proposal=PruningPlan({"decoder.layers": (0, 2)})))
    assert len(cut.dense.model.decoder.block) == 3
    assert len(cut.pruned.model.decoder.block) == 2
    assert all(torch.equal(value, before[name]) for name, value in cut.dense.model.state_dict().items())


def test_a_dense_model_that_cannot_do_the_task_is_refused_by_the_metrics_direction(state):
    measure = {"batch": 8, "least_quality": 0.5}
    with pytest.raises(PrunekitError, match=r"exact_match on the dev set is 0\.000"):
        stages.train_teacher(state(measure=measure))


def test_settings_that_do_not_work_are_refused_before_the_dense_model_is_trained(state, tmp_path):
    with pytest.raises(PrunekitError, match="no generation setting 'beams'"):
        stages.train_teacher(state(teacher={"steps": 1}, generation={"beams": 2}))
    assert not (tmp_path / "run").exists()


def test_a_cut_is_what_prune_makes_is_proved_and_is_no_proposal_any_more(state):
    opened = state()
    plan = PruningPlan({"decoder.layers": (0, 2), "encoder.1.self.heads": (1, 3)})
    alike = prune(copy.deepcopy(opened.pruned.model), plan, opened.pruned.adapter).state_dict()
    cut = stages.cut_proposal(dataclasses.replace(opened, proposal=plan))
    assert (cut.plan, cut.proposal) == (plan, PruningPlan())
    assert cut.equivalence is not None
    assert cut.equivalence.tokens_equal
    assert all(torch.equal(value, alike[name]) for name, value in cut.pruned.model.state_dict().items())


def test_nothing_to_cut_is_no_proof(state):
    assert stages.cut_proposal(state()).equivalence is None


def test_tokens_that_no_row_uses_are_removed_and_rows_are_read_by_new_numbers(state):
    opened = stages.train_teacher(state(vocabulary={"corpus": "task"}))
    cut = stages.cut_vocabulary(opened)
    words = cut.pruned.processor.tokenizer.get_vocab()
    assert set("abcdefghi") <= set(words)
    assert cut.dense.processor is opened.dense.processor
    assert cut.pruned.model.shared.num_embeddings == cut.teacher.model.shared.num_embeddings == len(words) < 32
    assert cut.dense.model.shared.num_embeddings == 32
    one, other = opened.data.proofs[0]["input_ids"], cut.data.proofs[0]["input_ids"]
    before, after = opened.pruned.processor.tokenizer, cut.pruned.processor.tokenizer
    assert before.batch_decode(one) == after.batch_decode(other)


def test_the_stages_follow_the_line_that_every_run_follows():
    names = [stage.__name__ for _, stage in STAGES]
    assert names.index("train_teacher") < names.index("propose_upfront") < names.index("learn_plan")
    assert names.index("learn_plan") < names.index("recover") < names.index("evaluate")
    for asked in ("propose_upfront", "learn_plan"):
        assert names[names.index(asked) + 1] == "cut_proposal"


def test_every_stage_counts_under_a_key_of_the_report():
    assert {counted for counted, _ in STAGES} == set(SecondsSection.model_fields)
