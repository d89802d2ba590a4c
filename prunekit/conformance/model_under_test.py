"""The model under test: what the checks of an adapter run, mask, cut and compare."""

import copy
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel

from prunekit._support.hooks import HookSet
from prunekit.cut import token_ids
from prunekit.cut.checkpoint import plan_of
from prunekit.cut.surgery import cut
from prunekit.errors import error_line
from prunekit.find.adapter import Adapter
from prunekit.find.graph import DependencyGraph, discover
from prunekit.find.groups import Kind, PruningGroup
from prunekit.find.plan import PruningPlan
from prunekit.learn.masking.masks import masked

WAYS: Mapping[str, Mapping[str, Any]] = {
    "greedy": {},
    "uncached": {"use_cache": False},
    "beam": {"num_beams": 4},
    "sampled": {"do_sample": True, "top_k": 0},
    "static": {"cache_implementation": "static"},
}
"""Ways of generating, with their options."""

ROWS = 3
TARGETS = 6
NEW_TOKENS = 8

LENGTH = {"max_new_tokens": NEW_TOKENS, "min_new_tokens": NEW_TOKENS, "no_repeat_ngram_size": 1}
"""Eight tokens an input, none twice, so that a model that repeats itself shows differences too."""

ERROR_LENGTH = 220
"""Characters of an error that are shown."""


