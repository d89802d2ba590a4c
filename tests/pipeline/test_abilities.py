"""Abilities that a cut takes: all of the heads that time words, some of them, or none."""

import copy
import logging

import pytest
from transformers import GenerationConfig

from prunekit import PruningPlan, prune
from prunekit.pipeline.abilities import lost_abilities
from prunekit_adapters.bart import Bart


def generation(heads):
    config = GenerationConfig()
    if heads is not None:
        config.alignment_heads = heads
    return config


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ([[2, 0], [2, 3]], None, "timestamps are lost: all heads that time words (2, in alignment_heads)"),
        ([[2, 0], [2, 3]], [], "timestamps are lost"),
        ([[2, 0], [2, 3]], [[0, 0]], "1 of the 2 heads"),
        ([[2, 0]], [[0, 0]], None),
        (None, None, None),
    ],
)
def test_heads_that_time_words(before, after, sentence):
    found = list(lost_abilities(Bart(), generation(before), generation(after)))
    assert len(found) == (sentence is not None)
    assert all(sentence in each for each in found)


@pytest.mark.parametrize(("kept", "said"), [((0,), True), ((1,), False)])
def test_pruning_without_a_run_warns_too(bart, kept, said, caplog):
    model = copy.deepcopy(bart)
    model.generation_config.alignment_heads = [[1, 0]]
    with caplog.at_level(logging.WARNING):
        prune(model, PruningPlan({"decoder.layers": kept}), Bart())
    assert ("Word timestamps are lost" in caplog.text) is said
