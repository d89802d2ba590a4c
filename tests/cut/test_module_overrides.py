"""What hooks of a cut model keep between calls can be trained with, whatever the model was first used for."""

import torch

from prunekit.cut.module_overrides import Indices


def test_an_index_that_generation_took_to_the_device_can_be_trained_with():
    """The meta device stands in for an accelerator, to which the index moves at its first use."""
    indices = Indices(0, [2, 0])
    with torch.inference_mode():
        indices.select(torch.empty(3, 2, device="meta"))
    whole = torch.empty(3, 2, device="meta", requires_grad=True)
    indices.select(whole).sum().backward()
    assert whole.grad is not None
    assert indices.index.device.type == "meta"
