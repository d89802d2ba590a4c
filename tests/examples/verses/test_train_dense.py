"""Growing a decoder: the copies of a layer together do what that layer did."""

import pytest
import torch


@pytest.fixture(scope="module")
def script(load):
    return load("verses/train_dense.py")


def test_copies_add_up_to_the_layer_they_come_from(script):
    torch.manual_seed(0)
    shallow = script.build_model(64, script.SHALLOW).eval()
    deep = script.grow(shallow).eval()
    assert (len(shallow.decoder.block), len(deep.decoder.block)) == (3, 12)
    states = torch.randn(2, 5, 128)
    for number, layer in enumerate(shallow.decoder.block):
        copies = deep.decoder.block[4 * number : 4 * number + 4]
        whole = layer.layer[2](states) - states
        parts = sum(copy.layer[2](states) - states for copy in copies)
        assert torch.allclose(parts, whole, atol=1e-5)
        assert whole.abs().max() > 1e-2


def test_all_else_is_as_it_was(script):
    torch.manual_seed(0)
    shallow = script.build_model(64, script.SHALLOW).eval()
    deep = script.grow(shallow).eval()
    ids = torch.randint(3, 64, (2, 6))
    with torch.no_grad():
        assert torch.equal(deep.encoder(ids).last_hidden_state, shallow.encoder(ids).last_hidden_state)
    assert torch.equal(deep.lm_head.weight, shallow.lm_head.weight)
    table = "decoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
    assert torch.equal(deep.get_parameter(table), shallow.get_parameter(table))
    assert deep.shared.weight is deep.decoder.embed_tokens.weight
