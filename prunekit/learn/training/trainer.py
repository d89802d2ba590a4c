"""Training: transformers' Seq2SeqTrainer with distillation, and with gates that are held at their targets."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from accelerate.state import AcceleratorState, GradientState
from torch import Tensor, nn
from torch.utils.data import DataLoader
from transformers import PreTrainedModel, PrinterCallback, Seq2SeqTrainer, Seq2SeqTrainingArguments

from prunekit.data.encoded import EncodedDataset, to_device
from prunekit.errors import PrunekitError
from prunekit.learn.masking.gates import Gates
from prunekit.learn.masking.masks import Masks
from prunekit.learn.training.distillation import Distillation
from prunekit.learn.training.distillation_loss import divergence, soften
from prunekit.learn.training.encoder_cache import EncoderCache
from prunekit.learn.training.epoch_sampler import EpochSampler
from prunekit.learn.training.hidden_states import HiddenStateLoss
from prunekit.learn.training.optimizer import MuonAdamW, separate_matrices
from prunekit.learn.training.schedules import SCHEDULES
from prunekit.learn.training.stacked_muon import ITERATED_IN
from prunekit.learn.training.teacher import Teacher
from prunekit.recipe import TrainingSection


class PruningTrainer(Seq2SeqTrainer):
    """Seq2SeqTrainer with gates, distillation and one optimizer for all of it.

    The gates' learning rates are constant and their gradients are not clipped; the weights' rate warms up and decays
    linearly, and their gradients are clipped together.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        args: Seq2SeqTrainingArguments,
        training: TrainingSection,
        distillation: Distillation,
        gates: Gates | None = None,
        masks: Masks | None = None,
        teacher: Teacher | None = None,
        student_layers: Mapping[str, list[str]] | None = None,
        encoder_caches: Sequence[EncoderCache] = (),
        stage_rate: Callable[[int], float] = lambda step: 1.0,
        read_dev: Callable[[], dict[str, float]] | None = None,
        **rest: Any,
    ):
        super().__init__(model, args, **rest)
        self.remove_callback(PrinterCallback)
        self.model_accepts_loss_kwargs = False  # the losses are means over the batch: divide them when accumulating
        self.training = training
        self.distillation = distillation
        self.gates = gates
        self.masks = masks
        self.teacher = teacher if distillation.needs_teacher else None
        self.encoder_caches = encoder_caches
        self.stage_rate = stage_rate
        self.read_dev = read_dev
        self.grad_norm: Tensor | None = None
        self.hidden_loss: HiddenStateLoss | None = None
        if self.teacher is not None and distillation.hidden_weights:
            self.hidden_loss = HiddenStateLoss(
                distillation,
                model,
                student_layers or {},
                self.teacher.model,
                self.teacher.layers,
                self.teacher.dimensions,
                gates.groups if gates is not None else (),
            )

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The terms of the distillation plus the gates' penalty."""
        index = inputs.pop("index", None)
        inputs = to_device(inputs, self.model)
        for cache in self.encoder_caches:
            cache.rows = None if index is None else index.tolist()
        step = self.state.global_step
        if self.gates is not None and self.masks is not None:
            device = inputs["labels"].device
            self.masks.values.update({name: value.to(device) for name, value in self.gates.draw(step).items()})
        outputs = model(**inputs, use_cache=False)
        own = outputs.loss if self.label_smoother is None else self.label_smoother(outputs, inputs["labels"])
        loss = self.distillation.cross_entropy * own
        if self.teacher is not None:
            loss = loss + self._distillation_loss(self.teacher, outputs.logits, inputs, index)
        if self.gates is not None:
            loss = loss + self.gates.penalty(step).to(loss.device)
        return (loss, outputs) if return_outputs else loss

    def _distillation_loss(
        self, teacher: Teacher, logits: Tensor, inputs: dict[str, Any], index: Tensor | None
    ) -> Tensor:
        """The terms that need the teacher."""
        labels = inputs["labels"]
        temperature = self.distillation.temperature
        target = self._teacher_predictions(teacher, inputs, index)
        student = soften(logits, temperature)
        loss = self.distillation.logits * temperature**2 * divergence(student, target.to(student.device), labels)
        if self.hidden_loss is not None:
            real = {"encoder": inputs.get("attention_mask"), "decoder": labels != -100}
            loss = loss + self.hidden_loss(real, self.masks.values if self.masks is not None else {})
        return loss

    def _teacher_predictions(self, teacher: Teacher, inputs: dict[str, Any], index: Tensor | None) -> Tensor:
        """The teacher's log-probabilities, from its cache unless its hidden states are needed too."""
        labels = inputs["labels"]
        temperature = self.distillation.temperature
        keys = [] if index is None or self.hidden_loss is not None else [(row, temperature) for row in index.tolist()]
        cached = teacher.cache.get(keys, labels.shape[1]) if keys else None
        if cached is not None:
            return cached
        with torch.no_grad():
            predictions = soften(teacher.model(**inputs, use_cache=False).logits, temperature)
        if keys:
            teacher.cache.put(keys, labels, predictions)
            predictions = predictions.half().float()  # as from the cache, in whatever epoch a training is resumed
        return predictions

    def get_train_dataloader(self) -> DataLoader[dict[str, Any]]:
        """Batches of rows of similar length, by the lengths that `EncodedDataset` knows: nothing is opened for them."""
        rows = self.train_dataset
        if not isinstance(rows, EncodedDataset) or self.args.train_sampling_strategy != "group_by_length":
            return super().get_train_dataloader()
        loader: DataLoader[dict[str, Any]] = DataLoader(
            rows,
            batch_size=self.args.train_batch_size,
            sampler=EpochSampler(rows.grouping_keys, self.args, lambda: self.state.global_step),
            collate_fn=self.data_collator,
            pin_memory=self.args.dataloader_pin_memory,
            num_workers=self.args.dataloader_num_workers,
        )
        prepared: DataLoader[dict[str, Any]] = self.accelerator.prepare(loader)
        return prepared

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """One optimizer: the weights as the recipe asks, then the gates and multipliers by AdamW at constant rates."""
        if self.optimizer is None:
            gate_groups = self.gates.optimizer_groups() if self.gates is not None else []
            weights = self._trainable_weights()
            self.optimizer = self._build_optimizer(weights, gate_groups)
            self.optimizer.register_step_pre_hook(lambda *_: self._clip(weights))
        return self.optimizer

    def _clip(self, weights: list[nn.Parameter]) -> None:
        """Clip the weights' gradients together, and remember their norm before that."""
        self.grad_norm = torch.nn.utils.clip_grad_norm_(weights, self.training.clip)

    def _trainable_weights(self) -> list[nn.Parameter]:
        """Every trainable parameter of the model but those of the gates."""
        network: Any = self.model
        gates = {id(p) for p in self.gates.parameters()} if self.gates is not None else set()
        return [p for p in network.parameters() if p.requires_grad and id(p) not in gates and p.numel()]

    def _build_optimizer(self, weights: list[nn.Parameter], gate_groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        rate = self.args.learning_rate
        decay = self.training.weight_decay
        if self.training.optimizer == "adamw":
            return torch.optim.AdamW([*_decaying(weights, decay), *gate_groups], lr=rate, weight_decay=0.0)
        network: Any = self.model
        matrices, _ = separate_matrices(network)
        chosen = {id(p) for p in matrices}
        others = [p for p in weights if id(p) not in chosen]
        precision = ITERATED_IN.get(self.training.muon_precision, torch.float32)
        return MuonAdamW(matrices, [*_decaying(others, decay), *gate_groups], rate, precision, decay)

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """Warm-up, the recipe's schedule and the stages' rates for the weights; gates and multipliers keep theirs."""
        if self.lr_scheduler is None:
            warmup = math.ceil(self.training.warmup * num_training_steps)

            def share(step: int) -> float:
                scheduled = SCHEDULES[self.training.schedule](step, num_training_steps, warmup)
                return scheduled * self.stage_rate(step)

            inner: Any = optimizer or self.optimizer
            rules = [(lambda step: 1.0) if group.get("constant") else share for group in inner.param_groups]
            self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(inner, rules)
        return self.lr_scheduler

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Read the dev rows and log it; what the encoder's caches hold are training rows, so they stand aside."""
        assert self.read_dev is not None
        for cache in self.encoder_caches:
            cache.rows = None
        metrics = self.read_dev()
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def release(self) -> None:
        """Remove the recorders from the models, the gradients from the trained one, and accelerate's global state."""
        if self.hidden_loss is not None:
            self.hidden_loss.remove()
        network: Any = self.model
        network.zero_grad(set_to_none=True)
        if self.training.gradient_checkpointing:
            keep = getattr(network, "activation_checkpointing_disable", None) or network.gradient_checkpointing_disable
            keep()
        AcceleratorState._reset_state(reset_partial_state=True)
        GradientState._reset_state()

    def _issue_warnings_after_load(self, load_result: Any) -> None:
        """Warn of weights that a checkpoint lacks, but not of tied ones, which it has under another name."""
        network: Any = self.model
        state = network.state_dict(keep_vars=True)
        known = {id(value) for name, value in state.items() if name not in load_result.missing_keys}
        load_result.missing_keys[:] = [name for name in load_result.missing_keys if id(state[name]) not in known]
        super()._issue_warnings_after_load(load_result)

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Log the gradients' norm and the gates' figures beside the loss.

        Raises `PrunekitError` for a loss that is no number any more.
        """
        loss = logs.get("loss", logs.get("train_loss", 0.0))
        if not math.isfinite(loss):
            raise PrunekitError(
                f"The training diverged: at step {self.state.global_step} the loss is {loss}; lower "
                "training.learning_rate."
            )
        if "loss" in logs and self.grad_norm is not None:
            logs["grad_norm"] = float(self.grad_norm)
        if self.gates is not None:
            logs.update(self.gates.figures(self.state.global_step))
        super().log(logs, *args, **kwargs)


def _decaying(weights: Sequence[nn.Parameter], decay: float) -> list[dict[str, Any]]:
    """Parameter groups of which matrices decay, and vectors (biases, norms) do not; one group without any decay."""
    if not decay:
        return [{"params": list(weights)}]
    matrices = [weight for weight in weights if weight.ndim > 1]
    vectors = [weight for weight in weights if weight.ndim <= 1]
    return [{"params": matrices, "weight_decay": decay}, {"params": vectors}]
