"""Stages of one training: what is frozen when, one schedule, one optimizer, and the same end wherever it is killed."""

import copy
import dataclasses
import json
import logging

import pytest
import torch
from transformers import TrainerCallback

from prunekit.learn.training import phase_trainer
from prunekit.learn.training.callbacks import LogCallback
from prunekit.learn.training.distillation import LABELS_ONLY, Distillation
from prunekit.learn.training.phase import TrainingPhase, TrainingStage
from prunekit.learn.training.phase_trainer import PhaseTrainer
from prunekit.learn.training.schedules import linear_schedule
from prunekit.learn.training.teacher import Teacher

RATE = 0.01
FROZEN = ("encoder",)
THAWED_AT = 6
STAGES = (TrainingStage(THAWED_AT, FROZEN), TrainingStage(5, rate=0.25))
BACK_AND_FORTH = (
    TrainingStage(5, ("encoder", "embedding")),
    TrainingStage(3, ("decoder",)),
    TrainingStage(5, FROZEN, rate=0.5),
)
"""Eight rows in batches of two are four steps an epoch: the states of the first stage are complete, and wrong later."""


@pytest.fixture
def every(case):
    """The family that all tests here train: stages are the same for every other."""
    return case("t5")


def weights(model):
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


def trainer_of(bench, model, directory, **changes):
    """A trainer as of a process of its own: the teacher's cache is new."""
    training = bench.context.training.model_copy(update={"dropout": 0.1, "log_every": 1, **changes})
    log = directory.with_suffix(".log")
    context = dataclasses.replace(bench.context, directory=directory, training=training, log=log)
    return PhaseTrainer(model, bench.groups, context, Teacher(bench.teacher.model, bench.teacher.layers))


def phase_of(stages, distillation=LABELS_ONLY):
    return TrainingPhase.in_stages(stages, distillation, RATE)


def trained(bench, directory, phase, **changes):
    model = copy.deepcopy(bench.model)
    trainer_of(bench, model, directory, **changes).train(phase)
    return weights(model)


class Stop(Exception):
    """The power goes."""


def stopping_at(step):
    class Stopping(LogCallback):
        def on_step_end(self, args, state, control, **_):
            if state.global_step == step:
                raise Stop

    return Stopping


def killed(bench, monkeypatch, directory, phase, step, **changes):
    """Train until the process ends right after a step, before a checkpoint there is whole."""
    with monkeypatch.context() as patch:
        patch.setattr(phase_trainer, "LogCallback", stopping_at(step))
        with pytest.raises(Stop):
            trained(bench, directory, phase, **changes)


@pytest.mark.parametrize("optimizer", [pytest.param("adamw", marks=pytest.mark.full), "muon"])
def test_a_training_killed_in_any_stage_ends_with_the_same_weights(bench, monkeypatch, tmp_path, optimizer):
    """Killed once in every stage, before its end and at it; a border is crossed after a checkpoint and behind it."""
    taught = phase_of(BACK_AND_FORTH, Distillation(logits=0.5, encoder_hidden=0.0))
    settings = {"save_every": 2, "optimizer": optimizer, "weight_decay": 0.1}
    whole = trained(bench, tmp_path / "whole", taught, **settings)
    for step in (5, 8, 12):
        killed(bench, monkeypatch, tmp_path / "broken", taught, step, **settings)
    assert same(trained(bench, tmp_path / "broken", taught, **settings), whole)
    assert logged(tmp_path / "broken.log", "loss") == logged(tmp_path / "whole.log", "loss")


def logged(log, name):
    """A figure by step."""
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    return {entry["step"]: entry[name] for entry in entries if name in entry}


class Watch(TrainerCallback):
    """Copies the weights before some steps."""

    seen = {}

    def on_step_begin(self, args, state, control, **rest):
        self.seen[state.global_step] = weights(rest["model"])


def test_what_is_frozen_stays_until_its_stage_ends(bench, monkeypatch, tmp_path):
    watch = Watch()
    before = weights(bench.model)
    monkeypatch.setattr(phase_trainer, "LogCallback", lambda *_: watch)
    after = trained(bench, tmp_path / "work", phase_of(STAGES))
    encoder = bench.model.get_encoder()
    tables = {id(bench.model.get_input_embeddings().weight)}
    inside = {id(p) for p in encoder.parameters()} - tables
    held = {name for name, p in bench.model.named_parameters() if id(p) in inside and p.numel()}
    free = {name for name, p in bench.model.named_parameters() if id(p) not in inside and p.numel()}
    border = watch.seen[THAWED_AT]
    assert held
    assert all(torch.equal(border[name], before[name]) for name in held)
    assert all(not torch.equal(after[name], before[name]) for name in held)
    assert all(not torch.equal(border[name], before[name]) for name in free)
    assert all(not torch.equal(after[name], border[name]) for name in free)


