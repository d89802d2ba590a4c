"""Dev losses while a training runs: the best weights win, patience ends, and nothing else changes."""

import copy
import dataclasses
import json

import pytest
import torch

from prunekit import PrunekitError
from prunekit.learn.training import phase_trainer
from prunekit.learn.training.arguments import training_arguments
from prunekit.learn.training.budget import BudgetTracker
from prunekit.learn.training.callbacks import LogCallback
from prunekit.learn.training.dev_readings import DevMetric
from prunekit.learn.training.distillation import LABELS_ONLY
from prunekit.learn.training.phase import TrainingPhase
from prunekit.learn.training.phase_trainer import PhaseTrainer
from prunekit.learn.training.trainer import PruningTrainer
from prunekit.recipe import Recipe

WILD = {"learning_rate": 0.3, "schedule": "constant", "read_every": 2}
"""So high a rate that the dev loss goes up and down."""


@pytest.fixture
def trained(bench, tmp_path):
    """A copy of the bench's model after some steps, with the trainer's directory and budget."""

    def train(name, steps=12, model=None, metric=None, **training):
        changed = bench.context.training.model_copy(update={**WILD, **training})
        context = dataclasses.replace(
            bench.context,
            training=changed,
            directory=tmp_path / name,
            log=tmp_path / f"{name}.log",
            budget=BudgetTracker(),
        )
        own = copy.deepcopy(bench.model) if model is None else model
        trainer = PhaseTrainer(own, bench.groups, context, metric=metric)
        trainer.train(TrainingPhase(steps=steps))
        return own, tmp_path / name / "learn-1", context.budget

    return train


def readings(directory):
    return json.loads((directory / "readings.json").read_text())


def same(one, other):
    pairs = zip(one.state_dict().items(), other.state_dict().items(), strict=True)
    return all(name == name_too and torch.equal(value, value_too) for (name, value), (name_too, value_too) in pairs)


def test_the_weights_of_the_best_reading_win(trained, monkeypatch):
    """Of six readings the second one is the best: what the model was then is what it is at the end."""
    losses = iter([0.9, 0.2, 0.7, 0.8, 0.3, 0.5])
    seen = []

    def read(model, batches):
        seen.append(copy.deepcopy(model.state_dict()))
        return next(losses)

    monkeypatch.setattr(phase_trainer, "mean_loss", read)
    model, directory, _ = trained("best", keep_best=True)
    assert [step for step, _ in readings(directory)] == [2, 4, 6, 8, 10, 12]
    found = model.state_dict()
    assert all(torch.equal(value, seen[1][name]) for name, value in found.items())
    assert not all(torch.equal(value, seen[5][name]) for name, value in found.items())
    assert not list(directory.glob("best*"))


def test_a_reading_is_the_dev_loss_and_disturbs_nothing(trained, bench, loss_by_hand, tmp_path):
    read, directory, _ = trained("read", steps=5)
    plain, _, _ = trained("plain", steps=5, read_every=None)
    assert same(read, plain)
    assert readings(directory)[-1] == [5, pytest.approx(loss_by_hand(read, bench.context.dev), rel=1e-4)]
    logged = [json.loads(line) for line in (tmp_path / "read.log").read_text().split("\n") if "eval_loss" in line]
    assert [(line["step"], line["eval_loss"]) for line in logged] == [tuple(each) for each in readings(directory)]


def test_patience_ends_a_training_and_gives_back_what_it_did_not_need(trained, bench):
    _, directory, budget = trained("patient", steps=60, patience=2)
    losses = [loss for _, loss in readings(directory)]
    best = losses.index(min(losses))
    last = readings(directory)[-1][0]
    assert len(losses) - 1 - best == 2
    assert last < 60
    assert budget.examples == bench.context.step_counter.examples(last)


