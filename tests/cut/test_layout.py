"""The interpreter of layouts: data alone turns a stock model into the cut one, and back off it comes."""

import copy
import json
import pickle
import subprocess
import sys

import pytest
import torch

from prunekit.cut.layout import Layout, install, uninstall
from prunekit.cut.layout_compiler import compile_layout, cut_config
from prunekit.cut.live_plan import LivePlan
from prunekit.find.groups import Kind
from prunekit.find.plan import PruningPlan
from prunekit.testing import untie

PLAN = PruningPlan(
    {
        "encoder.0.self.heads": (),
        "encoder.2.self.heads": (0, 3),
        "encoder.2.ffn": (),
        "decoder.layers": (1, 2),
        "decoder.1.self.heads": (3,),
        "decoder.2.cross.heads": (),
    }
)


def stock_of(case):
    """A stock model with the layers that the plan leaves, at its own random weights."""
    stock = type(case.model)(cut_config(case.adapter, case.config, case.graph.groups, PLAN)).eval()
    if case.family == "t5-gated-untied":
        untie(stock)
    return stock


def layout_of(case):
    """The layout as it comes out of a config file."""
    layout = compile_layout(case.adapter, case.config, case.graph, LivePlan(case.graph.groups, PLAN))
    return Layout.from_dict(json.loads(json.dumps(layout.to_dict())))


def logits(model, batch):
    with torch.inference_mode():
        return model(**batch).logits


def hooks(model):
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


def test_a_stock_model_with_the_layout_takes_the_cut_models_weights(every, batch):
    small = every.cut(PLAN)
    stock = stock_of(every)
    install(stock, layout_of(every))
    loaded = stock.load_state_dict(small.state_dict())
    assert not loaded.missing_keys
    assert torch.equal(logits(stock, batch), logits(small, batch))


def test_every_shape_that_differs_is_in_the_layout(every):
    small = every.cut(PLAN)
    stock = stock_of(every)
    usual = {name: list(parameter.shape) for name, parameter in stock.named_parameters()}
    other = {n: list(p.shape) for n, p in small.named_parameters() if list(p.shape) != usual[n]}
    assert layout_of(every).shapes == other
    assert [0, 32] in other.values()
    assert [32, 0] in other.values()


def test_installing_again_changes_nothing(every, batch):
    small = every.cut(PLAN)
    expected, count = logits(small, batch), hooks(small)
    install(small, layout_of(every))
    assert hooks(small) == count > 0
    assert torch.equal(logits(small, batch), expected)


def test_a_cut_model_can_be_pickled_and_trained_on(every, batch):
    small = every.cut(PLAN)
    again = pickle.loads(pickle.dumps(small))
    assert type(again) is type(small)
    assert type(again.config) is type(small.config)
    assert torch.equal(logits(again, batch), logits(small, batch))
    assert hooks(again) == hooks(small)
    again(**batch).logits.sum().backward()
    assert not any(parameter.grad is not None for parameter in small.parameters())


def test_a_pickled_model_opens_in_another_process(case, batch):
    small = case("t5").cut(PLAN)
    program = (
        "import pickle, sys; model, batch = pickle.load(sys.stdin.buffer); print(model(**batch).logits.sum().item())"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], input=pickle.dumps((small, batch)), capture_output=True, check=True
    )
    assert float(found.stdout) == pytest.approx(logits(small, batch).sum().item(), rel=1e-5)


def test_nothing_is_left_after_uninstalling(every, batch):
    model = copy.deepcopy(every.model)
    layout = layout_of(every)
    plain = {path: dict(vars(model.get_submodule(path))) for path in layout.attributes}
    install(model, Layout(overrides=layout.overrides))
    assert hooks(model) > 0
    uninstall(model)
    assert hooks(model) == 0
    assert not any(m._forward_pre_hooks_with_kwargs for m in model.modules())
    assert {path: vars(model.get_submodule(path)).keys() for path in plain} == {p: v.keys() for p, v in plain.items()}
    assert torch.equal(logits(model, batch), logits(every.model, batch))


def test_an_attention_without_heads_does_not_run_but_for_a_stacks_first(every, batch):
    """At the first one caches count positions; a cross-attention may be skipped anywhere."""
    whole, ran = every.cut(PruningPlan()), set()
    empty = [group.name for group in every.graph.groups if group.kind is Kind.HEADS]
    small = every.cut(PruningPlan(dict.fromkeys(empty, ())))
    queries = ("SelfAttention.q", "EncDecAttention.q", "self_attn.q_proj", "encoder_attn.q_proj")
    for name, module in small.named_modules():
        if name.endswith(queries):
            module.register_forward_hook(lambda *_, name=name: ran.add(name))
    assert logits(small, batch).shape == logits(whole, batch).shape
    assert len(ran) == 2
    assert all(".0." in name and "elf" in name for name in ran)


def test_other_peoples_hooks_stay(case):
    model = copy.deepcopy(case("t5").model)
    model.encoder.register_forward_hook(lambda *_: None)
    uninstall(model)
    assert hooks(model) == 1
