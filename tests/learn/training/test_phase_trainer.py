"""Phases of training: resumed bit by bit, skipped when finished, and without traces on the model."""

import copy
import dataclasses

import pytest
import torch
from transformers import TrainerCallback

from prunekit.find.groups import Kind
from prunekit.find.plan import PruningPlan
from prunekit.learn.masking.gates import HardGates
from prunekit.learn.training import phase_trainer
from prunekit.learn.training.distillation import LABELS_ONLY, Distillation
from prunekit.learn.training.phase import TrainingPhase
from prunekit.learn.training.phase_trainer import PhaseTrainer

TAUGHT = Distillation(logits=0.5, encoder_hidden=0.1, state_map="learned")


def weights(model):
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


def trainer_of(bench, model, directory, **changes):
    training = bench.context.training.model_copy(update=changes)
    context = dataclasses.replace(bench.context, directory=directory, training=training)
    return PhaseTrainer(model, bench.groups, context, bench.teacher)


class Stop(Exception):
    """The power goes."""


class StopAt(TrainerCallback):
    def __init__(self, step):
        self.step = step

    def on_step_end(self, args, state, control, **_):
        if state.global_step == self.step:
            raise Stop


def test_an_interrupted_phase_goes_on_to_the_same_weights(bench, monkeypatch, tmp_path):
    """Stopped at step 5 of the second phase, after a checkpoint at step 4; dropout is on."""
    phases = [TrainingPhase(LABELS_ONLY, steps=3), TrainingPhase(TAUGHT, steps=7, learning_rate=0.01)]
    whole, broken, resumed = (copy.deepcopy(bench.model) for _ in range(3))
    settings = {"save_every": 4, "dropout": 0.1, "log_every": 1}
    undisturbed = trainer_of(bench, whole, tmp_path / "whole", **settings)
    for phase in phases:
        undisturbed.train(phase)
    first = trainer_of(bench, broken, tmp_path / "broken", **settings)
    first.train(phases[0])
    kept = phase_trainer.LogCallback
    monkeypatch.setattr(phase_trainer, "LogCallback", lambda *_: StopAt(5))
    with pytest.raises(Stop):
        first.train(phases[1])
    monkeypatch.setattr(phase_trainer, "LogCallback", kept)
    assert (tmp_path / "broken/learn-2/checkpoint-4").is_dir()
    second = trainer_of(bench, resumed, tmp_path / "broken", **settings)
    for phase in phases:
        second.train(phase)
    assert same(weights(resumed), weights(whole))
    assert not same(weights(whole), weights(bench.model))
    assert [path.name for path in (tmp_path / "broken/learn-2").iterdir()] == ["done.safetensors"]


def test_a_finished_phase_is_read_and_not_repeated(bench, monkeypatch, tmp_path):
    first, again = copy.deepcopy(bench.model), copy.deepcopy(bench.model)
    trainer_of(bench, first, tmp_path / "work").train(TrainingPhase(steps=3))
    monkeypatch.setattr(PhaseTrainer, "fit", None)
    trainer_of(bench, again, tmp_path / "work").train(TrainingPhase(steps=3))
    assert same(weights(again), weights(first))
    assert bench.context.budget.examples == 12  # both are charged: every process counts all trainings


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_a_frozen_encoder_runs_once_for_every_row_and_without_noise(bench, tmp_path, dropout):
    runs = []
    trainer = trainer_of(bench, bench.model, tmp_path / "work", dropout=dropout)
    first = next(m for m in bench.model.get_encoder().modules() if isinstance(m, torch.nn.Embedding))
    first.register_forward_hook(lambda module, *_: runs.append(module.training))
    trainer.train(TrainingPhase(steps=12, frozen_stacks=("encoder",)))
    assert len(runs) == 4  # eight rows, two at a time
    assert runs == [False] * 4


def test_nothing_is_left_on_the_model_even_when_training_fails(bench, monkeypatch):
    model = bench.model
    group = next(g for g in bench.groups if g.kind is Kind.FFN)
    gates = HardGates([group], PruningPlan({group.name: group.ids[:3]}))
    before = (set(model.state_dict()), [p.requires_grad for p in model.parameters()])
    phase = TrainingPhase(TAUGHT, gates, 3, frozen_stacks=("decoder",))
    monkeypatch.setattr(phase_trainer, "LogCallback", lambda *_: StopAt(2))
    with pytest.raises(Stop):
        bench.trainer.train(phase)
    assert (set(model.state_dict()), [p.requires_grad for p in model.parameters()]) == before
    for each in (model, bench.teacher.model):
        assert not any(module._forward_hooks or module._forward_pre_hooks for module in each.modules())
        assert not any("forward" in vars(module) for module in each.modules())


def test_masked_units_learn_nothing(bench):
    """Under hard gates the rows of a masked channel get no gradient, and those of the others do."""
    group = next(g for g in bench.groups if g.kind is Kind.FFN and g.stack == "encoder")
    rows = next(piece for piece in group.slices if piece.dim == 0 and piece.parameter.endswith(".weight"))
    before = bench.model.get_parameter(rows.parameter).detach().clone()
    gates = HardGates([group], PruningPlan({group.name: (0, 1, 2)}))
    bench.trainer.train(TrainingPhase(LABELS_ONLY, gates, 3, learning_rate=0.1))
    changed = (bench.model.get_parameter(rows.parameter) != before).any(dim=1)
    own = changed[: len(group) * rows.span].view(len(group), -1).any(dim=1)
    assert own.tolist() == [n < 3 for n in range(len(group))]
