"""The precision of a run's trainings: measured once where the recipe leaves it open, before the first of them."""

import logging
from dataclasses import replace
from typing import Any

from prunekit.learn.bench import Bench
from prunekit.learn.training.optimizer import separate_matrices
from prunekit.learn.training.phase import TrainingPhase
from prunekit.learn.training.precision import fastest_precision, precision_costs
from prunekit.learn.training.stacked_muon import faster_precision
from prunekit.pipeline.state import RunState

log = logging.getLogger(__name__)


def settle_precision(state: RunState) -> RunState:
    """The state whose recipe names the fastest precision for its live model, if it trains at all and asks for ``auto``.

    Likewise for the iterations of Muon. Every training of the run takes it, also in a process that resumes the run.
    """
    training = state.recipe.training
    if not trains(state):
        return state
    found = {}
    if training.precision == "auto":
        found["precision"] = state.directory.once("precision", lambda: measure_precision(state))["precision"]
    if training.optimizer == "muon" and training.muon_precision == "auto":
        found["muon_precision"] = state.directory.once("muon_precision", lambda: _faster_for_muon(state))
    return _with_training(state, found) if found else state


def _with_training(state: RunState, found: dict[str, str]) -> RunState:
    training = state.recipe.training.model_copy(update=found)
    recipe = state.recipe.model_copy(update={"training": training})
    data = replace(state.data, training=replace(state.data.training, training=training))
    return replace(state, recipe=recipe, data=data)


def _faster_for_muon(state: RunState) -> str:
    matrices, _ = separate_matrices(state.pruned.model)
    return faster_precision(matrices, state.pruned.device)


def trains(state: RunState) -> bool:
    """Whether any training lies ahead: the teacher's, the strategy's, recovery."""
    return bool(state.recipe.budget.limited or state.named_steps)


def measure_precision(state: RunState) -> dict[str, Any]:
    """The precision, and the seconds of a step in each that was tried."""
    trainer = Bench(state.pruned.model, state.data.training, lambda _: 0.0, state.groups).trainer
    costs = precision_costs(trainer, TrainingPhase())
    chosen = fastest_precision(costs)
    if costs:
        timed = ", ".join(f"{precision} {seconds:.3g} s" for precision, seconds in costs.items())
        log.info("Trainings take the precision %s, by the time of a step: %s.", chosen, timed)
    return {"precision": chosen, "seconds": costs}
