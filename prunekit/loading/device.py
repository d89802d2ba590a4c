"""The device to work on."""

import torch

from prunekit.errors import PrunekitError


def device_of(name: str) -> str:
    """The device to work on; ``auto`` is the GPU where there is one."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=name).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise PrunekitError(f"The device {name!r} cannot be used here; choose auto, cpu or another one.") from error
    return name
