"""What gates cost a training step: distillation of a T5-base with all gates of its encoder, and without.

    OMP_NUM_THREADS=1 python benchmarks/gates.py --rows 8 --tokens 128

Forward and backward pass with a teacher, in turns; medians of CPU seconds, and the ratio of each turn's two.
"""

import argparse
import copy
import statistics
import tempfile
import time
from pathlib import Path

import torch
from cases import T5_BASE
from transformers import T5Config

from prunekit import Constraint, Distillation, HardConcreteGates, SparsitySchedule, discover
from prunekit.find.units import Kind, PruningPlan, widths
from prunekit.learn.masks import Masks
from prunekit.learn.training import PruningTrainer, Teacher, arguments
from prunekit.recipe import TrainingSection
from prunekit_adapters.t5 import T5

RATE = 0.05


def main() -> None:
    """Time both in turns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--turns", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    adapter, config = T5(), T5Config(**T5_BASE)
    model = adapter.fresh(config)
    graph = discover(adapter, config, model)
    teacher = Teacher.of(copy.deepcopy(model), graph.groups, PruningPlan())
    size = graph.prunable_size("encoder")
    goal = Constraint("encoder", size, size.whole, SparsitySchedule(0.5, 10))
    gates = HardConcreteGates(widths(graph.groups, "encoder"), [goal], 0, {Kind.HEADS: 4.6, Kind.FFN: 4.6}, RATE, RATE)
    ids = torch.randint(3, config.vocab_size, (args.rows, args.tokens))
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": ids.flip(1)}
    seconds: dict[str, list[float]] = {"without": [], "with": []}
    with tempfile.TemporaryDirectory() as place:
        section = TrainingSection(batch=args.rows)
        losses = Distillation(cross_entropy=0.5, logits=0.5, encoder_hidden=0.0)
        settings = arguments(section, Path(place), 10, RATE, 0, "cpu")
        for turn in range(args.turns + 1):
            for kind in sorted(seconds, reverse=bool(turn % 2)):
                masks = Masks(model, graph.groups) if kind == "with" else None
                own = gates if kind == "with" else None
                trainer = PruningTrainer(model, settings, section, losses, gates=own, masks=masks, teacher=teacher)
                model.train()
                start = time.process_time()
                trainer.compute_loss(model, dict(batch)).backward()
                if turn:
                    seconds[kind].append(time.process_time() - start)
                trainer.release()
                model.zero_grad()
                if masks is not None:
                    masks.remove()
    ratios = [gated / plain for gated, plain in zip(seconds["with"], seconds["without"], strict=True)]
    print({kind: f"{statistics.median(each):.2f} CPU-s" for kind, each in seconds.items()})
    print(
        f"ratio {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f}), {args.rows} x {args.tokens}"
    )


if __name__ == "__main__":
    main()
