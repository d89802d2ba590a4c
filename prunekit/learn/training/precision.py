"""The precision in which trainings multiply: what the hardware has, and which is the fastest here."""

from dataclasses import replace
from typing import Any

import torch

from prunekit.errors import PrunekitError
from prunekit.learn.training.phase import TrainingPhase
from prunekit.learn.training.phase_trainer import PhaseTrainer
from prunekit.learn.training.step_cost import time_steps

FULL = "fp32"

GAIN = 0.9
"""A lower precision is taken if its steps take less than this share of the time; else its rounding is for nothing."""

STEPS = 3
"""Steps that are timed in each precision and round."""

ROUNDS = 2
"""Precisions take turns, since the speed of a machine drifts; the better round of each counts."""

BF16_CAPABILITY = (8, 0)
"""From Ampere on, NVIDIA's GPUs multiply bfloat16; older ones emulate it, far slower than float32."""

FP16_CAPABILITY = (7, 0)
"""From Volta on they multiply float16 in tensor cores."""


def check_precision(precision: str, device: str) -> None:
    """Raise `PrunekitError` for a precision in which nothing can be trained on a device."""
    if precision == "fp16" and torch.device(device).type == "cpu":
        raise PrunekitError(
            "training.precision=fp16 needs a GPU, and this run trains on the CPU; choose bf16, fp32, or auto, which "
            "takes the fastest."
        )


def lower_precisions(device: str) -> tuple[str, ...]:
    """The precisions below float32 that a device itself multiplies, of two of 16 bit the one with the wider range.

    Example: ``("bf16",)`` for an A100 and for a CPU with AMX, ``("fp16",)`` for a T4, none for older ones.
    """
    kind = torch.device(device).type
    if kind == "cpu":
        return ("bf16",) if _cpu_has_bf16() else ()
    if kind != "cuda":
        return ()
    if torch.version.hip is not None:
        return ("bf16",) if torch.cuda.is_bf16_supported(including_emulation=False) else ("fp16",)
    capability = torch.cuda.get_device_capability(torch.device(device))
    if capability >= BF16_CAPABILITY:
        return ("bf16",)
    return ("fp16",) if capability >= FP16_CAPABILITY else ()


def _cpu_has_bf16() -> bool:
    """Whether the processor multiplies bfloat16: AVX512-BF16 or AMX of x86, BF16 of ARM."""
    known: Any = torch.cpu
    if not hasattr(known, "get_capabilities"):  # as in torch 2.10
        return bool(known._is_avx512_bf16_supported() or known._is_amx_tile_supported())
    capabilities = known.get_capabilities()
    return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "amx_tile", "bf16"))


def precision_costs(trainer: PhaseTrainer, phase: TrainingPhase) -> dict[str, float]:
    """Seconds of a training step in float32 and in every precision that the device multiplies, on copies of the model.

    A precision in which the loss is no number is left out. On a CPU these are CPU seconds.
    """
    costs: dict[str, float] = {}
    precisions = (*lower_precisions(trainer.context.device), FULL)
    for precision in precisions * ROUNDS if len(precisions) > 1 else ():
        try:
            seconds = time_steps(_in_precision(trainer, precision), phase, STEPS).fresh
        except PrunekitError:  # it diverges at once: the range of float16 is too small for some models
            continue
        costs[precision] = min(seconds, costs.get(precision, seconds))
    return costs


def fastest_precision(costs: dict[str, float]) -> str:
    """The precision of the lowest cost; float32 unless another gains a tenth, and where nothing was timed."""
    best = min(costs, key=lambda precision: costs[precision], default=FULL)
    return best if costs and costs[best] < GAIN * costs.get(FULL, costs[best]) else FULL


def _in_precision(trainer: PhaseTrainer, precision: str) -> PhaseTrainer:
    training = trainer.context.training.model_copy(update={"precision": precision})
    context = replace(trainer.context, training=training)
    return PhaseTrainer(trainer.model, trainer.groups, context, trainer.teacher, trainer.name)
