"""Plans that a stock config can express: the stock class itself loads the result, and prunekit still knows its plan."""

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import prunekit
from prunekit import Kind, PruningPlan
from prunekit.cut import checkpoint

IDS = torch.tensor([[5, 6, 7], [8, 9, 3]])


def logits(model):
    with torch.no_grad():
        return model.eval()(input_ids=IDS, decoder_input_ids=IDS, use_cache=False).logits


def channels(case, left, stacks=("encoder", "decoder")):
    """Every feed-forward layer of these stacks with its first channels."""
    return {g.name: g.ids[:left] for g in case.graph.groups if g.kind is Kind.FFN and g.stack in stacks}


def sizes(config):
    return {key: value for key, value in config.to_dict().items() if type(value) is int}


def saved(case, kept, place):
    small = case.cut(PruningPlan(kept))
    checkpoint.save(small, place / "model")
    return small, json.loads((place / "model/config.json").read_text())


def test_whole_layers_and_even_channels_make_a_stock_model(every, tmp_path):
    layers = {g.name: g.ids[1:] for g in every.graph.groups if g.name == "decoder.layers"}
    small, config = saved(every, {**layers, **channels(every, 8)}, tmp_path)
    assert config["model_type"] == every.config.model_type
    assert config["architectures"] == [type(every.model).__name__]
    assert "auto_map" not in config
    assert not (tmp_path / "model/modeling_prunekit.py").exists()
    stock, info = type(every.model).from_pretrained(tmp_path / "model", dtype=small.dtype, output_loading_info=True)
    assert type(stock) is type(every.model)
    assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert torch.equal(logits(stock), logits(small))
    tokens = [m.generate(input_ids=IDS, num_beams=2, max_new_tokens=5) for m in (stock, small)]
    assert torch.equal(*tokens)


def test_prunekit_still_knows_what_it_cut_and_cuts_on(every, tmp_path):
    first, then = PruningPlan(channels(every, 8)), PruningPlan(channels(every, 4))
    saved(every, first.kept, tmp_path)
    model = prunekit.from_pretrained(tmp_path / "model")
    assert checkpoint.plan_of(model) == first
    assert sizes(checkpoint.dense_config(model.config)) == sizes(every.config)
    again = prunekit.prune(model, then, every.adapter)
    assert torch.equal(logits(again.to(every.model.dtype)), logits(every.cut(then)))


def test_one_stack_alone_is_plain_where_the_config_names_it(case, tmp_path):
    _, config = saved(case("bart"), channels(case("bart"), 8, ["encoder"]), tmp_path)
    assert (config["encoder_ffn_dim"], config["decoder_ffn_dim"]) == (8, case("bart").config.decoder_ffn_dim)
    _, config = saved(case("t5"), channels(case("t5"), 8, ["encoder"]), tmp_path / "t5")
    assert config["model_type"] == "prunekit-t5", "a T5's config has one width for both stacks"


@given(st.data())
@settings(max_examples=15, deadline=None)
def test_what_is_called_plain_is_what_a_stock_model_has(case, data):
    """Ragged channels, heads and hidden dimensions are never plain; equal counts of other channels are."""
    bart = case("bart")
    groups = [g for g in bart.graph.groups if g.kind is Kind.FFN]
    counts = {g.name: data.draw(st.integers(3, 5)) for g in groups}
    kept = {g.name: tuple(sorted(data.draw(st.permutations(g.ids))[: counts[g.name]])) for g in groups}
    if head := data.draw(st.booleans()):
        heads = next(g for g in bart.graph.groups if g.kind is Kind.HEADS)
        kept[heads.name] = heads.ids[1:]
    by_stack = [{counts[g.name] for g in groups if g.stack == stack} for stack in ("encoder", "decoder")]
    plain = bart.cut(PruningPlan(kept)).config.prunekit["plain"]
    assert (plain is not None) == (all(len(found) == 1 for found in by_stack) and not head)


@pytest.mark.parametrize("group", ["hidden"])
def test_a_narrower_stream_is_not_plain(case, group):
    t5 = case("t5")
    stream = next(g for g in t5.graph.groups if g.kind is Kind.HIDDEN)
    assert t5.cut(PruningPlan({stream.name: stream.ids[2:]})).config.prunekit["plain"] is None
