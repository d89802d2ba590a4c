"""Training: transformers' Seq2SeqTrainer, taught to distil and to hold gates at their targets."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    PreTrainedModel,
    PrinterCallback,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    TrainerCallback,
)
from transformers.trainer_pt_utils import LengthGroupedSampler

from prunekit._support.progress import Progress
from prunekit.data.encoded import EncodedDataset, to_device
from prunekit.find.groups import Kind, PruningGroup
from prunekit.find.plan import PruningPlan
from prunekit.learn.masking.gates import Gates
from prunekit.learn.masking.masks import Masks
from prunekit.learn.training.distillation import Distillation, TeacherCache, divergence, soften
from prunekit.learn.training.encoder_cache import EncoderCache
from prunekit.learn.training.hidden_states import HiddenStateLoss
from prunekit.learn.training.optimizer import MuonAdamW, split_matrices
from prunekit.recipe import TrainingSection

GATES = "prunekit_gates"
"""Where the gates lie in the model while it trains, so that checkpoints, devices and data parallelism include them."""


class Teacher:
    """The dense model as it was, asked for log-probabilities and hidden states.

    `layers` are the paths of those of its layers, by stack, that the student still has; `dimensions` the positions of
    such hidden dimensions, for the stacks that have lost some.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        layers: Mapping[str, list[str]],
        cache: TeacherCache | None = None,
        dimensions: Mapping[str, list[int]] | None = None,
    ):
        model.train(False)
        self.model = model.requires_grad_(False)
        self.layers, self.dimensions = layers, dimensions or {}
        self.cache = cache if cache is not None else TeacherCache()

    @classmethod
    def of(
        cls,
        model: PreTrainedModel,
        groups: Sequence[PruningGroup],
        plan: PruningPlan,
        cache: TeacherCache | None = None,
    ) -> "Teacher":
        """The dense `model` with these `groups` as the teacher of what `plan` leaves of it."""
        stacks = [group for group in groups if group.kind is Kind.LAYERS]
        layers = {g.stack: [f"{g.path}.{n}" for n in g.positions(plan.of(g))] for g in stacks}
        streams = {group.stack: group for group in groups if group.kind is Kind.HIDDEN}
        own = {g.stack: found for g in stacks if (found := streams.get(g.stack, streams.get(""))) is not None}
        left = {stack: group.positions(plan.of(group)) for stack, group in own.items()}
        return cls(model, layers, cache, {stack: at for stack, at in left.items() if len(at) < len(own[stack])})


