"""Which decoder layers to start from: the dev loss of every pair of layers, before any training.

    python examples/g2p/choose_layers.py

Prints the five best pairs, and the evenly spaced one for comparison. Nothing is cut: layers are masked.
"""

from itertools import combinations

import torch

from prunekit import PruningPlan
from prunekit.data.encoded import collate_batches
from prunekit.data.processors import Collator
from prunekit.learn.masking.masks import masked
from prunekit.learn.training.loss import mean_loss
from prunekit.loading.context import open_run_context
from prunekit.loading.resolve import resolve

EXAMPLES = 192


def main() -> None:
    torch.set_num_threads(1)
    context = open_run_context(resolve({"adapter": "t5"}))
    rows = context.processor.encode(context.task.dev.select(range(EXAMPLES)))
    collate = Collator(context.processor, context.model)
    batches = list(collate_batches(rows, range(len(rows)), EXAMPLES, collate, context.model))

    def loss(layers: tuple[int, ...]) -> float:
        with masked(context.model, context.graph.groups, PruningPlan({"decoder.layers": layers})):
            return mean_loss(context.model, batches)

    print(f"all twelve layers: {loss(tuple(range(12))):.3f}")
    losses = {pair: loss(pair) for pair in combinations(range(12), 2)}
    for pair in [*sorted(losses, key=losses.__getitem__)[:5], (0, 11)]:
        print(f"layers {pair}: {losses[pair]:.3f}")


if __name__ == "__main__":
    main()
