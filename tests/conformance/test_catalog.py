"""The list of checks: ids that outsiders meet, a property and a remedy for each, and what fails on a wrong adapter."""

import inspect

import pytest
from transformers import BartConfig

from prunekit.conformance import CHECKS, ModelUnderTest, declared, failures, laws, structure
from prunekit.conformance.model_under_test import WAYS
from prunekit.testing.models import BART_SIZES
from prunekit_adapters.bart import Bart

IDS = """trace names results gathers hints parts sizes whole loud ties numbers alignment heads ffn layers hidden mixed
vocabulary first empty twice generate-greedy generate-uncached generate-beam generate-sampled generate-static beams
padded saved portable plain"""


def specimen(adapter):
    return ModelUnderTest.tiny(adapter(), BartConfig(**{**BART_SIZES, "vocab_size": 60}))


def test_the_ids_are_those_that_outsiders_know():
    assert [check.id for check in CHECKS] == IDS.split()


def test_each_check_says_what_holds_and_how_to_mend_it():
    for check in CHECKS:
        assert check.holds.endswith("."), check.id
        assert check.holds[0].isupper(), check.id
        assert check.mend[0].islower(), check.id
        assert not check.mend.endswith("."), check.id


def test_every_check_that_is_written_is_listed():
    written = {
        function
        for module in (declared, structure, laws)
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and not name.startswith("_")
    }
    listed = {getattr(check.run, "func", check.run) for check in CHECKS}
    assert listed == written


def test_every_way_of_generating_is_checked():
    assert [check.run.keywords["way"] for check in CHECKS if check.id.startswith("generate-")] == list(WAYS)


class NarrowHeads(Bart):
    """A BART whose heads are said to be half as large as they are."""

    def head_size(self, config, stack):
        return super().head_size(config, stack) // 2


class Misnamed(Bart):
    """A BART whose encoder is counted by another key."""

    def stacks(self, config):
        encoder, decoder = super().stacks(config)
        object.__setattr__(encoder, "depth", ("decoder_layers",))
        return encoder, decoder


@pytest.mark.parametrize(
    ("adapter", "failing"), [(Bart, set()), (NarrowHeads, {"names"}), (Misnamed, {"trace", "numbers"})]
)
def test_what_fails_on_a_wrong_declaration(adapter, failing):
    chosen = [check for check in CHECKS if check.id in ("trace", "names", "results", "sizes", "numbers")]
    found = {check.id for check, wrong in failures(specimen(adapter), chosen) if wrong}
    assert found >= failing
    assert bool(found) == bool(failing)
