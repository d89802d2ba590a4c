"""The look before the work: what it finds, and what it says."""

import pytest
import torch

from prunekit import PrunekitError
from prunekit.pipeline.preflight import first_token_loss, look, lost_targets
from prunekit.pipeline.run import dry_run
from prunekit.pipeline.stages import look_before_work
from prunekit.report.data_section import FirstTokenLoss


def test_what_is_cut_is_told_by_its_setting_and_stands_in_the_state(state, caplog):
    found = look_before_work(state(task={**state().recipe.task.model_dump(), "target_length": 2})).found
    assert found is not None
    assert found.train.targets.cut == 6  # "a b c" has three letters and an end, "f" one
    assert "6 of 8 targets of the training rows are cut to task.target_length (2 tokens)" in caplog.text
    assert [text for text in found.warnings if "target_length" in text]


def test_all_is_well_where_all_is_well(state, caplog):
    found = look_before_work(state()).found
    assert found is not None
    assert found.warnings == ()
    assert found.test is None  # the dev rows serve as test rows
    assert found.asked_with == ("<pad>",)
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


def test_targets_that_do_not_survive_are_shown(state):
    context = state().dense
    rows = context.task.dev.map(lambda row: {"target": row["target"].replace("c", "ç")})
    found = lost_targets(context.processor, rows)
    with_c = sum("c" in text for text in context.task.dev["target"])
    assert (found.looked_at, found.lost) == (8, with_c)
    assert found.example is not None
    assert "ç" in found.example[0]
    assert "ç" not in found.example[1]


def test_the_first_tokens_loss_is_that_of_the_first_label(state):
    context = state().dense
    encoded = context.processor.encode(context.task.dev)
    first, others = [], []
    for n in range(len(encoded)):
        labels = torch.tensor([encoded[n]["labels"]])
        with torch.no_grad():
            logits = context.model(input_ids=torch.tensor([encoded[n]["source"]]), labels=labels).logits
        losses = torch.nn.functional.cross_entropy(logits[0], labels[0], reduction="none").tolist()
        first.append(losses[0])
        others += losses[1:]
    found = first_token_loss(context, encoded)
    assert found is not None
    assert found.first == pytest.approx(sum(first) / len(first), rel=1e-4)
    assert found.others == pytest.approx(sum(others) / len(others), rel=1e-4)


def test_a_first_token_that_costs_much_more_is_doubtful(state, monkeypatch, caplog):
    opened = state()
    dear = FirstTokenLoss(first=9.0, others=0.5)
    monkeypatch.setattr("prunekit.pipeline.preflight.first_token_loss", lambda *_: dear)
    look(opened.dense, None, opened.data.training.dev, None)
    assert "loss on the first label token is 9.0, on the others 0.5" in caplog.text


def test_answers_that_the_tokenizer_cannot_write_are_refused(state, pairs):
    pairs.write_text('{"a": "a b", "b": "ж ш щ"}\n' * 3)
    with pytest.raises(PrunekitError, match="75% of the tokens in the targets of the dev rows are unknown"):
        look_before_work(state())


def test_what_was_found_is_shown_before_any_work(state):
    seen = []
    from dataclasses import replace

    found = look_before_work(replace(state(), show=seen.append)).found
    assert seen == [found]


def test_a_dry_run_times_and_writes_nothing(recipe, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    found = dry_run(recipe(recovery={"steps": 3}, options={"decoder_layers": 1}))
    assert sorted(tmp_path.rglob("*")) == before
    assert found.forecast.steps == 3
    assert found.forecast.seconds > 0
    assert found.dense.rows == 8


def test_a_dry_run_refuses_what_the_run_would(recipe, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine").touch()
    with pytest.raises(PrunekitError, match="not empty"):
        dry_run(recipe())
    with pytest.raises(PrunekitError, match="7"):
        dry_run(recipe(options={"decoder_layers": [7]}, output=str(tmp_path / "other")))


def test_a_large_set_is_looked_at_by_a_sample_and_that_is_said(recipe, monkeypatch):
    monkeypatch.setattr("prunekit.pipeline.run.SAMPLE", 5)
    train = dry_run(recipe()).train
    assert (train.rows, train.looked_at) == (8, 5)
    assert train.sources.median > 0


def test_a_model_that_computes_no_numbers_is_refused(state):
    opened = state()
    with torch.no_grad():
        opened.dense.model.lm_head.weight.fill_(float("nan"))
    with pytest.raises(PrunekitError, match="The dense model's loss on the dev rows is no number in float32"):
        first_token_loss(opened.dense, opened.data.training.dev)
