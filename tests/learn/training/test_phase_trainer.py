"""Phases of training: resumed bit by bit, skipped when finished, and without traces on the model."""

import copy
import dataclasses
import json
import os
import signal

import pytest
import torch
from transformers import TrainerCallback

from prunekit._support.stopping import Stopped
from prunekit.find.groups import Kind
from prunekit.find.plan import PruningPlan
from prunekit.learn.masking.gates import HardConcreteGates, HardGates
from prunekit.learn.training import phase_trainer
from prunekit.learn.training.callbacks import LogCallback
from prunekit.learn.training.distillation import LABELS_ONLY, Distillation
from prunekit.learn.training.phase import TrainingPhase
from prunekit.learn.training.phase_trainer import PhaseTrainer
from prunekit.learn.training.teacher import Teacher

TAUGHT = Distillation(logits=0.5, encoder_hidden=0.1, state_map="learned")


def weights(model):
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


def trainer_of(bench, model, directory, **changes):
    """A trainer as of a process of its own: the teacher's cache is new."""
    training = bench.context.training.model_copy(update=changes)
    log = directory.with_suffix(".log")
    context = dataclasses.replace(bench.context, directory=directory, training=training, log=log)
    teacher = Teacher(bench.teacher.model, bench.teacher.layers)
    return PhaseTrainer(model, bench.groups, context, teacher)


class Stop(Exception):
    """The power goes."""


class LoggedUntil9(LogCallback):
    def on_step_end(self, args, state, control, **_):
        if state.global_step == 9:
            raise Stop


class SignalAt(TrainerCallback):
    def __init__(self, step, number):
        self.step = step
        self.number = number

    def on_step_begin(self, args, state, control, **_):
        if state.global_step + 1 == self.step:
            os.kill(os.getpid(), self.number)


class StopAt(TrainerCallback):
    def __init__(self, step):
        self.step = step

    def on_step_end(self, args, state, control, **_):
        if state.global_step == self.step:
            raise Stop


@pytest.mark.parametrize(
    ("taught", "frozen", "precision"),
    [
        (TAUGHT, (), "fp32"),
        (Distillation(encoder_hidden=0.0), ("encoder",), "bf16"),
        pytest.param(TAUGHT, (), "bf16", marks=pytest.mark.full),
    ],
    ids=["hidden-fp32", "caches-bf16", "hidden-bf16"],
)
def test_an_interrupted_phase_goes_on_to_the_same_weights(
    bench, monkeypatch, tmp_path, caplog, taught, frozen, precision
):
    """Stopped in the third epoch of the second phase, after a checkpoint in the second; dropout is on."""
    phases = [
        TrainingPhase(LABELS_ONLY, steps=3),
        TrainingPhase(taught, steps=11, learning_rate=0.01, frozen_stacks=frozen),
    ]
    whole, broken, resumed = (copy.deepcopy(bench.model) for _ in range(3))
    settings = {"save_every": 6, "dropout": 0.1, "log_every": 1, "precision": precision}
    undisturbed = trainer_of(bench, whole, tmp_path / "whole", **settings)
    for phase in phases:
        undisturbed.train(phase)
    first = trainer_of(bench, broken, tmp_path / "broken", **settings)
    first.train(phases[0])
    kept = phase_trainer.LogCallback
    monkeypatch.setattr(phase_trainer, "LogCallback", LoggedUntil9)
    with pytest.raises(Stop):
        first.train(phases[1])
    monkeypatch.setattr(phase_trainer, "LogCallback", kept)
    assert (tmp_path / "broken/learn-2/checkpoint-6").is_dir()
    second = trainer_of(bench, resumed, tmp_path / "broken", **settings)
    for phase in phases:
        second.train(phase)
    assert same(weights(resumed), weights(whole))
    assert not same(weights(whole), weights(bench.model))
    assert not list((tmp_path / "broken/learn-2").glob("checkpoint-*"))
    assert "missing keys" not in caplog.text, "tied weights are in a checkpoint, once"
    assert lines(tmp_path / "broken.log") == lines(tmp_path / "whole.log")


