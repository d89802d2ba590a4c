"""Choosing layers: options read as promised, and a search that finds what trying everything finds."""

from itertools import combinations
from types import SimpleNamespace

import pytest

from prunekit.errors import PrunekitError
from prunekit.find.groups import Kind, PruningGroup
from prunekit.learn.selection.layer_search import checked_layers, layers_by_loss, search_layers
from prunekit.learn.strategy import Problem


def problem(ids):
    layers = PruningGroup("decoder.layers", Kind.LAYERS, "decoder", tuple(ids), path="decoder.block")
    return Problem((layers,), {}, {})


def test_a_number_is_evenly_spaced_and_a_list_is_taken_as_it_is():
    assert checked_layers(problem(range(12)), "decoder", 3) == (0, 5, 11)
    assert checked_layers(problem(range(12)), "decoder", [7, 2, 7]) == (2, 7)


def test_layers_of_a_model_that_was_cut_are_named_as_in_the_original():
    assert checked_layers(problem((0, 3, 7, 11)), "decoder", 2) == (0, 11)
    with pytest.raises(PrunekitError, match=r"names layer 5; the decoder has the layers \[0, 3, 7, 11\]"):
        checked_layers(problem((0, 3, 7, 11)), "decoder", [5])


@pytest.mark.parametrize("wanted", [0, 5, -1])
def test_a_number_out_of_reach_is_refused(wanted):
    with pytest.raises(PrunekitError, match=f"decoder_layers is {wanted}, but the decoder has 4 layers"):
        checked_layers(problem(range(4)), "decoder", wanted)


def test_an_empty_list_is_refused():
    with pytest.raises(PrunekitError, match="decoder_layers is empty; name at least one"):
        checked_layers(problem(range(4)), "decoder", [])


@pytest.mark.parametrize(("layers", "count"), [(6, 1), (6, 3), (12, 2), (12, 12), (12, 10)])
def test_few_choices_are_all_tried(layers, count):
    """A loss in which layers hang together, so that no layer is good by itself."""
    values = {choice: hash((7, *choice)) % 9973 for choice in combinations(range(layers), count)}
    found = search_layers(tuple(range(layers)), count, lambda some: [values[kept] for kept in some])
    assert found == min(values, key=values.__getitem__)


def test_equal_losses_give_the_first_choice():
    assert search_layers((0, 1, 2, 3), 2, lambda some: [1.0] * len(some)) == (0, 1)


def test_of_many_choices_the_search_finds_the_best_where_layers_add_up():
    """24 layers to 6 are 134,596 choices; with a loss that adds up, dropping the least useful is exact."""
    worth = [(n * 37) % 101 for n in range(24)]
    asked = []

    def losses(some):
        asked.extend(some)
        return [-sum(worth[n] for n in kept) for kept in some]

    best = sorted(range(24), key=lambda n: -worth[n])[:6]
    assert search_layers(tuple(range(24)), 6, losses) == tuple(sorted(best))
    assert len(asked) < 1000


def test_the_dev_loss_decides_over_plans_in_the_originals_numbers():
    asked = {}

    def losses(plans):
        kept = [plan.kept["decoder.layers"] for plan in plans]
        return [asked.setdefault(some, float(set(some) != {3, 11})) for some in kept]

    assert layers_by_loss(problem((0, 3, 7, 11)), SimpleNamespace(losses=losses), "decoder", 2) == (3, 11)
    assert len(asked) == 6
    with pytest.raises(PrunekitError, match="decoder_layers is 9"):
        layers_by_loss(problem(range(4)), SimpleNamespace(losses=losses), "decoder", 9)
