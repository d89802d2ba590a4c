"""The control: the shape that a run left, trained from scratch on the same data for the same number of steps.

python examples/g2p/from_scratch.py outputs/demo --steps 950
"""

import argparse
import tempfile
import time
from pathlib import Path

import torch
from transformers import T5ForConditionalGeneration

from prunekit import PruningPlan, Recipe, prune
from prunekit.cut.checkpoint import dense_config, load_config
from prunekit.data.tasks import encode
from prunekit.learn.bench import LABELS, Bench, Surroundings
from prunekit.learn.rows import Rows
from prunekit.subject import open_subject
from prunekit.verdict import quality_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="directory of a finished run of the built-in example")
    parser.add_argument("--steps", type=int, default=950)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    args = parser.parse_args()
    recipe = Recipe.load(args.run / "recipe.yaml")
    subject = open_subject(recipe)
    torch.manual_seed(recipe.seed)
    fresh = T5ForConditionalGeneration(dense_config(load_config(args.run / "model")))
    model = prune(fresh, PruningPlan.load(args.run / "plan.json"), subject.adapter)
    rows = Rows(encode(subject.task.train, subject.tokenizer, subject.task.section))
    with tempfile.TemporaryDirectory() as place:
        around = Surroundings(
            subject.tokenizer,
            rows,
            recipe.training,
            Path(place),
            Path(place) / "log.jsonl",
            recipe.seed,
            subject.device,
        )
        start = time.process_time()
        Bench(model, around, lambda _: 0.0).train(LABELS, steps=args.steps, learning_rate=args.learning_rate)
    seconds = time.process_time() - start
    scores = quality_of(model, subject, recipe, subject.task.test).scores
    print(
        f"{args.steps} steps, {seconds:.0f} CPU-seconds:", ", ".join(f"{k} {100 * v:.2f}%" for k, v in scores.items())
    )


if __name__ == "__main__":
    main()
