"""How well speed is predicted: against measured speed, on grids of shapes that the cost model has never seen.

    OMP_NUM_THREADS=1 python benchmarks/cost_model.py --write docs/results.md
    OMP_NUM_THREADS=1 python benchmarks/cost_model.py --family t5-base --batch 1 --source 128 --beams 1 --whole

Random weights; every family's decoder at several depths, its encoder at several widths. The grid is dealt out to the
workloads, so that each shape is timed on one of them; `--whole` times all of it on each. Shapes are interleaved with
the dense model; CPU seconds for a whole generation of sixteen tokens, on one thread. Noise is the standard error of the
measured speed.
"""

import argparse
import copy
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import torch
from cases import T5_BASE, one_thread, publish, script
from transformers import BartConfig, MT5Config, PretrainedConfig, PreTrainedModel, T5Config, WhisperConfig

from prunekit import Adapter, discover
from prunekit.cut.surgery import cut_copy
from prunekit.find.graph import DependencyGraph
from prunekit.latency.calibration import calibrate
from prunekit.latency.shapes import Shapes
from prunekit.latency.timing import speedups
from prunekit.latency.workload import example_input_maker
from prunekit.recipe import Workload
from prunekit_adapters.bart import Bart
from prunekit_adapters.mt5 import MT5
from prunekit_adapters.t5 import T5
from prunekit_adapters.whisper import Whisper

KEEP = (1.0, 0.8, 0.6, 0.4, 0.3)
TOKENS = 16

Cell = tuple[int, float]
"""Decoder layers, and the share of the encoder that is kept."""


@dataclass(frozen=True)
class Family:
    """A shape that users have, at random weights."""

    adapter: Adapter
    config: PretrainedConfig
    depths: tuple[int, ...]


def families() -> dict[str, Family]:
    """The four of the suite."""
    mt5 = MT5Config(decoder_start_token_id=0)
    whisper = WhisperConfig(
        d_model=512,
        encoder_layers=6,
        decoder_layers=6,
        encoder_attention_heads=8,
        decoder_attention_heads=8,
        encoder_ffn_dim=2048,
        decoder_ffn_dim=2048,
    )
    bart = BartConfig(
        d_model=768,
        encoder_layers=6,
        decoder_layers=6,
        encoder_attention_heads=12,
        decoder_attention_heads=12,
        encoder_ffn_dim=3072,
        decoder_ffn_dim=3072,
        forced_eos_token_id=None,
    )
    return {
        "t5-base": Family(T5(), T5Config(**T5_BASE), (12, 6, 4, 3, 2, 1)),
        "bart-base": Family(Bart(), bart, (6, 5, 4, 3, 2, 1)),
        "mt5-small": Family(MT5(), mt5, (8, 6, 4, 3, 2, 1)),
        "whisper-base": Family(Whisper(), whisper, (6, 5, 4, 3, 2, 1)),
    }


@dataclass(frozen=True)
class Found:
    """A workload's share of a grid: relative errors of the predicted speed-ups, and of the measured ones."""

    family: str
    workload: Workload
    seconds: float
    errors: tuple[float, ...]
    noise: tuple[float, ...]

    def row(self) -> str:
        """A row of the table."""
        work = self.workload
        shapes = len(self.errors)
        worst = max(self.errors, key=abs)
        return (
            f"| {self.family} | {work.batch} | {work.source} | {work.beams} | {shapes} | {self.seconds:.0f} s "
            f"| {median(self.errors):.1%} | {worst:+.1%} | {median(self.noise):.1%} | {max(self.noise):.1%} |"
        )


def median(values: Sequence[float]) -> float:
    """Of the absolute values."""
    return statistics.median(map(abs, values))


def measured(
    model: PreTrainedModel, name: str, graph: DependencyGraph, workload: Workload, asked: Sequence[Cell], repeats: int
) -> Found:
    """Calibrate, predict the shapes, and time them interleaved with the dense model."""
    adapter = families()[name].adapter
    sources = example_input_maker(adapter)
    start = time.process_time()
    shapes = Shapes(calibrate(model, adapter, graph, workload, repeats, sources=sources), graph)
    seconds = time.process_time() - start
    found = {f"{depth}/{keep}": shapes.shape(depth, round(1 - keep, 2)) for depth, keep in asked}
    models = {spelled: cut_copy(model, shape.plan, adapter, graph) for spelled, shape in found.items()}
    ratios = speedups(model, models, workload, repeats, 1, sources=sources)
    errors = {spelled: shape.speedup / ratios[spelled].speedup - 1 for spelled, shape in found.items()}
    noise = {spelled: (ratio.error or 0.0) / ratio.speedup for spelled, ratio in ratios.items()}
    for spelled, shape in found.items():
        print(
            f"  {spelled:8} predicted {shape.speedup:.2f}  measured {ratios[spelled].speedup:.2f} ± "
            f"{noise[spelled]:.1%}  error {errors[spelled]:+.1%}",
            flush=True,
        )
    return Found(name, workload, seconds, tuple(errors.values()), tuple(noise.values()))


def grid(name: str, args: argparse.Namespace) -> Iterator[Found]:
    """A family on every workload that was asked for."""
    family = families()[name]
    torch.manual_seed(0)
    model = family.adapter.fresh(copy.deepcopy(family.config)).eval()
    graph = discover(family.adapter, family.config, model)
    sources = args.source if model.main_input_name == "input_ids" else args.source[:1]  # audio always has one length
    works = [
        Workload(batch=batch, source=source, new_tokens=TOKENS, beams=beams)
        for batch, source, beams in product(args.batch, sources, args.beams)
    ]
    cells = list(product(family.depths, KEEP))[1:]  # the first is the dense model
    for at, workload in enumerate(works):
        print(f"{name}, {workload.spelled}", flush=True)
        share = cells if args.whole else cells[at :: len(works)]
        yield measured(model, name, graph, workload, share, args.repeats)


def table(found: list[Found]) -> list[str]:
    """A family's, in Markdown."""
    head = (
        "family",
        "batch",
        "source",
        "beams",
        "shapes",
        "calibration",
        "median error",
        "worst",
        "noise",
        "worst noise",
    )
    every = tuple(error for one in found for error in one.errors)
    noise = tuple(distance for one in found for distance in one.noise)
    return [
        f"| {' | '.join(head)} |",
        f"|{'---|' * len(head)}",
        *(one.row() for one in found),
        "",
        f"Over {len(every)} shapes the median error is {median(every):.1%}, the worst {max(every, key=abs):+.1%};",
        f"the median standard error of a measured speed-up is {median(noise):.1%}.",
    ]


def main() -> None:
    """Print every family's table, and write it between its markers as soon as it is there."""
    parser = script(__doc__, repeats=3)
    parser.add_argument("--whole", action="store_true", help="all of a grid on every workload; takes hours")
    parser.add_argument("--family", choices=sorted(families()))
    parser.add_argument("--batch", type=int, nargs="*", default=[1, 8])
    parser.add_argument("--source", type=int, nargs="*", default=[128, 512])
    parser.add_argument("--beams", type=int, nargs="*", default=[1, 4])
    args = parser.parse_args()
    one_thread()
    for name in [args.family] if args.family else families():
        publish(table(list(grid(name, args))), f"cost-model:{name}", args.write)


if __name__ == "__main__":
    main()