class ModelUnderTest:
    """A model with the adapter that claims to fit it.

    Example: `ModelUnderTest.tiny(Bart(), config)`, 50,000 parameters.

    `tolerance` is how far logits of models that compute the same may differ, relative to the largest one. Nothing that
    a check does changes `model`: it cuts copies.
    """

    def __init__(self, adapter: Adapter, config: PretrainedConfig, model: PreTrainedModel, tolerance: float = 1e-5):
        self.adapter = adapter
        self.config = config
        self.model = model
        self.tolerance = tolerance
        model.train(False)

    @classmethod
    def tiny(
        cls,
        adapter: Adapter,
        config: PretrainedConfig,
        dtype: torch.dtype = torch.float64,
        tolerance: float = 1e-5,
        seed: int = 0,
    ) -> "ModelUnderTest":
        """A model of a small `config` with large random weights, in float64 because there rounding hides nothing."""
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(seed)
            model: Any = adapter.build(copy.deepcopy(config), "cpu")
            model.initialize_weights()
            enlarge(model, seed)
        return cls(adapter, config, model.to(dtype), tolerance)

    @cached_property
    def graph(self) -> DependencyGraph:
        """The groups as traced and declared; raises `AdapterError` where the two contradict each other."""
        return discover(self.adapter, self.config, self.model)

    def groups(self, *kinds: Kind) -> list[PruningGroup]:
        """The prunable groups of these kinds, or all but the vocabulary, which must keep all tokens of the inputs."""
        wanted = kinds or set(Kind) - {Kind.VOCABULARY}
        return [group for group in self.graph.groups if group.prunable and group.kind in wanted]

    def vocabulary_plan(self, group: PruningGroup, seed: int) -> PruningPlan:
        """A plan for the vocabulary: half of its tokens, and those that the inputs and the model's configs name."""
        chance = random.Random(seed)
        read = {n for key in token_ids.BATCH if key in self.batch for n in self.batch[key].flatten().tolist()}
        needed = read | token_ids.token_ids_in_configs(self.model, {})
        return PruningPlan({group.name: tuple(n for n in group.ids if n in needed or chance.random() < 0.5)})

    @cached_property
    def inputs(self) -> dict[str, Tensor]:
        """Three inputs for `generate`, some padded."""
        return self._to_model(self.adapter.encoder_inputs(self.config, ROWS))

    @cached_property
    def batch(self) -> dict[str, Tensor]:
        """The same with what the decoder is given: token ids of shape [3, 6]."""
        generator = torch.Generator().manual_seed(0)
        ids = torch.randint(3, self.vocabulary_size, (ROWS, TARGETS), generator=generator)
        return {**self.inputs, **self._to_model({"decoder_input_ids": ids})}

    @property
    def vocabulary_size(self) -> int:
        """Tokens that the decoder scores."""
        model: Any = self.model
        return int(model.get_output_embeddings().weight.shape[0])

    def _to_model(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Tensors on the model's device, those of floats in its precision."""
        model = self.model
        return {k: v.to(model.device, model.dtype if v.is_floating_point() else v.dtype) for k, v in tensors.items()}

    @torch.inference_mode()
    def logits(self, model: PreTrainedModel) -> Tensor:
        """Teacher-forced logits [3, 6, vocabulary] of `model`, the dense one or a cut one."""
        logits: Tensor = model(**self.renumbered(model, self.batch), use_cache=False).logits
        return logits

    @torch.inference_mode()
    def logits_of(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Teacher-forced logits [rows, tokens, vocabulary] of the dense model for another batch."""
        logits: Tensor = self.model(**batch, use_cache=False).logits
        return logits

    def renumbered(self, model: PreTrainedModel, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """A batch by the token ids of `model`, which may have lost some."""
        fewer = token_ids.Renumbering.of(self.graph.groups, plan_of(model) or PruningPlan())
        return dict(batch) if fewer is None else fewer.renumber_batch(batch)

    def results(self, paths: Iterable[str]) -> dict[str, int]:
        """How many values the modules at these paths return, a tensor being one; without those that do not run."""
        return count_results(self.model, paths, lambda: self.logits(self.model))

    @cached_property
    def draws(self) -> bool:
        """Whether a forward pass in evaluation mode draws random numbers, as layer drop does in older transformers."""
        with torch.random.fork_rng(devices=()):
            before = torch.get_rng_state()
            self.logits(self.model)
            return not torch.equal(before, torch.get_rng_state())

    @torch.inference_mode()
    def tokens(self, model: PreTrainedModel, way: str) -> Tensor:
        """What `model` generates in one of the `WAYS`: eight tokens an input."""
        generator: Any = model
        before = copy.deepcopy(generator.generation_config)  # some models change it when they generate
        try:
            with torch.random.fork_rng(devices=()):
                torch.manual_seed(0)
                inputs = self.renumbered(model, copy.deepcopy(self.inputs))
                tokens: Tensor = generator.generate(**inputs, **LENGTH, **WAYS[way])
        finally:
            generator.generation_config = before
        return tokens

    @cached_property
    def unsupported(self) -> dict[str, str]:
        """The `WAYS` in which the dense model itself cannot generate, each with its error."""
        errors = {}
        for way in WAYS:
            try:
                self.tokens(self.model, way)
            except Exception as error:  # whatever a model raises that was not made for this way
                errors[way] = error_line(error, ERROR_LENGTH)
        return errors

    def masked(self, plan: PruningPlan) -> Any:
        """The model masked by `plan`, as a context."""
        return masked(self.model, self.graph.groups, plan)

    def cut(self, plan: PruningPlan, model: PreTrainedModel | None = None, before: PruningPlan | None = None) -> Any:
        """A cut copy of the model, or of `model`, which was cut to `before`."""
        copied = copy.deepcopy(self.model if model is None else model)
        return cut(copied, plan, self.adapter, self.graph, self.config, before)


def count_results(model: nn.Module, paths: Iterable[str], run: Callable[[], object]) -> dict[str, int]:
    """How many values the modules at these paths return while `run` runs the model, a tensor being one."""
    found: dict[str, int] = {}

    def watch(path: str) -> Any:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            found[path] = len(output) if isinstance(output, tuple | list | dict) else 1

        return hook

    with HookSet() as hooks:
        for path in paths:
            hooks.after(model.get_submodule(path), watch(path))
        run()
    return found


@torch.no_grad()
def enlarge(model: nn.Module, seed: int = 0) -> None:
    """Random weights, biases and norms, in the order of their names, so large that every one of them matters.

    What a checkpoint does not hold, as sinusoidal positions, is computed when a model is built and does not change.
    """
    generator = torch.Generator().manual_seed(seed)
    saved = set(model.state_dict()) - set(getattr(model, "_keys_to_ignore_on_save", None) or ())
    for name, tensor in sorted({**dict(model.named_parameters()), **dict(model.named_buffers())}.items()):
        if name in saved and tensor.is_floating_point():
            noise = torch.randn(tensor.shape, generator=generator)
            norm = "norm" in name.lower() and name.endswith("weight")
            tensor.copy_(1 + 0.3 * noise if norm else 0.3 * noise)


def random_plan(groups: Sequence[PruningGroup], seed: int) -> PruningPlan:
    """Every group irregular, some of them empty or whole; layers and hidden dimensions keep at least one unit."""
    chance = random.Random(seed)
    return fitting(PruningPlan({group.name: _some(group, chance) for group in groups}), groups)


def fitting(plan: PruningPlan, groups: Sequence[PruningGroup]) -> PruningPlan:
    """The plan without the hidden dimensions of a stack of which the whole model would keep none."""
    emptied = {group.name for group in groups if group.kind is Kind.HIDDEN and not plan.of(group)}
    return PruningPlan({name: ids for name, ids in plan.kept.items() if name not in emptied})


def _some(group: PruningGroup, chance: random.Random) -> tuple[int, ...]:
    some = tuple(unit for unit in group.ids if chance.random() < 0.5)
    if group.kind in (Kind.HEADS, Kind.FFN):
        return chance.choice((some, some, some, (), group.ids))
    return some or group.ids[-1:]


def random_plans(groups: Sequence[PruningGroup], count: int) -> Iterator[PruningPlan]:
    """`count` plans, the same ones each time."""
    return (random_plan(groups, seed) for seed in range(count))
