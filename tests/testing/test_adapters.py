"""The suite for adapters: a check that fails, one that is skipped, and one that holds."""

import pytest
from transformers import BartConfig

from prunekit import plugins
from prunekit.conformance import CHECKS, Check, Skip
from prunekit.errors import PrunekitError
from prunekit.testing import AdapterSuite
from prunekit.testing.models import BART_SIZES, VOCABULARY


class TestIt(AdapterSuite):
    adapter = plugins.load(plugins.ADAPTERS, "bart")
    config = BartConfig(vocab_size=VOCABULARY, **BART_SIZES)

    @pytest.mark.parametrize("check", [check for check in CHECKS if check.id in ("trace", "declared", "counted")])
    def test_adapter(self, model_under_test, check):
        """A few checks here; all of them run where the families are tested."""
        super().test_adapter(model_under_test, check)

    def test_the_model_is_built_once(self, model_under_test, request):
        assert model_under_test.adapter.__class__ is self.adapter
        assert request.getfixturevalue("model_under_test") is model_under_test


def made(run):
    return Check("toy", run, "say what is true", "Everything is well.")


def test_a_check_that_fails_says_what_must_hold_what_was_found_and_what_to_do():
    def wrong(model):
        raise PrunekitError("two heads are missing")

    with pytest.raises(pytest.fail.Exception) as caught:
        AdapterSuite().test_adapter(None, made(wrong))
    assert str(caught.value) == "Everything is well.\nHere two heads are missing.\nTo mend it, say what is true."


def test_what_an_architecture_does_not_offer_is_skipped_with_the_reason():
    def missing(model):
        raise Skip("it has no heads")

    with pytest.raises(pytest.skip.Exception, match="it has no heads"):
        AdapterSuite().test_adapter(None, made(missing))


def test_other_errors_are_those_of_the_check_itself():
    with pytest.raises(ZeroDivisionError):
        AdapterSuite().test_adapter(None, made(lambda model: 1 / 0))


def test_every_check_is_run():
    (mark,) = AdapterSuite.test_adapter.pytestmark
    assert mark.args == ("check", CHECKS)
    assert len({check.id for check in CHECKS}) == len(CHECKS) > 20
