"""What a training came to, in a file, so that a run that is resumed need not repeat it."""

from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import nn


def save_phase(model: nn.Module, path: Path) -> None:
    """Every parameter and buffer once, gates included, in one step."""
    seen: dict[int, str] = {}
    tensors = {}
    for name, tensor in model.state_dict().items():
        if tensor.numel() == 0 or seen.setdefault(tensor.data_ptr(), name) == name:
            tensors[name] = tensor.detach().cpu().contiguous()
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    save_file(tensors, draft)
    draft.replace(path)


def load_phase(model: nn.Module, path: Path) -> None:
    """What `save_phase` wrote, back into the same model; ties fill the names that were stored once."""
    model.load_state_dict(load_file(path), strict=False)
    model.train(False)
