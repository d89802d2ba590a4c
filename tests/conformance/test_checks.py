"""One check: how it ends, and the small words that checks share."""

import pytest
import torch

from prunekit.conformance.checks import Check, Failure, Skip, difference, need, plan_text
from prunekit.errors import PrunekitError
from prunekit.find.groups import Kind
from prunekit.find.plan import PruningPlan


def raising(error):
    def run(specimen):
        raise error

    return Check("toy", run, "do better", "All is well.")


def test_a_check_that_holds():
    assert Check("toy", lambda specimen: None, "do better", "All is well.").outcome(None) is None


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (Failure("it is wrong"), "it is wrong"),
        (PrunekitError("refused"), "refused"),
        (ValueError("no\n  such thing"), "ValueError: no such thing"),
    ],
)
def test_whatever_a_model_raises_is_what_is_wrong(error, text):
    assert raising(error).outcome(None) == text


def test_what_does_not_apply_is_skipped():
    with pytest.raises(Skip, match="no heads"):
        raising(Skip("no heads")).outcome(None)


def test_differences_are_relative_to_the_largest_value():
    assert difference(torch.tensor([1.0, -4.0]), torch.tensor([1.0, -3.0])) == 0.25


def test_groups_that_are_needed(case):
    specimen = type("Specimen", (), {"groups": lambda self, *kinds: []})()
    with pytest.raises(Skip, match="no heads or ffn to prune"):
        need(specimen, Kind.HEADS, Kind.FFN)


def test_a_plan_is_shown_by_its_first_groups():
    assert plan_text(PruningPlan({"a": (1, 2)})) == "the plan {a: [1, 2]}"
    assert plan_text(PruningPlan({str(n): () for n in range(7)})).endswith("5: [], ...}")
