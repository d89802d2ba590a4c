"""All checks with their outcomes, on a model whose adapter is right, and on one that cannot be traced."""

import pytest
from transformers import BartConfig

from prunekit import PrunekitError, PruningPlan
from prunekit.conformance import CHECKS, ModelUnderTest, examine
from prunekit.conformance.examine import Outcome, open_model_under_test
from prunekit.cut import checkpoint
from prunekit.testing.models import BART_SIZES
from prunekit_adapters.bart import Bart

CONFIG = BartConfig(**{**BART_SIZES, "vocab_size": 60})


@pytest.fixture
def few(monkeypatch):
    """The first checks alone, and one that needs groups."""
    chosen = [check for check in CHECKS if check.id in ("trace", "names", "loud", "ffn")]
    monkeypatch.setattr(examine, "CHECKS", chosen)
    return chosen


def test_a_right_adapter(few):
    seen = []
    findings = examine.examine(
        ModelUnderTest.tiny(Bart(), CONFIG), {"loud": "not asked"}, lambda done, total: seen.append((done, total))
    )
    assert [(each.check.id, each.outcome.value) for each in findings] == [
        ("trace", "ok"),
        ("names", "ok"),
        ("loud", "skipped"),
        ("ffn", "ok"),
    ]
    assert findings[2].why == "not asked"
    assert seen == [(n, 4) for n in range(1, 5)]
    assert all(each.seconds >= 0 for each in findings)


class Unclaimed(Bart):
    """A BART whose decoder is said to have no feed-forward layer."""

    def stacks(self, config):
        encoder, decoder = super().stacks(config)
        object.__setattr__(decoder, "roots", decoder.roots[:-1])
        return encoder, decoder


def test_without_groups_nothing_else_can_be_checked(few):
    findings = examine.examine(ModelUnderTest.tiny(Unclaimed(), CONFIG))
    assert findings[0].outcome is Outcome.FAILED
    assert "fc1" in findings[0].why
    assert {(each.outcome, each.why) for each in findings[1:]} == {
        (Outcome.SKIPPED, "cannot be made while 'trace' fails")
    }


def test_a_failing_check_says_why(few):
    class Narrow(Bart):
        def head_size(self, config, stack):
            return super().head_size(config, stack) // 2

    names = examine.examine(ModelUnderTest.tiny(Narrow(), CONFIG))[1]
    assert names.outcome is Outcome.FAILED
    assert "num_heads is 4, where 8 was expected" in names.why


def test_a_pruned_model_is_refused(case, tmp_path):
    checkpoint.save(case("bart").cut(PruningPlan({"encoder.0.ffn": ()})), tmp_path / "small")
    with pytest.raises(PrunekitError, match="holds a model that was pruned before; check the dense model"):
        open_model_under_test(str(tmp_path / "small"))