def test_a_training_that_was_killed_before_its_result_was_written_takes_no_step_more(bench, monkeypatch, tmp_path):
    """Gates learn at a constant rate, so one step more would be seen; it is in the middle of an epoch."""
    group = next(g for g in bench.groups if g.kind is Kind.FFN)
    found = []
    for name in ("whole", "killed"):
        gates = HardConcreteGates([group], [], 0)
        model, other = copy.deepcopy(bench.model), copy.deepcopy(bench.model)
        if name == "killed":
            kept = phase_trainer.save_phase
            monkeypatch.setattr(phase_trainer, "save_phase", lambda *_: 1 / 0)
            phase = TrainingPhase(LABELS_ONLY, HardConcreteGates([group], [], 0), 5, learning_rate=0.01)
            with pytest.raises(ZeroDivisionError):
                trainer_of(bench, other, tmp_path / name, save_every=2, log_every=1).train(phase)
            monkeypatch.setattr(phase_trainer, "save_phase", kept)
        phase = TrainingPhase(LABELS_ONLY, gates, 5, learning_rate=0.01)
        trainer_of(bench, model, tmp_path / name, save_every=2, log_every=1).train(phase)
        found.append({**weights(model), **weights(gates)})
    assert same(*found)
    assert lines(tmp_path / "killed.log") == lines(tmp_path / "whole.log")


def lines(log):
    """The losses that a log tells, in order."""
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    return [(entry["step"], entry["loss"]) for entry in entries if "loss" in entry]


def test_every_training_of_a_process_multiplies_in_its_own_precision(bench, tmp_path):
    """In any order, and the models are afterwards as before: no mark, no wrapper, no other config."""
    types = []
    before = (set(vars(bench.model)), dict(vars(bench.model.config)))
    linear = next(module for module in bench.model.modules() if isinstance(module, torch.nn.Linear))
    linear.register_forward_hook(lambda module, inputs, output: types.append(output.dtype))
    for turn, precision in enumerate(("bf16", "bf16", "fp32", "bf16")):
        trainer_of(bench, bench.model, tmp_path / str(turn), precision=precision).train(TrainingPhase(steps=1))
        trainer_of(bench, bench.model, tmp_path / str(turn), precision=precision).train(TrainingPhase(steps=1))
    assert types == [torch.bfloat16, torch.bfloat16, torch.float32, torch.bfloat16]
    assert (set(vars(bench.model)), dict(vars(bench.model.config))) == before


def test_what_is_drawn_after_a_training_does_not_depend_on_who_trained(bench, tmp_path):
    draws = []
    for _ in range(2):
        trainer_of(bench, bench.model, tmp_path / "work", dropout=0.5).train(TrainingPhase(steps=2))
        draws.append(torch.rand(3).tolist())
    assert draws[0] == draws[1], "the second process reads what the first has trained"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_training_that_is_asked_to_stop_leaves_the_step_that_it_was_at(bench, monkeypatch, tmp_path, number):
    kept = phase_trainer.LogCallback
    monkeypatch.setattr(phase_trainer, "LogCallback", lambda *_: SignalAt(5, number))
    model = copy.deepcopy(bench.model)
    with pytest.raises(Stopped) as stopped:
        trainer_of(bench, model, tmp_path / "work").train(TrainingPhase(steps=9))
    assert stopped.value.signal == number
    assert [path.name for path in (tmp_path / "work/learn-1").glob("checkpoint-*")] == ["checkpoint-5"]
    monkeypatch.setattr(phase_trainer, "LogCallback", kept)
    again, whole = copy.deepcopy(bench.model), copy.deepcopy(bench.model)
    trainer_of(bench, again, tmp_path / "work").train(TrainingPhase(steps=9))
    trainer_of(bench, whole, tmp_path / "whole").train(TrainingPhase(steps=9))
    assert same(weights(again), weights(whole))


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
    bench.trainer.train(TrainingPhase(LABELS_ONLY, gates, 8, learning_rate=0.1))
    changed = (bench.model.get_parameter(rows.parameter) != before).any(dim=1)
    own = changed[: len(group) * rows.span].view(len(group), -1).any(dim=1)
    assert own.tolist() == [n < 3 for n in range(len(group))]
