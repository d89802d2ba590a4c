"""Adapters by model type, and structures from configs alone."""

import pytest
from transformers import NllbMoeConfig, T5Config

from prunekit import PrunekitError
from prunekit.loading.structure import adapter_for, open_structure


def test_an_architecture_without_an_adapter():
    with pytest.raises(PrunekitError, match=r"no adapter for models of type 'nllb-moe' \(`prunekit list adapters`"):
        adapter_for(NllbMoeConfig(), None)
    with pytest.raises(PrunekitError, match="'t5' does not fit a model of type 'nllb-moe'; there is none for it yet"):
        adapter_for(NllbMoeConfig(), "t5")


def test_a_structure_needs_no_weights(tmp_path):
    T5Config(d_model=4096, d_ff=16384, num_heads=64, num_layers=24).save_pretrained(tmp_path)
    structure = open_structure(str(tmp_path))
    groups = {group.name: len(group) for group in structure.graph.groups}
    assert groups["decoder.23.cross.heads"] == 64
    assert structure.graph.size.whole > 4e9
