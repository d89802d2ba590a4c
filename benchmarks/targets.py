"""Speed as the target: what is chosen for 2, 3 and 4 times the speed, how fast it is, and what a step less would be.

    OMP_NUM_THREADS=1 python benchmarks/targets.py --write docs/results.md

The built-in example (batch 1, 9 tokens in and out) and a T5-base with random weights (batch 1, 128 in, 32 out). A step
less is a decoder layer more, or 5% less off the encoder. What was chosen and its neighbours are then timed anew, all in
turns with the dense model, in CPU seconds on one thread; ± is the standard error.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from cases import T5_BASE, one_thread, publish, script
from transformers import PreTrainedModel, T5Config

from prunekit import Adapter, discover
from prunekit.cut.surgery import cut_copy
from prunekit.data.g2p import MODEL
from prunekit.errors import PrunekitError
from prunekit.latency.calibration import calibrate
from prunekit.latency.shapes import STEP, Shape, Shapes
from prunekit.latency.speed_target import search_shape
from prunekit.latency.timing import speedups
from prunekit.loading.pretrained import open_config, open_model
from prunekit.recipe import Workload
from prunekit.report.formatting import factor
from prunekit_adapters.t5 import T5

TARGETS = (2.0, 3.0, 4.0)


@dataclass(frozen=True)
class Choice:
    """What is measured: a shape that was chosen for a target, or one that is a step short of it."""

    target: float
    what: str
    shape: Shape


def choices(shapes: Shapes, measured: Callable[[Shape], float]) -> Iterator[Choice]:
    """The shape for every target, with its neighbours; targets out of reach are printed."""
    for target in TARGETS:
        try:
            chosen, _ = search_shape(shapes, target, measured)
        except PrunekitError as sentence:
            print(sentence)
            continue
        yield Choice(target, "chosen", chosen)
        if chosen.decoder_layers < shapes.depths[0]:
            yield Choice(target, "a layer more", shapes.shape(chosen.decoder_layers + 1, chosen.encoder_sparsity))
        if chosen.encoder_sparsity:
            less = round(chosen.encoder_sparsity - STEP, 2)
            yield Choice(target, "less off the encoder", shapes.shape(chosen.decoder_layers, less))


def rows(name: str, model: PreTrainedModel, adapter: Adapter, workload: Workload, repeats: int) -> Iterator[str]:
    """The table's rows for one model."""
    graph = discover(adapter, model.config, model)

    def measured(shape: Shape) -> float:
        small = {"pruned": cut_copy(model, shape.plan, adapter, graph)}
        return speedups(model, small, workload, repeats, 1)["pruned"].speedup

    asked = list(choices(Shapes(calibrate(model, adapter, graph, workload), graph), measured))
    cut = {str(n): cut_copy(model, one.shape.plan, adapter, graph) for n, one in enumerate(asked)}
    found = speedups(model, cut, workload, repeats, 1)
    for n, one in enumerate(asked):
        shape = one.shape
        ratio = found[str(n)]
        yield (
            f"| {name} | {one.target:g}x | {one.what} | {shape.decoder_layers} | {shape.encoder_sparsity:.0%} "
            f"| {shape.parameters:,} | {factor(shape.speedup)} | {factor(ratio.speedup, ratio.error)} "
            f"| {ratio.speedup / one.target:.2f} |"
        )


def main() -> None:
    """Print the table, and write it between its markers."""
    asked = script(__doc__, repeats=7).parse_args()
    one_thread()
    adapter = T5()
    torch.manual_seed(0)
    small = open_model(MODEL, open_config(MODEL), adapter, torch.float32, "cpu").eval()
    base = adapter.fresh(T5Config(**T5_BASE)).eval()
    head = ("model", "target", "shape", "decoder layers", "off the encoder", "parameters", "predicted", "measured")
    lines = [f"| {' | '.join(head)} | of the target |", f"|{'---|' * 3}{'---:|' * 6}"]
    lines += rows("built-in example", small, adapter, Workload(batch=1, source=9, new_tokens=9), asked.repeats)
    lines += rows("T5-base", base, adapter, Workload(batch=1, source=128, new_tokens=32), asked.repeats)
    publish(lines, "targets", asked.write)


if __name__ == "__main__":
    main()
