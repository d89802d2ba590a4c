"""Uniform pruning in rounds: no worse than at once, nothing comes back, and every step asked for is trained."""

from itertools import pairwise

import pytest
import torch

from prunekit.learn.masking.gates import HardGates
from prunekit.testing import tiny, try_out
from prunekit_strategies.uniform import Uniform

HALF = {"encoder_sparsity": 0.4, "decoder_sparsity": 0.4}


@torch.inference_mode()
def error(cut, dense):
    """How far the logits are from the dense model's, relative to their norm."""
    ids = torch.arange(3, 35).view(4, 8)
    one, other = (model.eval()(input_ids=ids, decoder_input_ids=ids).logits for model in (cut, dense))
    return float((one - other).norm() / other.norm())


@pytest.mark.parametrize("family", ["t5", "bart"])
def test_refitting_in_rounds_is_about_as_good_as_at_once(tmp_path, family):
    """A round that took what went before for still there would count it twice: 0.9 in place of 0.3 for BART."""
    dense = tiny(family)[2]
    errors = {}
    for rounds in (1, 8):
        strategy = Uniform(**HALF, importance="reconstruction", rounds=rounds)
        errors[rounds] = error(try_out(strategy, family, tmp_path / str(rounds), round_to=1).model, dense)
    assert errors[8] < 1.3 * errors[1]


@pytest.mark.parametrize("seed", range(4))
def test_what_went_never_returns_and_no_step_is_lost(tmp_path, monkeypatch, seed):
    plans, steps = [], []
    made = HardGates.__init__

    def noted(self, groups, plan):
        plans.append(plan)
        made(self, groups, plan)

    monkeypatch.setattr(HardGates, "__init__", noted)
    monkeypatch.setattr("prunekit.learn.bench.Bench.train", lambda self, gates, steps: trained(steps))
    trained = steps.append
    strategy = Uniform(**HALF, importance="random", rounds=5, steps=7)
    try_out(strategy, "t5", tmp_path, round_to=1, seed=seed)
    assert len(plans) == len(steps) == 5
    assert sum(steps) == 7
    for before, after in pairwise(plans):
        assert all(set(ids) <= set(before.kept[name]) for name, ids in after.kept.items())
