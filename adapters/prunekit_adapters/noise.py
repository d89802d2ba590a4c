"""Random inputs, the same each time, for encoders that read sound, features or pixels instead of tokens."""

import torch

SAMPLES, HEARD = 4000, 2500
"""How long a sound is, and how much of every other one is not padding."""


def noise(*shape):
    """Normally distributed numbers."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def sounds(rows):
    """What a model of raw sound takes: samples of shape [rows, 4000] with their mask."""
    mask = torch.ones(rows, SAMPLES, dtype=torch.long)
    mask[1::2, HEARD:] = 0
    return {"input_values": noise(rows, SAMPLES), "attention_mask": mask}
