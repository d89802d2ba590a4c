"""What a training step costs beside transformers' own trainer, without gates and teacher.

    OMP_NUM_THREADS=1 python benchmarks/step_cost.py            # the built-in example, and T5-base at 8 x 128 tokens
    OMP_NUM_THREADS=1 python benchmarks/step_cost.py g2p        # one of them

Both trainers take turns on the same batches with the same collator, in float32, with AdamW and clipped gradients. It
prints CPU seconds a step, the median ratio of a turn, and the range that the middle half of the turns has.
"""

import copy
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset, Subset
from transformers import PrinterCallback, Seq2SeqTrainer, T5Config, T5ForConditionalGeneration

from prunekit.data.encoded import EncodedDataset
from prunekit.data.processors import Collator
from prunekit.learn.training.arguments import training_arguments
from prunekit.learn.training.callbacks import StepTimerCallback
from prunekit.learn.training.distillation import LABELS_ONLY
from prunekit.learn.training.trainer import PruningTrainer
from prunekit.loading.context import open_run_context
from prunekit.loading.resolve import resolve
from prunekit.recipe import TrainingSection

WARM_UP = 2
STEPS = {"g2p": 8, "t5-base": 3}
TURNS = {"g2p": 9, "t5-base": 7}


def built_in() -> tuple[Any, Any, Dataset[Any], int]:
    """The built-in example's dense model, its collator, some of its rows and its batch."""
    context = open_run_context(resolve({"adapter": "t5"}))
    rows = context.processor.encode(context.task.train.select(range(256 * (WARM_UP + STEPS["g2p"]))))
    return context.model, Collator(context.processor, context.model), rows, 256


def t5_base() -> tuple[Any, Any, Dataset[Any], int]:
    """A T5-base with random weights, and rows of 128 tokens and 128 labels."""
    torch.manual_seed(0)
    sizes = {"d_model": 768, "d_kv": 64, "d_ff": 3072, "num_layers": 12, "num_heads": 12}
    model = T5ForConditionalGeneration(T5Config(**sizes, decoder_start_token_id=0, dropout_rate=0.0))
    drawn = torch.randint(3, 32_000, (8 * (WARM_UP + STEPS["t5-base"]), 128)).tolist()
    rows = EncodedDataset(drawn, [128] * len(drawn), drawn)

    def collate(batch: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        ids = torch.tensor([row["source"] for row in batch])
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": ids.clone()}

    return model, collate, rows, 8


CASES = {"g2p": built_in, "t5-base": t5_base}


def without_index(collate: Any) -> Any:
    """The collator's batches without the rows' numbers, which models do not take."""

    def made(rows: list[dict[str, Any]]) -> dict[str, Any]:
        return {key: value for key, value in collate(rows).items() if key != "index"}

    return made


def seconds_of_turn(kind: type[Seq2SeqTrainer], name: str, model: Any, collate: Any, rows: Any, batch: int) -> float:
    """CPU seconds of a step of one trainer, on a copy of the model."""
    training = TrainingSection(batch=batch, precision="fp32", learning_rate=1e-5)
    ours = kind is PruningTrainer
    with tempfile.TemporaryDirectory() as folder:
        arguments = training_arguments(training, Path(folder), WARM_UP + STEPS[name], 1e-5, 0, "cpu")
        arguments.save_strategy = "no"
        arguments.train_sampling_strategy = "sequential"
        arguments.max_grad_norm = 0.0 if ours else training.clip
        timer = StepTimerCallback("cpu")
        extra = (training, LABELS_ONLY) if ours else ()
        made: Any = kind
        trainer = made(
            copy.deepcopy(model),
            arguments,
            *extra,
            train_dataset=Subset(rows, range(len(rows))),
            data_collator=collate if ours else without_index(collate),
            callbacks=[timer],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
        if ours:
            trainer.release()
    return timer.mean(WARM_UP, WARM_UP + STEPS[name])


def compare(name: str) -> None:
    """Print what a step costs by both trainers, in turns."""
    model, collate, rows, batch = CASES[name]()
    plain, ours = [], []
    for turn in range(TURNS[name]):
        order = [(Seq2SeqTrainer, plain), (PruningTrainer, ours)]
        for kind, seconds in order if turn % 2 else reversed(order):
            seconds.append(seconds_of_turn(kind, name, model, collate, rows, batch))
    ratios = sorted(one / other for one, other in zip(ours, plain, strict=True))
    low, middle, high = statistics.quantiles(ratios, n=4)
    print(
        f"{name}: {statistics.median(ours):.4f} CPU-s a step, Seq2SeqTrainer {statistics.median(plain):.4f}; ratio "
        f"{middle:.3f} ({low:.3f} to {high:.3f})",
        flush=True,
    )


def main() -> None:
    """The cases that are named, or all."""
    torch.set_num_threads(1)
    for name in sys.argv[1:] or CASES:
        compare(name)


if __name__ == "__main__":
    main()
