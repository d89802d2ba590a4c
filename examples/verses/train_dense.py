r"""Train the verses' dense model: an mT5-shaped model with 4 encoder and 12 decoder layers, from scratch.

    OMP_NUM_THREADS=1 torchrun --nproc-per-node 2 examples/verses/train_dense.py \
        --data runs/verses/data --output runs/verses --bf16

The decoder is three times deeper than the encoder, so that dropping its layers shows in the time of `generate`. It
starts with three layers, which learn to translate for less than half the cost; then each becomes four, of a quarter
of its effect, and all are trained on. Model, optimiser and schedule are saved every `--save-every` steps and kept; a
killed training goes on from the last of them when the same command is given again. The finished model lies in `model/`.
"""

import argparse
import json
import logging
from pathlib import Path

import torch
from accelerate import PartialState
from transformers import (
    DataCollatorForSeq2Seq,
    MT5Config,
    MT5ForConditionalGeneration,
    PreTrainedTokenizerFast,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
)
from transformers.trainer_utils import get_last_checkpoint

from prunekit.learn.training.optimizer import MuonAdamW, separate_matrices

LONGEST = 96
"""Tokens to which sources and targets are cut; one verse in a thousand is longer."""


SHALLOW, DEEP = 3, 12
"""Decoder layers of the first and of the second part of the training."""


def build_model(vocabulary: int, depth: int) -> MT5ForConditionalGeneration:
    """4.7M parameters with twelve decoder layers.

    `decoder_layers` repeats `num_decoder_layers`, because `generate` sizes its cache by it.

    One embedding serves both sides and the output. It and the last norm start at a scale that gives the first logits
    unit variance, so that the loss starts at that of guessing.
    """
    config = MT5Config(
        vocab_size=vocabulary,
        d_model=128,
        d_kv=32,
        num_heads=4,
        d_ff=384,
        num_layers=4,
        num_decoder_layers=depth,
        decoder_layers=depth,
        feed_forward_proj="gated-gelu",
        dropout_rate=0.1,
        decoder_start_token_id=0,
    )
    model = MT5ForConditionalGeneration(config)
    torch.nn.init.normal_(model.shared.weight, std=config.d_model**-0.25)
    torch.nn.init.constant_(model.decoder.final_layer_norm.weight, config.d_model**-0.25)
    return model


@torch.no_grad()
def grow(shallow: MT5ForConditionalGeneration) -> MT5ForConditionalGeneration:
    """A model whose decoder repeats each layer, every copy adding its part of what the one layer added."""
    deep, copies = build_model(shallow.config.vocab_size, DEEP), DEEP // SHALLOW
    weights = shallow.state_dict()
    for name, tensor in deep.state_dict().items():
        source = name
        if name.startswith("decoder.block."):
            number, rest = name.removeprefix("decoder.block.").split(".", 1)
            source = f"decoder.block.{int(number) // copies}.{rest}"
        shared = name.startswith("decoder.block.") and name.endswith((".o.weight", ".wo.weight"))
        tensor.copy_(weights[source] / copies if shared else weights[source])
    return deep


def encode(tokenizer: PreTrainedTokenizerFast, path: Path) -> list[dict[str, list[int] | int]]:
    """One plain row per pair (indexing a `Dataset` row by row is slow); batches are grouped by the longer side."""
    with path.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    sources, targets = (
        tokenizer([row[side] for row in rows], truncation=True, max_length=LONGEST)["input_ids"]
        for side in ("en", "es")
    )
    return [
        {"input_ids": source, "labels": target, "length": max(len(source), len(target))}
        for source, target in zip(sources, targets, strict=True)
    ]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="what prepare.py wrote")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--shallow-steps", type=int, default=2000)
    parser.add_argument("--deep-steps", type=int, default=2500)
    parser.add_argument("--learning-rate", type=float, default=4e-3)
    parser.add_argument("--warmup", type=int, default=100, help="steps")
    parser.add_argument("--batch", type=int, default=48, help="verses per process")
    parser.add_argument("--save-every", type=int, default=500, help="steps")
    parser.add_argument("--bf16", action="store_true", help="mixed precision, where the processor has it")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def training_arguments(args: argparse.Namespace, place: Path, steps: int) -> Seq2SeqTrainingArguments:
    return Seq2SeqTrainingArguments(
        output_dir=str(place),
        max_steps=steps,
        per_device_train_batch_size=args.batch,
        per_device_eval_batch_size=args.batch,
        learning_rate=args.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=args.warmup,
        label_smoothing_factor=0.1,
        train_sampling_strategy="group_by_length",
        eval_strategy="steps",
        eval_steps=args.save_every,
        save_steps=args.save_every,
        logging_steps=50,
        report_to=[],
        seed=args.seed,
        bf16=args.bf16,
        ddp_find_unused_parameters=False,
        use_cpu=not torch.cuda.is_available(),
        disable_tqdm=True,
    )


def train(
    args: argparse.Namespace,
    model: MT5ForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    part: str,
    steps: int,
    rows: dict[str, list[dict[str, list[int] | int]]],
) -> MT5ForConditionalGeneration:
    """One part of the training, or what it left when it was done before."""
    done, place = args.output / part, args.output / f"{part}-trainer"
    if (done / "config.json").exists():
        return MT5ForConditionalGeneration.from_pretrained(done)
    logging.info("%s: %s parameters", part, f"{model.num_parameters():,}")
    matrices, rest = separate_matrices(model)
    trainer = Seq2SeqTrainer(
        model,
        training_arguments(args, place, steps),
        optimizers=(MuonAdamW(matrices, [{"params": rest}], lr=args.learning_rate), None),
        train_dataset=rows["train"],  # type: ignore[arg-type]
        eval_dataset=rows["dev"],  # type: ignore[arg-type]
        data_collator=DataCollatorForSeq2Seq(tokenizer, model, pad_to_multiple_of=8),
        processing_class=tokenizer,
    )
    trainer.train(resume_from_checkpoint=get_last_checkpoint(place) if place.exists() else None)
    trainer.accelerator.unwrap_model(trainer.model_wrapped, keep_fp32_wrapper=False)
    if trainer.is_world_process_zero():
        draft = args.output / f"{part}-draft"
        model.save_pretrained(draft)
        draft.rename(done)  # whole or not at all
    return model


def main() -> None:
    args = arguments()
    logging.basicConfig(level=logging.INFO)
    torch.manual_seed(args.seed)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(args.data / "tokenizer")
    rows = {split: encode(tokenizer, args.data / f"{split}.jsonl") for split in ("train", "dev")}
    model = train(args, build_model(len(tokenizer), SHALLOW), tokenizer, "shallow", args.shallow_steps, rows)
    model = train(args, grow(model), tokenizer, "deep", args.deep_steps, rows)
    if PartialState().is_main_process:
        model.half().save_pretrained(args.output / "model")
        tokenizer.save_pretrained(args.output / "model")


if __name__ == "__main__":
    main()
