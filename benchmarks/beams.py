"""How much faster beam search is when beams share the encoder's part of the cache.

    OMP_NUM_THREADS=1 python benchmarks/beams.py --batch 8 --source 512 --beams 4 --new-tokens 16

A T5-base with random weights; whole calls of `generate`, the encoder included, stock and shared interleaved, in CPU
seconds, and whether the tokens were equal.
"""

import argparse
from functools import partial

import torch
from cases import T5_BASE, one_thread
from transformers import T5Config, T5ForConditionalGeneration

from prunekit import fast_generate
from prunekit.latency.clocks import clock_for
from prunekit.latency.interleave import interleave
from prunekit.report.formatting import factor

WORK = {"batch": 8, "source": 512, "beams": 4, "new-tokens": 16, "repeats": 3, "decoder-layers": 12}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in WORK.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    return parser.parse_args()


def main() -> None:
    asked = arguments()
    one_thread()
    torch.manual_seed(0)
    config = T5Config(**T5_BASE, num_decoder_layers=asked.decoder_layers)
    model = T5ForConditionalGeneration(config).eval()
    ids = torch.randint(5, 30_000, (asked.batch, asked.source))
    work = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "num_beams": asked.beams}
    work |= {"max_new_tokens": asked.new_tokens, "min_new_tokens": asked.new_tokens}
    calls = {"stock": partial(model.generate, **work), "shared": partial(fast_generate, model, **work)}
    same = "equal" if torch.equal(*(call() for call in calls.values())) else "DIFFERENT"
    with clock_for(model.device, 1) as clock:
        times = interleave(calls, asked.repeats, clock)
    stock, shared = (f"{name} {times.seconds(name):.1f} CPU-s" for name in calls)
    speedup = factor(times.ratio("stock", "shared"), times.error("stock", "shared"))
    print(f"{stock}, {shared}: {speedup}; tokens {same}")


if __name__ == "__main__":
    main()
