"""Where the time of one `generate` goes: encoder, decoder, output projection, and the loop around them."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel

from prunekit._support.frozen import FrozenModel
from prunekit._support.hooks import HookSet
from prunekit.latency.clocks import Clock
from prunekit.latency.workload import generate_fixed
from prunekit.recipe import Workload

BREAKDOWN_RUNS = 3
"""Extra runs for the breakdown, since its hooks would disturb the timed ones."""


class Breakdown(FrozenModel):
    """Where the time of one `generate` goes, as fractions that sum to 1.

    Example: ``encoder=0.09, decoder=0.74, head=0.12, loop=0.05``. `loop` is the rest: choosing tokens, and keeping
    beams and caches.
    """

    encoder: float
    decoder: float
    head: float
    loop: float


def measure_breakdown(
    model: PreTrainedModel, inputs: dict[str, Tensor], workload: Workload, clock: Clock, advance: Callable[[], None]
) -> Breakdown:
    """Fractions from hooks around the two stacks and the output projection; `advance` is called after every run."""
    seconds = section_seconds(model, inputs, workload, BREAKDOWN_RUNS, clock, advance)
    total = sum(seconds.values())
    return Breakdown(**{name: part / total for name, part in seconds.items()})


def section_seconds(
    model: PreTrainedModel,
    inputs: dict[str, Tensor],
    workload: Workload,
    runs: int,
    clock: Clock,
    advance: Callable[[], None] = lambda: None,
) -> dict[str, float]:
    """Seconds in `encoder`, `decoder`, `head` and `loop` of so many generations together."""
    seconds = {"encoder": 0.0, "decoder": 0.0, "head": 0.0}
    whole: Any = model
    parts = (whole.get_encoder(), whole.get_decoder(), whole.get_output_embeddings())
    start = clock().seconds
    with ExitStack() as hooks:
        for name, part in zip(seconds, parts, strict=True):
            if isinstance(part, nn.Module):
                hooks.enter_context(_timed(part, name, seconds, clock))
        for _ in range(runs):
            generate_fixed(model, inputs, workload)
            advance()
    total = clock().seconds - start
    return {**seconds, "loop": total - sum(seconds.values())}


@contextmanager
def _timed(part: nn.Module, name: str, seconds: dict[str, float], clock: Clock) -> Iterator[None]:
    """Add the seconds of every call of `part` to ``seconds[name]``."""
    started: list[float] = []

    def add(*_: object) -> None:
        seconds[name] += clock().seconds - started.pop()

    with HookSet() as hooks:
        hooks.before(part, lambda *_: started.append(clock().seconds))
        hooks.after(part, add)
        yield
