"""Devices by name."""

import pytest
import torch

from prunekit import PrunekitError
from prunekit.loading.device import device_of


def test_devices():
    assert device_of("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
    assert device_of("cpu") == "cpu"
    for name in ("gpu", "meta", "cuda:99"):
        with pytest.raises(PrunekitError, match=f"The device '{name}' cannot be used here"):
            device_of(name)
