"""Quality at the end of a run, against answers and losses that are known."""

import copy
import json
from dataclasses import replace

import pytest
import torch

from prunekit import PrunekitError
from prunekit.pipeline.evaluation import dense_quality, evaluate_run, loss_on, quality_of, take_first


def test_the_first_rows_or_all(state):
    rows = state().dense.task.test
    assert take_first(rows, 3)["source"][:] == ["a b c", "d e", "f"]
    assert len(take_first(rows, None)) == len(take_first(rows, 99)) == 8


def test_quality_is_the_share_of_right_answers_that_generate_gives(state):
    context = state().dense
    rows = context.task.test
    tokenizer = context.processor.tokenizer
    right = 0
    for row in rows:
        inputs = tokenizer(row["source"], return_tensors="pt")
        answer = context.model.generate(
            **inputs, max_new_tokens=context.processor.section.target_length, max_length=None
        )
        right += tokenizer.decode(answer[0], skip_special_tokens=True).strip() == row["target"]
    assert quality_of(context, rows, 3).scores["exact_match"] == pytest.approx(right / len(rows))


def test_a_loss_is_the_mean_over_all_target_tokens(state):
    context = state().dense
    encoded = context.processor.encode(context.task.test)
    losses = []
    for n in range(len(encoded)):
        labels = torch.tensor([encoded[n]["labels"]])
        with torch.no_grad():
            logits = context.model(input_ids=torch.tensor([encoded[n]["source"]]), labels=labels).logits
        losses += torch.nn.functional.cross_entropy(logits[0], labels[0], reduction="none").tolist()
    assert loss_on(context, encoded, 3) == pytest.approx(sum(losses) / len(losses), rel=1e-5)


def test_known_answers_of_the_dense_model_are_scored_without_generating(state, tmp_path, monkeypatch):
    opened = state()
    context = opened.dense
    rows = context.task.test
    lines = [
        {"source": row["source"], "references": row["references"], "dense": row["target"], "pruned": ""} for row in rows
    ]
    lines[0]["dense"] = "wrong"
    (tmp_path / "known.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    measure = opened.recipe.measure.model_copy(update={"dense_predictions": str(tmp_path / "known.jsonl")})
    monkeypatch.setattr(type(context.model), "generate", lambda *_, **__: pytest.fail("generated for nothing"))
    assert dense_quality(context, rows, measure).scores["exact_match"] == pytest.approx(7 / 8)


def test_a_loss_that_is_no_number_is_not_reported_as_none(state):
    opened = state()
    broken = copy.deepcopy(opened.dense.model)
    with torch.no_grad():
        broken.lm_head.weight.fill_(float("inf"))
    pruned = replace(opened.dense, model=broken)
    with pytest.raises(PrunekitError, match="for the pruned one; where it is no number, a training diverged"):
        evaluate_run(opened.dense, pruned, opened.recipe.measure, 0, lambda _: None)