class PruningTrainer(Seq2SeqTrainer):
    """Seq2SeqTrainer with gates, distillation and one optimiser for all of it.

    The gates' learning rates are constant and their gradients are not clipped; the weights' rate warms up and decays
    linearly, and their gradients are clipped together.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        args: Seq2SeqTrainingArguments,
        section: TrainingSection,
        distillation: Distillation,
        gates: Gates | None = None,
        masks: Masks | None = None,
        teacher: Teacher | None = None,
        student_layers: Mapping[str, list[str]] | None = None,
        encoder_caches: Sequence[EncoderCache] = (),
        **rest: Any,
    ):
        super().__init__(model, args, **rest)
        self.remove_callback(PrinterCallback)
        self.model_accepts_loss_kwargs = False  # the losses are means over the batch: divide them when accumulating
        self.section, self.distillation, self.gates, self.masks = section, distillation, gates, masks
        self.teacher = teacher if distillation.needs_teacher else None
        self.encoder_caches = encoder_caches
        self.hidden: HiddenStateLoss | None = None
        if self.teacher is not None and distillation.hidden:
            source, gated = self.teacher, gates.groups if gates is not None else ()
            self.hidden = HiddenStateLoss(
                distillation, model, student_layers or {}, source.model, source.layers, source.dimensions, gated
            )

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The distillation's terms plus the gates' penalty."""
        index = inputs.pop("index", None)
        inputs = to_device(inputs, self.model)
        for cache in self.encoder_caches:
            cache.rows = None if index is None else index.tolist()
        step = self.state.global_step
        if self.gates is not None and self.masks is not None:
            device = inputs["labels"].device
            self.masks.values.update({name: value.to(device) for name, value in self.gates.draw(step).items()})
        outputs = model(**inputs, use_cache=False)
        loss = self.distillation.cross_entropy * outputs.loss
        if self.teacher is not None:
            loss = loss + self._distillation_loss(outputs.logits, inputs, index)
        if self.gates is not None:
            loss = loss + self.gates.penalty(step).to(loss.device)
        return (loss, outputs) if return_outputs else loss

    def _distillation_loss(self, logits: Tensor, inputs: dict[str, Any], index: Tensor | None) -> Tensor:
        """The terms that look at the teacher."""
        assert self.teacher is not None
        wanted, labels = self.distillation, inputs["labels"]
        keys = [(row, wanted.temperature) for row in index.tolist()] if index is not None and not wanted.hidden else []
        known = self.teacher.cache.get(keys, labels.shape[1]) if keys else None
        if known is None:
            with torch.no_grad():
                known = soften(self.teacher.model(**inputs, use_cache=False).logits, wanted.temperature)
            if keys:
                self.teacher.cache.put(keys, labels, known)
        mine = soften(logits, wanted.temperature)
        loss = wanted.logits * wanted.temperature**2 * divergence(mine, known.to(mine.device), labels)
        if self.hidden is not None:
            real = {"encoder": inputs.get("attention_mask"), "decoder": labels != -100}
            loss = loss + self.hidden(real, self.masks.values if self.masks is not None else {})
        return loss

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        """Batch rows of like length, by the lengths that `EncodedDataset` knows: the trainer would open every row."""
        rows, args = train_dataset or self.train_dataset, self.args
        if isinstance(rows, EncodedDataset) and args.train_sampling_strategy == "group_by_length":
            return LengthGroupedSampler(args.train_batch_size * args.gradient_accumulation_steps, lengths=rows.lengths)
        return super()._get_train_sampler(train_dataset)

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """One optimiser: the weights as the recipe asks, then the gates and multipliers by AdamW at constant rates."""
        if self.optimizer is None:
            network: Any = self.model
            owned = {id(p) for p in self.gates.parameters()} if self.gates is not None else set()
            gate_groups = self.gates.optimizer_groups() if self.gates is not None else []
            weights = [p for p in network.parameters() if p.requires_grad and id(p) not in owned and p.numel()]
            rate = self.args.learning_rate
            if self.section.optimizer == "muon":
                matrices, _ = split_matrices(network)
                taken = {id(p) for p in matrices}
                rest = [p for p in weights if id(p) not in taken]
                self.optimizer = MuonAdamW(matrices, [{"params": rest}, *gate_groups], lr=rate)
            else:
                self.optimizer = torch.optim.AdamW([{"params": weights}, *gate_groups], lr=rate, weight_decay=0.0)
            clip = self.section.clip
            self.optimizer.register_step_pre_hook(lambda *_: _clip(weights, clip))
        return self.optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """Linear warm-up and decay for the weights; gates and multipliers keep their rates."""
        if self.lr_scheduler is None:
            warmup = math.ceil(self.section.warmup * num_training_steps)

            def weights(step: int) -> float:
                rise = (step + 1) / (warmup + 1) if step < warmup else 1.0
                return min(rise, max(0.0, (num_training_steps - step) / max(1, num_training_steps - warmup)))

            inner: Any = optimizer or self.optimizer
            rules = [(lambda step: 1.0) if group.get("constant") else weights for group in inner.param_groups]
            self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(inner, rules)
        return self.lr_scheduler

    def release(self) -> None:
        """Take the recorders off the models, and mixed precision off the trained one's forward pass."""
        if self.hidden is not None:
            self.hidden.release()
        self.accelerator.unwrap_model(self.model_wrapped, keep_fp32_wrapper=False)

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Log the gates' figures beside the loss."""
        if self.gates is not None:
            logs.update(self.gates.figures(self.state.global_step))
        super().log(logs, *args, **kwargs)


def _clip(weights: list[nn.Parameter], largest: float) -> None:
    torch.nn.utils.clip_grad_norm_(weights, largest)


class LogCallback(TrainerCallback):
    """Writes every log entry as a line of JSON and tells the progress display."""

    def __init__(self, path: Path, phase: str, progress: Progress | None):
        self.path, self.phase, self.progress = path, phase, progress

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Move the progress display."""
        if self.progress is not None and state.is_world_process_zero:
            latest = state.log_history[-1] if state.log_history else {}
            self.progress(self.phase, state.global_step, state.max_steps, latest)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """Append one line."""
        if state.is_world_process_zero and logs:
            entry = {"phase": self.phase, "step": state.global_step, **logs}
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")


def training_arguments(
    section: TrainingSection, directory: Path, steps: int, rate: float, seed: int, device: str
) -> Any:
    """Trainer arguments for one training of a run; checkpoints go to `directory`."""
    return Seq2SeqTrainingArguments(
        output_dir=str(directory),
        max_steps=steps,
        per_device_train_batch_size=section.batch,
        gradient_accumulation_steps=section.accumulate,
        learning_rate=rate,
        max_grad_norm=0.0,
        train_sampling_strategy="group_by_length",
        save_strategy="steps",
        save_steps=section.save_every,
        save_total_limit=1,
        logging_steps=section.log_every,
        logging_nan_inf_filter=False,
        disable_tqdm=True,
        report_to=[],
        seed=seed,
        bf16=trains_in_bf16(section.precision, device),
        use_cpu=device == "cpu",
        remove_unused_columns=False,
    )


def trains_in_bf16(precision: str, device: str) -> bool:
    """Whether to train under bf16 autocast: always or never as told, else where the hardware multiplies bf16 itself."""
    if precision != "auto":
        return precision == "bf16"
    if device == "cpu":
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return bool(torch.cuda.is_bf16_supported())
