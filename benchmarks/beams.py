"""How much faster beam search is when beams share the encoder's part of the cache.

    OMP_NUM_THREADS=1 python benchmarks/beams.py --batch 8 --source 512 --beams 4 --new-tokens 16

A T5-base with random weights; whole calls of `generate`, the encoder included, stock and shared in turns, medians of
CPU seconds, and whether the tokens were equal.
"""

import argparse
import statistics
import time

import torch
from cases import T5_BASE
from transformers import T5Config, T5ForConditionalGeneration

from prunekit import fast_generate

WORK = {"batch": 8, "source": 512, "beams": 4, "new-tokens": 16, "repeats": 3, "decoder-layers": 12}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in WORK.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    return parser.parse_args()


def main() -> None:
    asked = arguments()
    torch.manual_seed(0)
    config = T5Config(**T5_BASE, num_decoder_layers=asked.decoder_layers)
    model = T5ForConditionalGeneration(config).eval()
    ids = torch.randint(5, 30_000, (asked.batch, asked.source))
    work = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "num_beams": asked.beams}
    work |= {"max_new_tokens": asked.new_tokens, "min_new_tokens": asked.new_tokens}
    ways = {"stock": model.generate, "shared": lambda **given: fast_generate(model, **given)}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    made: dict[str, torch.Tensor] = {}
    for _ in range(asked.repeats):
        for name, generate in ways.items():
            start = time.process_time()
            made[name] = generate(**work)
            seconds[name].append(time.process_time() - start)
    stock, shared = (statistics.median(seconds[name]) for name in ways)
    same = "equal" if torch.equal(made["stock"], made["shared"]) else "DIFFERENT"
    print(f"stock {stock:.1f} CPU-s, shared {shared:.1f} CPU-s: {stock / shared:.2f}x; tokens {same}")


if __name__ == "__main__":
    main()
