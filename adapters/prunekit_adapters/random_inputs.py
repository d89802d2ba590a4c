"""Random inputs, the same each time, for encoders that read audio, features or pixels instead of tokens."""

import torch
from torch import Tensor

SAMPLES = 4000
"""The length of each recording."""
UNPADDED = 2500
"""How much of every other recording is not padding."""


def random_features(*shape: int) -> Tensor:
    """Normally distributed numbers of this shape."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def random_audio(rows: int) -> dict[str, Tensor]:
    """What a model of raw audio reads: samples of shape [rows, 4000] with their mask."""
    mask = torch.ones(rows, SAMPLES, dtype=torch.long)
    mask[1::2, UNPADDED:] = 0
    return {"input_values": random_features(rows, SAMPLES), "attention_mask": mask}
