"""The result of a finished training in a file, so that a resumed run need not repeat the training."""

from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import nn

from prunekit._support.atomic import atomic_write


def save_phase(model: nn.Module, path: Path) -> None:
    """Write every parameter and buffer of `model`, gates included, to one safetensors file, whole or not at all.

    Tensors that share storage (tied weights) are written once, under the first of their names.
    """
    seen: dict[int, str] = {}
    tensors = {}
    for name, tensor in model.state_dict().items():
        if tensor.numel() == 0 or seen.setdefault(tensor.data_ptr(), name) == name:
            tensors[name] = tensor.detach().cpu().contiguous()
    with atomic_write(path) as draft:
        save_file(tensors, draft)


def load_phase(model: nn.Module, path: Path) -> None:
    """Read a file of `save_phase` back into the same model; tied weights fill the names that were not written."""
    model.load_state_dict(load_file(path), strict=False)
    model.train(False)
