"""Linear layers without rows or without columns, kept away from whoever multiplies or quantises. Needs torch alone."""

from dataclasses import dataclass

import torch
from torch import nn

from prunekit.cut.module_overrides import ModuleOverride


class EmptyLinear(nn.Module):
    """What a linear layer without rows or without columns computes: nothing, or its bias.

    It holds the same parameters and multiplies none of them, and is no `nn.Linear`, so that nobody quantises or packs
    a matrix of no elements. Example: one of 0 columns and 16 rows makes of [2, 7, 0] its bias, 14 times.
    """

    in_features: int
    out_features: int
    weight: nn.Parameter
    bias: nn.Parameter | None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[..., rows]; what lies before gets gradients of zero."""
        values = nn.functional.pad(x[..., :0], (0, self.out_features))
        return values if self.bias is None or not self.out_features else values + self.bias

    def extra_repr(self) -> str:
        """As of a linear layer."""
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


@dataclass
class EmptyMatrix(ModuleOverride):
    """A linear layer without rows or without columns becomes an `EmptyLinear`. No layout names it: shapes say it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.stock: type[nn.Module] | None = None

    def hook(self, module: nn.Module) -> None:
        """By its class, so that hooks and parameters stay where they are."""
        self.stock = type(module)
        module.__class__ = EmptyLinear

    def detach(self, module: nn.Module) -> None:
        """Give the class back."""
        super().detach(module)
        if self.stock is not None:
            module.__class__ = self.stock


def empty_matrices(model: nn.Module) -> list[str]:
    """The paths of linear layers without rows or without columns."""
    linear = [(path, module) for path, module in model.named_modules() if isinstance(module, nn.Linear)]
    return [path for path, module in linear if not module.weight.numel()]
