"""The arguments of transformers' trainer for one training of a run."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from transformers import Seq2SeqTrainingArguments

from prunekit.recipe import TrainingSection


def training_arguments(
    training: TrainingSection, directory: Path, steps: int, rate: float, seed: int, device: str
) -> Seq2SeqTrainingArguments:
    """The arguments of transformers' trainer for one training of a run; checkpoints go to `directory`.

    The precision ``auto`` is float32 here: a run measures what it means before its first training.
    """
    arguments = Seq2SeqTrainingArguments(
        output_dir=str(directory),
        max_steps=steps,
        per_device_train_batch_size=training.batch,
        gradient_accumulation_steps=training.accumulate,
        learning_rate=rate,
        max_grad_norm=0.0,
        train_sampling_strategy="group_by_length",
        save_strategy="steps",
        save_steps=training.save_every,
        eval_strategy="steps" if training.read_every else "no",
        eval_steps=training.read_every,
        label_smoothing_factor=training.label_smoothing,
        **(_checkpointing() if training.gradient_checkpointing else {}),
        dataloader_num_workers=training.workers,
        logging_steps=training.log_every,
        logging_nan_inf_filter=False,
        disable_tqdm=True,
        report_to=[],
        seed=seed,
        bf16=training.precision == "bf16",
        fp16=training.precision == "fp16",
        use_cpu=device == "cpu",
        remove_unused_columns=False,
    )
    _keep_to_one_device(arguments, torch.device(device))
    return arguments


def _checkpointing() -> dict[str, Any]:
    """Arguments by which activations are computed again; transformers gives them another name from version 6 on."""
    known = {field.name for field in fields(Seq2SeqTrainingArguments)}
    name = "activation_checkpointing" if "activation_checkpointing" in known else "gradient_checkpointing"
    return {name: True, f"{name}_kwargs": {"use_reentrant": False}}


def _keep_to_one_device(arguments: Seq2SeqTrainingArguments, device: torch.device) -> None:
    """Train on `device` alone; transformers would take all GPUs that it sees, each with a whole batch."""
    arguments._n_gpu = min(arguments.n_gpu, 1)
    if device.index is not None:
        torch.accelerator.set_device_index(device.index)
        arguments._setup_devices = device
