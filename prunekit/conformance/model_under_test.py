"""A model under examination: what the checks of an adapter run, mask, cut and compare."""

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

ROWS, TARGETS, NEW_TOKENS = 3, 6, 8

LENGTH = {"max_new_tokens": NEW_TOKENS, "min_new_tokens": NEW_TOKENS, "no_repeat_ngram_size": 1}
"""Eight tokens an input, none twice, so that a model that stutters shows differences too."""

LONGEST = 220
"""Letters of an error that are shown."""


class ModelUnderTest:
    """A model with the adapter that claims to fit it.

    Example: `ModelUnderTest.tiny(Bart(), config)`, 50,000 parameters.

    `tolerance` is how far logits of models that compute the same may differ, relative to the largest one. Nothing that
    a check does changes `model`: it cuts copies.
    """

    def __init__(self, adapter: Adapter, config: PretrainedConfig, model: PreTrainedModel, tolerance: float = 1e-5):
        self.adapter, self.config, self.model, self.tolerance = adapter, config, model, tolerance
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
            model = adapter.build(copy.deepcopy(config), "cpu")
            model.apply(model._init_weights)
            enlarge(model, seed)
        live: Any = model
        return cls(adapter, config, live.to(dtype), tolerance)

    @cached_property
    def graph(self) -> DependencyGraph:
        """What tracing and declaration say together; raises `AdapterError` where they contradict each other."""
        return discover(self.adapter, self.config, self.model)

    def groups(self, *kinds: Kind) -> list[PruningGroup]:
        """The prunable groups of these kinds, or all but the vocabulary, of which whatever is read must stay."""
        wanted = kinds or set(Kind) - {Kind.VOCABULARY}
        return [group for group in self.graph.groups if group.prunable and group.kind in wanted]

    def words(self, group: PruningGroup, seed: int) -> PruningPlan:
        """A plan for the vocabulary: half of its tokens, and those that the inputs and the model's configs name."""
        chance = random.Random(seed)
        read = {n for key in token_ids.BATCH if key in self.batch for n in self.batch[key].flatten().tolist()}
        must = read | token_ids.token_ids_in_configs(self.model, {})
        return PruningPlan({group.name: tuple(n for n in group.ids if n in must or chance.random() < 0.5)})

    @cached_property
    def inputs(self) -> dict[str, Tensor]:
        """Three inputs for `generate`, some padded."""
        return self._placed(self.adapter.encoder_inputs(self.config, ROWS))

    @cached_property
    def batch(self) -> dict[str, Tensor]:
        """The same with what the decoder is given: token ids of shape [3, 6]."""
        generator = torch.Generator().manual_seed(0)
        ids = torch.randint(3, self.tokens_known, (ROWS, TARGETS), generator=generator)
        return {**self.inputs, **self._placed({"decoder_input_ids": ids})}

    @property
    def tokens_known(self) -> int:
        """Tokens that the decoder knows."""
        model: Any = self.model
        return int(model.get_output_embeddings().weight.shape[0])

    def _placed(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """On the model's device, fractions in its precision."""
        device, dtype = self.model.device, self.model.dtype
        return {k: v.to(device, dtype if v.is_floating_point() else v.dtype) for k, v in tensors.items()}

    @torch.inference_mode()
    def logits(self, model: PreTrainedModel) -> Tensor:
        """Teacher-forced logits [3, 6, vocabulary] of `model`, which may be the specimen's or a cut one."""
        logits: Tensor = model(**self.read_by(model, self.batch), use_cache=False).logits
        return logits

    def read_by(self, model: PreTrainedModel, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """A batch in the token ids of `model`, which may have lost some."""
        fewer = token_ids.Renumbering.of(self.graph.groups, plan_of(model) or PruningPlan())
        return dict(batch) if fewer is None else fewer.renumber_batch(batch)

    def returned(self, paths: Iterable[str]) -> dict[str, int]:
        """How many values the modules at these paths return, a tensor being one; without those that do not run."""
        return returned(self.model, paths, lambda: self.logits(self.model))

    @torch.inference_mode()
    def tokens(self, model: PreTrainedModel, way: str) -> Tensor:
        """What `model` generates in a way, eight tokens an input."""
        generator: Any = model
        kept = copy.deepcopy(generator.generation_config)  # which some models change when they generate
        try:
            with torch.random.fork_rng(devices=()):
                torch.manual_seed(0)
                inputs = self.read_by(model, copy.deepcopy(self.inputs))
                tokens: Tensor = generator.generate(**inputs, **LENGTH, **WAYS[way])
        finally:
            generator.generation_config = kept
        return tokens

    @cached_property
    def ways(self) -> dict[str, str]:
        """The ways in which the dense model itself cannot generate, each with its error."""
        cannot = {}
        for way in WAYS:
            try:
                self.tokens(self.model, way)
            except Exception as error:  # whatever a model raises that was not made for this way
                cannot[way] = error_line(error, LONGEST)
        return cannot

    def masked(self, plan: PruningPlan) -> Any:
        """The model masked by `plan`, as a context."""
        return masked(self.model, self.graph.groups, plan)

    def cut(self, plan: PruningPlan, model: PreTrainedModel | None = None, before: PruningPlan | None = None) -> Any:
        """A cut copy of the model, or of `model`, which was cut to `before`."""
        copied = copy.deepcopy(self.model if model is None else model)
        return cut(copied, plan, self.adapter, self.graph, self.config, before)


def returned(model: nn.Module, paths: Iterable[str], run: Callable[[], object]) -> dict[str, int]:
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

    What a checkpoint does not hold, as sinusoidal positions, is computed when a model is built and stays as it is.
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
    """The plan without the hidden dimensions of a stack where none of them is left in the whole model."""
    lost = {group.name for group in groups if group.kind is Kind.HIDDEN and not plan.of(group)}
    return PruningPlan({name: ids for name, ids in plan.kept.items() if name not in lost})


def _some(group: PruningGroup, chance: random.Random) -> tuple[int, ...]:
    some = tuple(unit for unit in group.ids if chance.random() < 0.5)
    if group.kind in (Kind.HEADS, Kind.FFN):
        return chance.choice((some, some, some, (), group.ids))
    return some or group.ids[-1:]


def random_plans(groups: Sequence[PruningGroup], count: int) -> Iterator[PruningPlan]:
    """So many plans, the same ones each time."""
    return (random_plan(groups, seed) for seed in range(count))
