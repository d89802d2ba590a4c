"""A pruned model in the context of its dense one."""

import dataclasses

import pytest
import torch

from prunekit import PruningPlan, run
from prunekit.pipeline import stages
from prunekit.pipeline.evaluation import quality_of
from prunekit.pipeline.pruned_context import context_after, with_fewer_tokens
from prunekit.pipeline.start import read_start


def test_settings_name_tokens_by_their_new_numbers(state):
    context = dataclasses.replace(state().dense, generation={"forced_bos_token_id": 5})
    plan = PruningPlan({"vocabulary": (0, 1, 2, 5)})
    fewer = with_fewer_tokens(context, context.graph, plan, [0, 1, 2, 5])
    assert fewer.generation == {"forced_bos_token_id": 3}
    assert len(fewer.processor.tokenizer) == 4


@pytest.mark.full
def test_a_run_with_fewer_tokens_is_asked_as_it_was_asked(recipe, state, tmp_path):
    keys = {"strategy": "depth", "options": {"decoder_layers": 2}, "vocabulary": {"corpus": "task"}}
    asked = recipe(**keys, recovery={"steps": 3})
    report = run(asked)
    dense = state(output=str(tmp_path / "other")).dense
    context = context_after(read_start(tmp_path / "run"), dense, asked)
    assert len(context.processor.tokenizer) == len(context.model.get_input_embeddings().weight) < 32
    assert quality_of(context, dense.task.test, 8).scores["exact_match"] == report.quality.pruned
    cut = stages.cut_vocabulary(stages.train_teacher(state(**keys, output=str(tmp_path / "third"))))
    rows = cut.pruned.processor.encode(dense.task.dev)
    assert torch.equal(torch.tensor(rows.labels[0]), torch.tensor(context.processor.encode(dense.task.dev).labels[0]))
