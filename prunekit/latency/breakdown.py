"""Where the time of one `generate` goes: encoder, decoder, output projection, and the loop around them."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel

from prunekit._support.hooks import HookSet
from prunekit.latency.clocks import Clock
from prunekit.latency.workload import generate_fixed
from prunekit.recipe import Workload

SPLIT_RUNS = 3
"""Extra runs behind the split; their hooks would disturb the timed ones."""


@dataclass(frozen=True)
class Breakdown:
    """Where the time of one `generate` goes, as fractions that sum to 1.

    Example: ``Breakdown(0.09, 0.74, 0.12, 0.05)``. `loop` is the rest: choosing tokens, keeping beams and caches.
    """

    encoder: float
    decoder: float
    head: float
    loop: float


def measure_breakdown(
    model: PreTrainedModel, inputs: dict[str, Tensor], workload: Workload, clock: Clock, advance: Callable[[], None]
) -> Breakdown:
    """Fractions from hooks around the two stacks and the output projection."""
    spent = model_sections(model, inputs, workload, SPLIT_RUNS, clock, advance)
    total = sum(spent.values())
    return Breakdown(**{name: seconds / total for name, seconds in spent.items()})


def model_sections(
    model: PreTrainedModel,
    inputs: dict[str, Tensor],
    workload: Workload,
    runs: int,
    clock: Clock,
    advance: Callable[[], None] = lambda: None,
) -> dict[str, float]:
    """Seconds in `encoder`, `decoder`, `head` and `loop` of so many generations together."""
    spent = {"encoder": 0.0, "decoder": 0.0, "head": 0.0}
    whole: Any = model
    parts = (whole.get_encoder(), whole.get_decoder(), whole.get_output_embeddings())
    start = clock().seconds
    with ExitStack() as hooks:
        for name, part in zip(spent, parts, strict=True):
            if isinstance(part, nn.Module):
                hooks.enter_context(_timed(part, name, spent, clock))
        for _ in range(runs):
            generate_fixed(model, inputs, workload)
            advance()
    total = clock().seconds - start
    return {**spent, "loop": total - sum(spent.values())}


@contextmanager
def _timed(part: nn.Module, name: str, spent: dict[str, float], clock: Clock) -> Iterator[None]:
    """Add the seconds of every call of `part` to ``spent[name]``."""
    started: list[float] = []

    def add(*_: object) -> None:
        spent[name] += clock().seconds - started.pop()

    with HookSet() as hooks:
        hooks.before(part, lambda *_: started.append(clock().seconds))
        hooks.after(part, add)
        yield
