"""Bridging: a layer that stays does what it can in the place of those after it that go, by least squares."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from prunekit.find.units import Kind, PruningGroup, PruningPlan
from prunekit.learn.loss import loss_of
from prunekit.learn.masks import masked
from prunekit.learn.memory import EncoderMemory
from prunekit.learn.reconstruct import reader_of

RIDGE = 1e-2
"""What holds the new matrix to the old one: a share of the mean second moment of what the matrix reads."""


@torch.no_grad()
def bridge(
    model: PreTrainedModel, groups: Sequence[PruningGroup], plan: PruningPlan, batches: Sequence[Mapping[str, Any]]
) -> None:
    """Refit, in the live model, the last matrix of each layer that `plan` keeps to where the next one used to begin.

    In every stack that loses layers, from the first layer on, the FFN's output matrix becomes
    ``W + argmin_D sum ||t - (W + D) x||^2 + r ||D||^2``, its bias with it, where ``t`` is what is missing to the state
    that the dense model has before the next layer that stays, or behind the last one; the sums are over the tokens of
    `batches`. The price is that of two or three passes per layer that stays. Layers that hand on several streams, and
    those without an FFN that can be pruned, stay as they are. Example: of twelve decoder layers 0 and 6 stay; layer 0
    learns to end where layer 5 did, and layer 6 where layer 11 did.
    """
    training = model.training
    model.train(False)
    try:
        for stack in groups:
            if stack.kind is Kind.LAYERS and stack.streams == 1 and 0 < len(plan.of(stack)) < len(stack):
                _Span(model, groups, stack, plan, batches).refit()
    finally:
        model.train(training)


@dataclass
class _Sight:
    """What hooks caught in a pass: what a matrix read and gave, what its layer gave, what its layer's norms read."""

    read: Tensor
    gave: Tensor
    output: Tensor
    norms: list[tuple[nn.LayerNorm, Tensor, Tensor]]

    def missed(self, target: Tensor) -> Tensor:
        """What the matrix should have given for the layer's output to be `target`; all are [rows, tokens, d].

        The layer adds it to its stream, and may normalise the sum; then the target is told as the sum before that, with
        the mean and the deviation that each token has there.
        """
        total = self.output
        for norm, before, after in self.norms:
            if torch.equal(after, self.output):
                mean, spread = before.mean(dim=-1, keepdim=True), before.std(dim=-1, keepdim=True, correction=0)
                total, target = before, mean + spread * (target - norm.bias) / norm.weight
        return target - total + self.gave


@dataclass
class _Span:
    """One stack that loses layers."""

    model: PreTrainedModel
    groups: Sequence[PruningGroup]
    stack: PruningGroup
    plan: PruningPlan
    batches: Sequence[Mapping[str, Any]]

    def __post_init__(self) -> None:
        self.layers = list(self.model.get_submodule(self.stack.path).children())
        self.memory = EncoderMemory()

    def refit(self) -> None:
        """Every layer that stays, one after the other, each with those before it as they have become."""
        kept = self.stack.positions(self.plan.of(self.stack))
        ends = [*(position - 1 for position in kept[1:]), len(self.layers) - 1]
        targets = self._states(ends)
        for position, end in zip(kept, ends, strict=True):
            number = self.stack.ids[position]
            found = [g for g in self.groups if (g.kind, g.stack, g.layer) == (Kind.FFN, self.stack.stack, number)]
            if len(found) == 1:
                matrix = self.model.get_submodule(reader_of(self.model, found[0])[0])
                with masked(self.model, self.groups, self.plan):
                    self._fit(matrix, self.layers[position], [states[end] for states in targets])

    def _states(self, ends: Sequence[int]) -> list[dict[int, Tensor]]:
        """The states behind some layers of the dense model, a batch at a time."""
        found: list[dict[int, Tensor]] = []
        for batch in self.batches:
            with ExitStack() as hooks:
                states = {end: hooks.enter_context(_caught(self.layers[end])) for end in set(ends)}
                self._run(batch)
            found.append({end: _first(calls[-1][1]) for end, calls in states.items()})
        return found

    def _fit(self, matrix: Any, layer: nn.Module, targets: Sequence[Tensor]) -> None:
        """Sum up what the matrix reads and what it misses, and change it by the ridge regression between the two."""
        wide = matrix.weight.shape[1] + (matrix.bias is not None)
        products = torch.zeros(wide, wide, dtype=torch.float64)
        missing = torch.zeros(wide, len(matrix.weight), dtype=torch.float64)
        for batch, target in zip(self.batches, targets, strict=True):
            sight = self._look(batch, matrix, layer)
            real = self._real(batch, sight.read)
            x = sight.read[real].double().cpu()
            if matrix.bias is not None:
                x = torch.cat([x, x.new_ones(len(x), 1)], dim=1)
            products += x.T @ x
            missing += x.T @ (sight.missed(target) - sight.gave)[real].double().cpu()
        ridge = RIDGE * products.diagonal().mean().clamp(min=1e-30) * torch.eye(wide, dtype=torch.float64)
        change = torch.linalg.solve(products + ridge, missing).T.to(matrix.weight)
        matrix.weight += change[:, : matrix.weight.shape[1]]
        if matrix.bias is not None:
            matrix.bias += change[:, -1]

    def _look(self, batch: Mapping[str, Any], matrix: nn.Module, layer: nn.Module) -> _Sight:
        """What one pass shows of a layer."""
        norms = [module for module in layer.modules() if isinstance(module, nn.LayerNorm)]
        with ExitStack() as hooks:
            own, whole, *others = (hooks.enter_context(_caught(module)) for module in (matrix, layer, *norms))
            self._run(batch)
        told = [(norm, calls[-1][0], calls[-1][1]) for norm, calls in zip(norms, others, strict=True) if calls]
        return _Sight(*own[-1], _first(whole[-1][1]), told)

    def _real(self, batch: Mapping[str, Any], states: Tensor) -> Tensor:
        """Which tokens are no padding, [rows, tokens]."""
        mask = batch["labels"] != -100 if self.stack.stack == "decoder" else batch.get("attention_mask")
        if mask is None or mask.shape != states.shape[:2]:
            return torch.ones(states.shape[:2], dtype=torch.bool)
        found: Tensor = mask.bool()
        return found

    def _run(self, batch: Mapping[str, Any]) -> None:
        """One pass; where the decoder is at stake, the encoder says what it said the first time."""
        whole: Any = self.model
        known = "index" in batch and self.stack.stack == "decoder"
        self.memory.rows = batch["index"].tolist() if known else None
        with self.memory.of(whole.get_encoder()):
            loss_of(self.model, batch)


@contextmanager
def _caught(module: nn.Module) -> Iterator[list[tuple[Any, Any]]]:
    """What a module reads first and what it gives, a call at a time."""
    calls: list[tuple[Any, Any]] = []
    handle = module.register_forward_hook(lambda _, args, output: calls.append((args[0] if args else None, output)))
    try:
        yield calls
    finally:
        handle.remove()


def _first(output: Any) -> Tensor:
    """The hidden states among what a layer gives."""
    states: Tensor = output[0] if isinstance(output, tuple) else output
    return states
