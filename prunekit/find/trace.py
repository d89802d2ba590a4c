"""Which dimensions of which parameters must be cut together: torch-pruning's graph, read on a skeleton."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
import torch_pruning as tp
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

from prunekit._support.hooks import HookSet
from prunekit._support.modes import evaluation_mode
from prunekit.errors import PrunekitError
from prunekit.find.adapter import Adapter

Node = tuple[str, int]
"""One dimension of one parameter: ``("encoder.block.0.layer.0.SelfAttention.q.weight", 0)``."""


class Constant(NamedTuple):
    """A module outside the layers that gives what no gradient reaches, as sinusoidal positions do, and its width."""

    path: str
    width: int


class Traced(NamedTuple):
    """Dimensions that must be cut together, and the constants that are added to them unseen."""

    components: list[frozenset[Node]]
    constants: tuple[Constant, ...]


def trace(adapter: Adapter, model: PreTrainedModel) -> Traced:
    """The coupled dimensions of `model`, which should be small and lie on the CPU; its own state does not change.

    torch-pruning follows autograd, so a frozen parameter ends the trail: that is how the adapter's `cuts` are made, and
    why every other parameter must require gradients here, but for what is computed when a model is built, as Marian's
    sinusoidal positions. Only membership is read; its index mapping is not used.
    """
    frozen = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    computed = {name for name in getattr(model, "_keys_to_ignore_on_save", None) or () if not frozen.get(name, True)}
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name not in computed and not any(cut in name for cut in adapter.cuts))
    try:
        layers = [stack.path for stack in adapter.stacks(model.config)]
        with evaluation_mode(model, gradients=True), _constants(model, layers) as constants:
            groups = list(_groups(adapter, model))
    finally:
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(frozen[name])
    if len(groups) < 2:
        name = type(model).__name__
        raise PrunekitError(f"Tracing {name} found no couplings; does its forward pass run under no_grad?")
    return Traced(groups, tuple(dict.fromkeys(constants)))


def build_skeleton(adapter: Adapter, config: PretrainedConfig) -> PreTrainedModel:
    """The shallow, narrow model that is traced in place of the one that `config` describes: in float32, on the CPU.

    Its attentions are written out in single operations, which a fused one would hide.
    """
    small: Any = adapter.build(adapter.skeleton(config), "cpu")
    small.set_attn_implementation("eager")
    skeleton: PreTrainedModel = small.float()  # whatever precision the config asks for
    return skeleton


PRIVATE = ("_detect_unwrapped_parameters", "_trace", "_build_dependency")
"""Methods of torch-pruning's graph that it does not promise to keep; its versions from 1.6 on have them."""


class _Couplings(tp.DependencyGraph):  # type: ignore[misc]  # a class without types
    """torch-pruning's graph, of which only the edges are used.

    Its own `build_dependency` goes on to map every index through every operation, which fails where parameters are
    concatenated.
    """

    def __init__(self, model: PreTrainedModel, inputs: dict[str, Any]):
        missing = [name for name in PRIVATE if not hasattr(tp.DependencyGraph, name)]
        if missing:
            raise PrunekitError(
                f"The installed torch-pruning has no DependencyGraph.{missing[0]}, by which models are traced; "
                "install 'torch-pruning~=1.6.1'."
            )
        super().__init__()
        self.model = model
        self.verbose = False
        self.ignored_params: list[nn.Parameter] = []
        self._module2name = {module: name for name, module in model.named_modules()}
        self._param_to_name, self.unwrapped_parameters = self._detect_unwrapped_parameters(None)
        self.module2node = self._trace(model, inputs, None, output_transform=lambda output: output.logits)
        self._build_dependency(self.module2node)


def _groups(adapter: Adapter, model: PreTrainedModel) -> Iterator[frozenset[Node]]:
    """Every set of parameter dimensions that must be cut together."""
    with torch.enable_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.captureWarnings(False)
        graph = _Couplings(model, example_inputs(adapter, model))
        names = {id(p): name for name, p in model.named_parameters()}
        modules = {id(m): name for name, m in model.named_modules()}
        seen: set[Any] = set()
        for module, node in graph.module2node.items():
            if isinstance(module, nn.Linear | nn.Conv1d) and module not in seen:
                found = _triggered(node, graph.get_pruner_of_module(module).prune_out_channels)
                seen.update(each.module for each, handler in found if graph.is_out_channel_pruning_fn(handler))
                yield frozenset(
                    name for each, handler in found for name in _nodes(each.module, handler, names, modules)
                )


@contextmanager
def _constants(model: PreTrainedModel, layers: Sequence[str]) -> Iterator[list[Constant]]:
    """Collects, while `model` runs, its leaf modules outside the layers whose output no gradient reaches."""
    inside = tuple(f"{path}." for path in layers)
    found: list[Constant] = []

    def watch(path: str) -> Any:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            if isinstance(output, torch.Tensor) and output.is_floating_point() and not output.requires_grad:
                found.append(Constant(path, output.shape[-1]))

        return hook

    leaves = ((n, m) for n, m in model.named_modules() if not n.startswith(inside) and not list(m.children()))
    with HookSet() as hooks:
        for path, module in leaves:
            hooks.after(module, watch(path))
        yield found


def _triggered(node: Any, handler: Any) -> set[tuple[Any, Any]]:
    """Every (node, way of pruning it) that pruning `node` by `handler` entails, itself included.

    torch-pruning's own search maps indices on the way, and never ends where they are permuted, as rotary embeddings do.
    """
    found = {(node, handler)}
    open_ends = [(node, handler)]
    while open_ends:
        node, handler = open_ends.pop()
        for dep in node.dependencies:
            if dep.is_triggered_by(handler) and (dep.target, dep.handler) not in found:
                found.add((dep.target, dep.handler))
                open_ends.append((dep.target, dep.handler))
    return found


def example_inputs(adapter: Adapter, model: PreTrainedModel) -> dict[str, Any]:
    """Inputs of one example for a forward pass of `model`, without a cache, which would hide couplings."""
    ids = torch.tensor([[3, 4, 5, 6]])
    return {**adapter.encoder_inputs(model.config, 1), "decoder_input_ids": ids, "use_cache": False}


def _nodes(target: Any, handler: Any, names: dict[int, str], modules: dict[int, str]) -> Iterator[Node]:
    """The parameter dimensions behind one entry of a torch-pruning group; operations without parameters have none."""
    if isinstance(target, nn.Parameter):
        yield names[id(target)], target.dim() - 1
    elif id(target) in modules and getattr(target, "weight", None) is not None:
        yield from _module_nodes(target, modules[id(target)], inputs=handler.__name__ == "prune_in_channels")


def _module_nodes(module: Any, name: str, inputs: bool) -> Iterator[Node]:
    """The dimensions of a module's weight and bias that its `inputs`, or else its outputs, run along."""
    if isinstance(module, nn.Embedding):
        yield f"{name}.weight", 1
        return
    vector = module.weight.dim() == 1
    yield f"{name}.weight", 1 if inputs and not vector else 0
    if getattr(module, "bias", None) is not None and (not inputs or vector):
        yield f"{name}.bias", 0
