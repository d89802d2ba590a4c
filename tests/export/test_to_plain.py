"""Plain exports: dense shapes with zeros, which a stock class opens and which say what the pruned model says."""

import json

import pytest
import torch
from typer.testing import CliRunner

import prunekit
from prunekit import Kind, PrunekitError, PruningPlan
from prunekit.cli import app
from prunekit.cut import checkpoint
from prunekit.export.to_plain import padded_model

IDS = torch.tensor([[5, 6, 7], [8, 9, 3]])


def ragged(case, skip=()):
    kept = {g.name: g.ids[1:] for g in case.graph.groups if g.name == "decoder.layers"}
    for number, group in enumerate(g for g in case.graph.groups if g.kind in (Kind.HEADS, Kind.FFN)):
        kept[group.name] = group.ids[number % 3 :]
    return PruningPlan(kept)


def test_shapes_are_the_dense_ones_and_tokens_the_pruned_ones(every):
    small = every.cut(ragged(every))
    large = padded_model(small, every.adapter, every.graph)
    assert type(large) is type(every.model)
    dense = {name: p.shape for name, p in every.model.named_parameters()}
    assert all(p.shape in dense.values() for p in large.parameters())
    assert sum(p.numel() for p in large.parameters()) > sum(p.numel() for p in small.parameters())
    for how in ({}, {"num_beams": 3}, {"use_cache": False}):
        tokens = [model.generate(input_ids=IDS, max_new_tokens=7, **how) for model in (small, large)]
        assert torch.equal(*tokens)


def test_a_narrower_stream_is_refused(case):
    t5 = case("t5")
    stream = next(g for g in t5.graph.groups if g.kind is Kind.HIDDEN)
    with pytest.raises(PrunekitError, match="narrower than in the dense model, which zeros cannot stand for"):
        padded_model(t5.cut(PruningPlan({stream.name: stream.ids[2:]})), t5.adapter, t5.graph)


@pytest.fixture
def directory(case, letters, tmp_path):
    """A pruned, untied T5 with its tokenizer."""
    t5 = case("t5-gated-untied")
    checkpoint.save(t5.cut(ragged(t5)), tmp_path / "small", letters)
    return tmp_path / "small"


def test_the_command_writes_what_a_stock_class_opens(case, directory, tmp_path):
    done = CliRunner().invoke(app, ["export", str(directory), "--to", "plain", "--output", str(tmp_path / "plain")])
    assert done.exit_code == 0, done.stderr
    assert "tokens are equal for 4 of 4 inputs" in " ".join(done.stdout.split())
    config = json.loads((tmp_path / "plain/config.json").read_text())
    assert config["model_type"] == "t5"
    assert "prunekit" not in config
    assert (tmp_path / "plain/tokenizer.json").exists()
    small = prunekit.from_pretrained(directory)
    large, info = type(case("t5").model).from_pretrained(
        tmp_path / "plain", dtype=small.dtype, output_loading_info=True
    )
    assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    with torch.no_grad():
        ours, theirs = (m(input_ids=IDS, decoder_input_ids=IDS).logits for m in (small, large))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5 * float(ours.abs().max()))


@pytest.mark.parametrize(
    ("source", "target", "sentence"),
    [
        ("dense", "new", "is not a pruned model"),
        ("small", "small", "exists already; choose another --output"),
        ("nothing", "new", "There is no model directory"),
    ],
)
def test_what_cannot_be_exported_gets_one_sentence(case, directory, tmp_path, source, target, sentence):
    case("t5-gated-untied").model.save_pretrained(tmp_path / "dense")
    words = ["export", str(tmp_path / source), "--to", "plain", "--output", str(tmp_path / target)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 1
    assert sentence in " ".join(done.stderr.split())
    assert not (tmp_path / "new").exists()


def test_a_wrong_result_is_not_written(directory, tmp_path, monkeypatch):
    """Half of a tensor forgotten, and nothing may be left of the export."""

    def forgetful(model, adapter, graph):
        large = padded_model(model, adapter, graph)
        large.get_decoder().block[0].layer[0].SelfAttention.o.weight.data.mul_(0.5)
        return large

    monkeypatch.setattr("prunekit.export.to_plain.padded_model", forgetful)
    done = CliRunner().invoke(app, ["export", str(directory), "--to", "plain", "--output", str(tmp_path / "new")])
    assert done.exit_code == 1
    assert "differs from the pruned one" in " ".join(done.stderr.split())
    assert not (tmp_path / "new").exists()
