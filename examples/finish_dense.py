"""Train a dense model to its end: in stages of so many examples, until a stage lowers the dev loss by less than 1%.

    OMP_NUM_THREADS=1 python examples/finish_dense.py examples/g2p/finish.yaml --output runs/finish --examples 800000

Every stage is a run of prunekit that prunes nothing, from the model of the one before; a killed command goes on where
it stopped when it is given again. A teacher that was not trained to its end has little to teach, and what its students
gain by training on tells nothing about pruning.
"""

import argparse
import json
from pathlib import Path

import yaml

import prunekit
from prunekit.pipeline.run_directory import is_complete_run

LEAST_GAIN = 0.01
"""The share of the dev loss that a stage must take away for another one to follow."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path, help="the training; without a strategy, an output and a budget")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--examples", type=int, required=True, help="training examples of a stage")
    parser.add_argument("--stages", type=int, default=6, help="at most so many")
    args = parser.parse_args()
    model = None
    last = float("inf")
    for stage in range(1, args.stages + 1):
        model = train(args.recipe, model, args.output / f"stage-{stage}", args.examples)
        losses = dev_losses(model.parent / "log.jsonl")
        print(f"stage {stage}: best dev loss {min(losses):.4f}", flush=True)
        if stage > 1 and min(losses) > (1 - LEAST_GAIN) * last:
            break
        last = min(losses)


def train(recipe: Path, model: Path | None, output: Path, examples: int) -> Path:
    """Train for one stage from `model`, or from the recipe's own one; the directory of the trained model."""
    if not is_complete_run(output):
        asked = yaml.safe_load(recipe.read_text(encoding="utf-8"))
        asked |= {"output": str(output), "budget": {"examples": examples}, **({"model": str(model)} if model else {})}
        prunekit.run(prunekit.Recipe.parse(asked))
    return output / "model"


def dev_losses(log: Path) -> list[float]:
    """The dev loss per token at every reading of a stage."""
    entries = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    return [entry["eval_loss"] for entry in entries if "eval_loss" in entry]


if __name__ == "__main__":
    main()