def test_a_kill_after_patience_has_ended_a_training_does_not_let_it_go_on(trained, monkeypatch):
    """A checkpoint of the last step would know nothing of that: a training that resumes there makes more of them."""
    asked = {"patience": 2, "save_every": 2, "keep_best": True, "steps": 60}
    straight, directory, _ = trained("straight", **asked)

    def kill(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(phase_trainer, "save_phase", kill)
    with pytest.raises(KeyboardInterrupt):
        trained("killed", **asked)
    monkeypatch.undo()
    resumed, other, _ = trained("killed", **asked)
    assert readings(other) == readings(directory)
    assert same(resumed, straight)


def first_weight(model):
    """Goes up and down at so high a rate, and draws a number, as a generation that samples does."""
    torch.rand(1)
    return float(next(model.parameters()).detach().flatten()[0])


@pytest.mark.parametrize(("higher", "best"), [(True, 2), (False, 1)])
def test_the_metric_decides_where_the_recipe_says_so(trained, tmp_path, higher, best):
    """The third of six readings is the highest, the second the lowest."""
    scores = iter([0.3, 0.1, 0.9, 0.8, 0.9, 0.5])
    seen = []

    def score(model):
        seen.append(copy.deepcopy(model.state_dict()))
        return next(scores)

    model, directory, _ = trained("best", metric=DevMetric(score, higher), keep_best=True, best_by="metric")
    assert [figure for _, figure in readings(directory)] == [0.3, 0.1, 0.9, 0.8, 0.9, 0.5]
    found = model.state_dict()
    assert all(torch.equal(value, seen[best][name]) for name, value in found.items())
    lines = [json.loads(line) for line in (tmp_path / "best.log").read_text().splitlines() if "eval_loss" in line]
    assert [line["eval_metric"] for line in lines] == [0.3, 0.1, 0.9, 0.8, 0.9, 0.5]


def test_reading_the_metric_disturbs_nothing(trained):
    by_metric, _, _ = trained("read", steps=5, metric=DevMetric(first_weight), patience=9, best_by="metric")
    plain, _, _ = trained("plain", steps=5, read_every=None)
    assert same(by_metric, plain)


@pytest.mark.parametrize("by", ["loss", "metric"])
def test_a_killed_training_ends_with_the_same_weights_and_readings(trained, bench, monkeypatch, by):
    asked = {"metric": DevMetric(first_weight), "best_by": by, "keep_best": True, "patience": 4, "save_every": 3}
    straight, directory, _ = trained("straight", **asked)

    class Power(Exception):
        pass

    class LoggedUntil7(LogCallback):
        def on_step_end(self, args, state, control, **_):
            if state.global_step == 7:
                raise Power

    monkeypatch.setattr(phase_trainer, "LogCallback", LoggedUntil7)
    with pytest.raises(Power):
        trained("killed", **asked)
    monkeypatch.undo()
    resumed, other, _ = trained("killed", **asked)
    assert readings(other) == readings(directory)
    assert same(resumed, straight)


@pytest.mark.parametrize("training", [{"workers": 1}, {"gradient_checkpointing": True}])
def test_how_rows_and_activations_come_changes_nothing(trained, training):
    plain, _, _ = trained("plain", steps=4, learning_rate=1e-3)
    model, _, _ = trained("other", steps=4, learning_rate=1e-3, **training)
    for one, other in zip(plain.parameters(), model.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-5)
    assert not any(getattr(module, "gradient_checkpointing", False) for module in model.modules())


def test_matrices_decay_and_vectors_do_not(trained, bench):
    """By a rate so small that gradients move nothing: what is left is ``(1 - rate * decay) ** steps``."""
    model, _, _ = trained("decayed", steps=3, learning_rate=1e-7, weight_decay=1e5, read_every=None)
    before = dict(bench.model.named_parameters())
    for name, weight in model.named_parameters():
        if weight.numel():
            kept = (1 - 1e-7 * 1e5) ** 3 if weight.ndim > 1 else 1.0
            assert torch.allclose(weight, kept * before[name], atol=1e-5), name


def test_smoothed_labels_spread_their_probability(bench, tmp_path):
    """Szegedy et al. 2016: the cross-entropy with a mix of the label and all tokens alike."""
    training = bench.context.training.model_copy(update={"label_smoothing": 0.4})
    arguments = training_arguments(training, tmp_path, 1, 1e-3, 0, "cpu")
    trainer = PruningTrainer(bench.model, arguments, training, LABELS_ONLY, train_dataset=bench.context.train)
    batch = bench.context.dev_batches(bench.model)[0]
    found = float(trainer.compute_loss(bench.model.train(False), dict(batch)))
    trainer.release()
    batch.pop("index")
    with torch.no_grad():
        chances = bench.model(**batch, use_cache=False).logits.log_softmax(-1)
    real = batch["labels"] != -100
    right = chances.gather(-1, batch["labels"].clamp(min=0)[..., None])[..., 0]
    assert found == pytest.approx(float(-(0.6 * right + 0.4 * chances.mean(-1))[real].mean()), rel=1e-4)


def test_keeping_without_reading_is_refused():
    with pytest.raises(PrunekitError, match="set read_every too"):
        Recipe.parse({"training": {"keep_best": True}})
    with pytest.raises(PrunekitError, match="set one of them too"):
        Recipe.parse({"training": {"best_by": "metric", "read_every": 2}})
