"""Hooks come off together, also when the block fails, and are called with what torch would give them."""

import pytest
import torch
from torch import nn

from prunekit._support.hooks import HookSet


def count_hooks(module):
    return len(module._forward_hooks) + len(module._forward_pre_hooks)


def test_a_hook_before_changes_the_input_and_one_after_the_output():
    layer, x = nn.Linear(2, 2), torch.ones(1, 2)
    expected = layer(3 * x) + 5
    with HookSet() as hooks:
        hooks.before(layer, lambda module, args: (3 * args[0],))
        hooks.after(layer, lambda module, args, output: output + 5)
        assert torch.equal(layer(x), expected)
    assert torch.equal(layer(x), torch.nn.functional.linear(x, layer.weight, layer.bias))
    assert count_hooks(layer) == 0


def test_a_hook_may_read_keyword_arguments():
    seen = []
    layer = nn.Linear(2, 2)
    with HookSet() as hooks:
        hooks.after(layer, lambda module, args, kwargs, output: seen.append(kwargs["input"]), with_kwargs=True)
        layer(input=torch.ones(1, 2))
    assert seen[0].tolist() == [[1, 1]]


def test_hooks_are_removed_when_the_block_fails():
    layer, others = nn.Linear(2, 2), nn.Linear(2, 2)
    handle = others.register_forward_hook(lambda *_: None)
    hooks = HookSet()
    for module in (layer, others):
        hooks.before(module, lambda *_: None)
        hooks.after(module, lambda *_: None)
    assert (count_hooks(layer), count_hooks(others)) == (2, 3)
    with pytest.raises(RuntimeError, match="midway"), hooks:
        raise RuntimeError("midway")
    assert (count_hooks(layer), count_hooks(others)) == (0, 1)  # somebody else's hook stays
    handle.remove()


def test_removing_twice_does_nothing():
    layer = nn.Linear(2, 2)
    hooks = HookSet()
    hooks.after(layer, lambda *_: None)
    hooks.remove()
    hooks.remove()
    assert count_hooks(layer) == 0