def test_stages_that_freeze_the_same_are_one_training(bench, tmp_path):
    one = trained(bench, tmp_path / "one", TrainingPhase(LABELS_ONLY, None, 11, RATE, FROZEN), optimizer="muon")
    stages = (TrainingStage(4, FROZEN), TrainingStage(0), TrainingStage(7, FROZEN))
    assert same(trained(bench, tmp_path / "two", phase_of(stages), optimizer="muon"), one)


def test_one_schedule_spans_all_stages(bench, tmp_path):
    """Warm-up and decay are those of eleven steps; in the second stage the rate is a quarter of theirs."""
    trained(bench, tmp_path / "work", phase_of(STAGES), warmup=0.3)
    rates = logged(tmp_path / "work.log", "learning_rate")
    assert set(rates) == set(range(1, 12))
    for step, rate in rates.items():
        scheduled = RATE * linear_schedule(step - 1, 11, 4)
        assert rate == pytest.approx(scheduled * (1.0 if step <= THAWED_AT else 0.25))


def by_hand(model, batches, new_optimizer_at=None):
    """Six steps of AdamW without the encoder and five of a quarter of the rate with it, on copies of the batches."""
    model = copy.deepcopy(model).train(False)
    own = {id(p) for p in model.get_encoder().parameters()} - {id(model.get_input_embeddings().weight)}
    optimizer = None
    for step, batch in enumerate(map(dict, batches)):
        if optimizer is None or step == new_optimizer_at:
            optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.0)
        for group in optimizer.param_groups:
            group["lr"] = RATE * linear_schedule(step, 11, 0) * (1.0 if step < THAWED_AT else 0.25)
        states = model.get_encoder()(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
        if step < THAWED_AT:
            states.last_hidden_state = states.last_hidden_state.detach()
        del batch["input_ids"]
        model(encoder_outputs=states, **batch).loss.backward()
        for parameter in model.parameters() if step < THAWED_AT else ():
            parameter.grad = None if id(parameter) in own else parameter.grad
        optimizer.step()
        optimizer.zero_grad()
    return weights(model)


def test_weights_that_train_in_both_stages_go_on_with_what_the_optimizer_knows(bench, tmp_path):
    """As a loop by hand with one optimizer does; without caching, which would answer from before tied weights moved."""
    batches = []
    hook = bench.model.register_forward_pre_hook(lambda _, __, batch: batches.append(dict(batch)), with_kwargs=True)
    settings = {"dropout": 0.0, "clip": 1e9, "encoder_cache": 0.0}
    found = trained(bench, tmp_path / "work", phase_of(STAGES), **settings)
    hook.remove()
    assert len(batches) == 11
    expected = by_hand(bench.model, batches)
    restarted = by_hand(bench.model, batches, new_optimizer_at=THAWED_AT)
    table = next(name for name in expected if name.startswith("shared"))
    moved = {name: (value - bench.model.state_dict()[name]).norm() for name, value in expected.items()}
    off = {name: float((found[name] - value).norm() / moved[name]) for name, value in expected.items() if moved[name]}
    assert max(off.values()) < 0.01
    assert float((restarted[table] - found[table]).norm() / moved[table]) > 0.04


def test_a_frozen_encoder_runs_once_for_every_row_of_each_time_that_it_is_frozen(bench, tmp_path):
    """Four batches while it is frozen first, each of three steps while it trains, four when it is frozen again."""
    runs = []
    first = next(m for m in bench.model.get_encoder().modules() if isinstance(m, torch.nn.Embedding))
    first.register_forward_hook(lambda module, *_: runs.append(module.training))
    stages = (TrainingStage(9, FROZEN), TrainingStage(3), TrainingStage(5, FROZEN), TrainingStage(6, FROZEN))
    trainer_of(bench, bench.model, tmp_path / "work").train(phase_of(stages))
    assert runs == [False] * 4 + [True] * 3 + [False] * 4


@pytest.mark.parametrize(("limit", "most", "sentences"), [(0.0, 9, 0), (1e-9, 9, 1), (2.0, 4, 0)])
def test_beyond_the_limit_the_encoder_runs_again_and_that_is_told_once(bench, tmp_path, caplog, limit, most, sentences):
    count = []
    first = next(m for m in bench.model.get_encoder().modules() if isinstance(m, torch.nn.Embedding))
    first.register_forward_hook(lambda *_: count.append(1))
    with caplog.at_level(logging.WARNING, logger="prunekit"):
        trainer_of(bench, bench.model, tmp_path / "work", encoder_cache=limit).train(
            phase_of((TrainingStage(9, FROZEN),))
        )
    assert (most > 4) + 4 <= len(count) <= most
    told = [record.message for record in caplog.records if "training.encoder_cache" in record.message]
    assert len(told) == sentences


def test_everything_trains_again_afterwards_even_when_training_fails(bench, monkeypatch, tmp_path):
    killed(bench, monkeypatch, tmp_path / "broken", phase_of(STAGES), 3)
    model = bench.model
    monkeypatch.setattr(phase_trainer, "LogCallback", stopping_at(3))
    with pytest.raises(Stop):
        trainer_of(bench, model, tmp_path / "other").train(phase_of(STAGES))
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert not any("forward" in vars(module) for module in model.modules())
