"""Whole runs of every strategy on T5, mT5 and BART: the saved result is as small as promised and computes the same."""

import pytest
import torch

import prunekit
from prunekit import Recipe
from prunekit.cut import checkpoint
from prunekit.pipeline.run import run

FAMILIES = ("t5", "mt5", "bart")
GATES = {"steps": 10, "gate_learning_rate": 0.5}
STRATEGIES = {
    "nash": {"decoder_layers": 1, **GATES},
    "nash-as-released": {"preset": "code-faithful", "decoder_layers": 1, **GATES},
    "cofi": {"sparsity": 0.6, **GATES},
    "cofi-80": {"sparsity": 0.8, **GATES},
    "uniform": {"encoder_sparsity": 0.5, "decoder_sparsity": 0.5, "importance": "first_order"},
    "uniform-random": {"encoder_sparsity": 0.5, "decoder_sparsity": 0.5, "importance": "random"},
    "depth": {"decoder_layers": 1, "spacing": "loss"},
    "depth-both": {"encoder_layers": 1, "decoder_layers": 1},
}
SPARSITY = {"cofi": 0.6, "cofi-80": 0.8}
TRAINING = {"batch": 4, "learning_rate": 0.003, "precision": "fp32", "save_every": 4, "log_every": 1}


def recipe(directory, pairs, output, strategy, options):
    task = {"train": str(pairs), "eval": str(pairs), "source": "a", "target": "b", "metric": "exact_match"}
    measure = {"batch": 8, "repeats": 1, "least_quality": 0, "workloads": [{"source": 4, "new_tokens": 3}]}
    recovery = {"steps": 3, "distillation": {"encoder_hidden": 0.01, "decoder_hidden": 0.01}}
    base = {"model": str(directory), "output": str(output), "task": {**task, "target_length": 8}, "device": "cpu"}
    asked = {"strategy": strategy, "options": options, "round_to": 4, "recovery": recovery}
    return Recipe.parse({**base, "training": TRAINING, "measure": measure, **asked})


@torch.inference_mode()
def logits(model):
    ids = torch.tensor([[3, 4, 5, 6], [7, 8, 9, 1]])
    return model.eval()(input_ids=ids, decoder_input_ids=ids).logits


def tiered():
    """Every strategy on every family; at every change each on one of them, and each family with some of them."""
    for number, name in enumerate(STRATEGIES):
        for family in FAMILIES:
            first = family == FAMILIES[number % len(FAMILIES)]
            yield pytest.param(name, family, marks=() if first else pytest.mark.full)


@pytest.mark.parametrize(("name", "family"), tiered())
def test_every_strategy_runs_to_the_end(request, pairs, tmp_path, monkeypatch, name, family):
    directory = request.getfixturevalue(f"{family}_directory")
    live = []
    keep = checkpoint.save
    monkeypatch.setattr(checkpoint, "save", lambda model, *rest: (live.append(logits(model)), keep(model, *rest)))
    asked = recipe(directory, pairs, tmp_path / "run", name.split("-")[0], STRATEGIES[name])
    report = run(asked)
    assert report.equivalence.tokens_equal
    assert report.equivalence.max_rel_diff <= 1e-4
    saved = prunekit.from_pretrained(tmp_path / "run/model")
    assert sum(p.numel() for p in saved.parameters()) == report.parameters.pruned < report.parameters.dense
    assert torch.equal(logits(saved), live[0])
    assert report.sparsity.non_embedding >= SPARSITY.get(name, 0)


class Stop(Exception):
    """The power goes."""


def test_learned_maps_survive_an_interruption(t5_directory, pairs, tmp_path):
    """Stopped at step 7, after the checkpoint of step 4, and taken up again: the same plan and weights."""
    options = {**STRATEGIES["cofi"], "encoder_hidden": 0.1, "decoder_hidden": 0.1}

    def until(stage, done, total, figures):
        if stage == "learn" and done == 7:
            raise Stop

    broken = recipe(t5_directory, pairs, tmp_path / "broken", "cofi", options)
    with pytest.raises(Stop):
        run(broken, until)
    run(broken)
    run(recipe(t5_directory, pairs, tmp_path / "whole", "cofi", options))
    one, other = (prunekit.from_pretrained(tmp_path / name / "model").state_dict() for name in ("broken", "whole"))
    assert (tmp_path / "broken/plan.json").read_text() == (tmp_path / "whole/plan.json").read_text()
    assert all(torch.equal(one[name], other[name]) for name in one)
