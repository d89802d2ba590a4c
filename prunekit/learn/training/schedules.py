"""How the learning rate goes over a training: up in the warm-up, then as its schedule says."""

import math
from collections.abc import Callable, Mapping


def linear_schedule(step: int, steps: int, warmup: int) -> float:
    """The share of the learning rate at a step counted from 0: up over `warmup` steps, then down to 0 at `steps`.

    Example: 10 steps with 4 of warm-up have 0.2, 0.4, 0.6, 0.8, 1, 5/6, 4/6, 3/6, 2/6 and 1/6.
    """
    fall = (steps - step) / max(1, steps - warmup)
    return min(_rise(step, warmup), max(0.0, fall))


def cosine_schedule(step: int, steps: int, warmup: int) -> float:
    """Up over `warmup` steps, then down to 0 along half a cosine (Loshchilov and Hutter 2017)."""
    done = min(1.0, max(0.0, (step - warmup) / max(1, steps - warmup)))
    return min(_rise(step, warmup), (1 + math.cos(math.pi * done)) / 2)


def constant_schedule(step: int, steps: int, warmup: int) -> float:
    """Up over `warmup` steps, then as it is."""
    return _rise(step, warmup)


SCHEDULES: Mapping[str, Callable[[int, int, int], float]] = {
    "linear": linear_schedule,
    "cosine": cosine_schedule,
    "constant": constant_schedule,
}
"""Schedules by their names in a recipe: functions of the step, all steps and the steps of warm-up."""


def _rise(step: int, warmup: int) -> float:
    return (step + 1) / (warmup + 1) if step < warmup else 1.0
