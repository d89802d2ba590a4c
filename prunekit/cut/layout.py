"""Layouts: a plan made concrete, and the one interpreter that gives a stock model its shapes. Needs torch alone."""

import copy
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from prunekit.cut.empty_matrices import EmptyMatrix, empty_matrices
from prunekit.cut.module_overrides import ATTACHED, ModuleOverride, from_data


@dataclass
class Layout:
    """What a cut model has that its stock class does not, as data; names are those of the cut model.

    `shapes` holds every parameter shape that the stock model does not have, `attributes` what to set on which module,
    `overrides` which modules do something in another way.
    Example: ``Layout(shapes={"encoder.block.0.layer.0.SelfAttention.q.weight": [96, 128], ...})``.
    """

    shapes: dict[str, list[int]] = field(default_factory=dict)
    attributes: dict[str, dict[str, Any]] = field(default_factory=dict)
    overrides: list[ModuleOverride] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for a config."""
        overrides = [override.to_dict() for override in self.overrides]
        return {"shapes": self.shapes, "attributes": self.attributes, "overrides": overrides}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Layout":
        """The layout that `to_dict` described."""
        return cls(data["shapes"], data["attributes"], [from_data(each) for each in data["overrides"]])


def install(model: nn.Module, layout: Layout) -> None:
    """Give `model` the shapes, attributes and overrides of `layout`; values of parameters that change shape are lost.

    Parameters that have their shape already keep their values, so the same call serves a model that was just cut and
    one that was just built. Overrides of an earlier layout are removed first.
    """
    uninstall(model)
    holders = parameter_holders(model)
    for name, shape in layout.shapes.items():
        old = model.get_parameter(name)
        if list(old.shape) != shape:
            replace_parameter(holders, old, torch.empty(shape, dtype=old.dtype, device=old.device))
    for path, values in layout.attributes.items():
        module = model.get_submodule(path)
        for attribute, value in values.items():
            _set(module, attribute, value)
    for override in layout.overrides:
        from_data(override.to_dict()).attach(model)  # a new one, since a layout may serve many models
    for path in empty_matrices(model):
        EmptyMatrix(path).attach(model)


def uninstall(model: nn.Module) -> None:
    """Detach every override that `install` attached to `model`."""
    for module in model.modules():
        for override in vars(module).pop(ATTACHED, ()):
            override.detach(module)


def _set(module: nn.Module, attribute: str, value: Any) -> None:
    """Set an attribute of `module`; of ``config.n`` on a copy of the config, which other modules may share."""
    holder, _, leaf = attribute.rpartition(".")
    if holder:
        setattr(module, holder, copy.copy(getattr(module, holder)))
    setattr(getattr(module, holder) if holder else module, leaf, value)


Holders = dict[int, list[tuple[nn.Module, str]]]
"""The modules that hold a parameter, each with the name it has there, by the parameter's identity."""


def parameter_holders(model: nn.Module) -> Holders:
    """Which modules hold which parameter; a tied one has several holders."""
    found: Holders = {}
    for module in model.modules():
        for leaf, parameter in module.named_parameters(recurse=False, remove_duplicate=False):
            found.setdefault(id(parameter), []).append((module, leaf))
    return found


def replace_parameter(holders: Holders, old: nn.Parameter, values: torch.Tensor) -> None:
    """Replace a parameter by `values` in every module that holds it, so that it is still tied."""
    new = nn.Parameter(values, requires_grad=old.requires_grad)
    holders[id(new)] = holders.pop(id(old))
    for module, leaf in holders[id(new)]:
        setattr(module, leaf, new)
        update_sizes(module)


def update_sizes(module: nn.Module) -> None:
    """Make the sizes that a layer notes agree with its weight."""
    if isinstance(module, nn.Linear):
        module.out_features, module.in_features = module.weight.shape
    elif isinstance(module, nn.Conv1d | nn.Conv2d):
        module.out_channels = module.weight.shape[0]
        module.in_channels = module.weight.shape[1] * module.groups
    elif isinstance(module, nn.Embedding):
        module.num_embeddings, module.embedding_dim = module.weight.shape
    elif isinstance(module, nn.LayerNorm):
        module.normalized_shape = tuple(module.weight.shape)
