"""The optimizer of trainings: Muon for the matrices of the layers, AdamW for all other weights, as one optimizer."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from torch.optim import AdamW, Optimizer

from prunekit.learn.training.stacked_muon import StackedMuon


class MuonAdamW(Optimizer):
    """Muon (`StackedMuon`) for weight matrices and `torch.optim.AdamW` for the rest, as one optimizer.

    Muon orthogonalises the momentum of a whole matrix, with which small transformers learn in fewer steps than with
    AdamW's element-wise scaling. It is not meant for embeddings, output projections or vectors: AdamW trains those. The
    two share their parameter groups with this object, so that schedulers and gradient scalers see one optimizer.

    Example: of a T5 with 2 layers of 4 + 2 matrices, Muon trains 12 matrices, and AdamW `shared` and the norms.
    """

    def __init__(
        self,
        matrices: Iterable[nn.Parameter],
        groups: Iterable[dict[str, Any]],
        lr: float,
        precision: torch.dtype = torch.float32,
        weight_decay: float = 0.0,
    ):
        options: dict[str, Any] = {"weight_decay": weight_decay, "adjust_lr_fn": "match_rms_adamw"}
        self.matrices = StackedMuon(matrices, precision, lr=lr, **options)
        self.others = AdamW(list(groups), lr=lr, weight_decay=0.0)
        super().__init__(self.matrices.param_groups + self.others.param_groups, {"lr": lr})
        self.param_groups = self.matrices.param_groups + self.others.param_groups

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """One step of both parts."""
        loss = None if closure is None else closure()
        self.matrices.step()
        self.others.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        """Both parts' states, under their names."""
        return {"matrices": self.matrices.state_dict(), "others": self.others.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state that `state_dict` returned; the groups are still shared with both parts."""
        self.matrices.load_state_dict(state_dict["matrices"])
        self.others.load_state_dict(state_dict["others"])
        self.param_groups = self.matrices.param_groups + self.others.param_groups


def separate_matrices(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """The trainable weights of linear layers inside `model`'s blocks, and every other trainable parameter.

    The output projection counts as an embedding: its rows are words, not a linear map between features.
    """
    head = getattr(model, "get_output_embeddings", lambda: None)()
    linear: list[Any] = [m.weight for m in model.modules() if isinstance(m, nn.Linear) and m is not head]
    matrices = [w for w in linear if w.requires_grad and w.numel()]
    taken = {id(weight) for weight in matrices}
    rest = [p for p in model.parameters() if p.requires_grad and id(p) not in taken]
    return matrices, rest
