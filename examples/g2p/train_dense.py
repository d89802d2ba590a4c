"""Train the built-in example's dense model: a T5 with 4 encoder and 12 decoder layers on CMUdict, from scratch.

    OMP_NUM_THREADS=1 torchrun --nproc-per-node 2 examples/g2p/train_dense.py --output runs/g2p-dense

The decoder is three times deeper than the encoder, so that dropping its layers shows in the time of `generate`.
A killed training goes on from its last epoch when the same command is given again.
"""

import argparse
import logging
from pathlib import Path

import torch
from datasets import Dataset
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors
from transformers import (
    DataCollatorForSeq2Seq,
    PreTrainedTokenizerFast,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    T5Config,
    T5ForConditionalGeneration,
)
from transformers.trainer_utils import get_last_checkpoint

from prunekit.data import g2p
from prunekit.learn.training.optimizer import MuonAdamW, separate_matrices

SPECIAL = ["<pad>", "</s>", "<unk>"]


def build_tokenizer() -> PreTrainedTokenizerFast:
    """One vocabulary for both sides: lower-case letters one by one, upper-case phonemes whole."""
    spoken = {phoneme for variants in g2p.pronunciations().values() for text in variants for phoneme in text.split()}
    written = {letter for word in g2p.pronunciations() for letter in word}
    vocabulary = SPECIAL + sorted(written) + sorted(spoken)
    core = Tokenizer(models.WordLevel({piece: i for i, piece in enumerate(vocabulary)}, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split(Regex("[A-Z]+|."), "isolated")]
    )
    core.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=64
    )


def build_model(vocabulary: int) -> T5ForConditionalGeneration:
    """About 4M parameters; `decoder_layers` repeats `num_decoder_layers`, from which `generate` sizes its cache."""
    config = T5Config(
        vocab_size=vocabulary,
        d_model=128,
        d_kv=32,
        num_heads=4,
        d_ff=512,
        num_layers=4,
        num_decoder_layers=12,
        decoder_layers=12,
        dropout_rate=0.1,
        decoder_start_token_id=0,
    )
    return T5ForConditionalGeneration(config)


def encode(tokenizer: PreTrainedTokenizerFast, split: str) -> Dataset:
    """One row per pronunciation, with the source's length, by which batches are grouped."""
    pairs = [(word, spoken) for word, variants in g2p.words(split).items() for spoken in variants]
    sources = tokenizer([word for word, _ in pairs])["input_ids"]
    targets = tokenizer([spoken for _, spoken in pairs])["input_ids"]
    return Dataset.from_dict({"input_ids": sources, "labels": targets, "length": [len(ids) for ids in sources]})


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--epochs", type=float, default=8)
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--batch", type=int, default=192, help="examples per process")
    parser.add_argument("--bf16", action="store_true", help="mixed precision, where the processor has it")
    parser.add_argument("--max-steps", type=int, default=-1)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    args = arguments()
    logging.basicConfig(level=logging.INFO)
    torch.manual_seed(args.seed)
    tokenizer = build_tokenizer()
    model = build_model(len(tokenizer))
    matrices, rest = separate_matrices(model)
    trainer = Seq2SeqTrainer(
        model,
        Seq2SeqTrainingArguments(
            output_dir=str(args.output / "trainer"),
            num_train_epochs=args.epochs,
            max_steps=args.max_steps,
            per_device_train_batch_size=args.batch,
            per_device_eval_batch_size=256,
            learning_rate=args.learning_rate,
            lr_scheduler_type="linear",
            warmup_steps=250,
            train_sampling_strategy="group_by_length",
            eval_strategy="epoch",
            save_strategy="epoch",
            save_total_limit=2,
            logging_steps=50,
            report_to=[],
            seed=args.seed,
            bf16=args.bf16,
            use_cpu=not torch.cuda.is_available(),
        ),
        optimizers=(MuonAdamW(matrices, [{"params": rest}], lr=args.learning_rate), None),
        train_dataset=list(encode(tokenizer, "train")),  # type: ignore[arg-type]  # indexing a Dataset row by row is slow
        eval_dataset=encode(tokenizer, "dev"),
        data_collator=DataCollatorForSeq2Seq(tokenizer, model),
        processing_class=tokenizer,
    )
    trainer.train(resume_from_checkpoint=get_last_checkpoint(args.output / "trainer") if args.output.exists() else None)
    if trainer.is_world_process_zero():
        model.half().save_pretrained(args.output / "model")
        tokenizer.save_pretrained(args.output / "model")


if __name__ == "__main__":
    main()
