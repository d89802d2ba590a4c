"""Lists of layers, found by the keys with which they grow."""

import pytest

from prunekit import PrunekitError
from prunekit.scaffold.layers import find_layers, side_of
from prunekit.scaffold.sizes import ModelKind, kind_of


@pytest.mark.parametrize(
    ("model_type", "paths", "depths"),
    [
        ("bart", ("model.encoder.layers", "model.decoder.layers"), (("encoder_layers",), ("decoder_layers",))),
        ("t5", ("encoder.block", "decoder.block"), (("num_layers",), ("num_decoder_layers",))),
        (
            "prophetnet",
            ("prophetnet.encoder.layers", "prophetnet.decoder.layers"),
            (("num_encoder_layers",), ("num_decoder_layers",)),
        ),
    ],
)
def test_the_layers_of_both_stacks(model_type, paths, depths):
    missing = []
    found = find_layers(kind_of(model_type), missing)
    assert tuple(layers.path for layers in found) == paths
    assert tuple(layers.depth[:1] for layers in found) == depths
    assert tuple(layers.name for layers in found) == ("encoder", "decoder")
    assert missing == []


def test_keys_of_a_stacks_own_config_are_found():
    """A T5's decoder counts its layers in a copy of the config, by the encoder's key."""
    _, decoder = find_layers(kind_of("t5"), [])
    assert decoder.own_depth == ("num_layers",)


@pytest.mark.parametrize(
    ("path", "side"),
    [("model.encoder.layers", "encoder"), ("decoder.bert.encoder.layer", "decoder"), ("text_decoder.x", "decoder")],
)
def test_the_side_of_a_path_is_its_first_part_that_names_one(path, side):
    assert side_of(path) == side
    assert side_of("model.layers") is None


def test_a_model_whose_layers_do_not_grow():
    class Stuck(ModelKind):
        def build(self, **changes):
            return super().build()

    with pytest.raises(PrunekitError, match=r"No list of layers under an encoder of Bart\w+ grows with any of enc"):
        find_layers(Stuck(*kind_of("bart")), [])
