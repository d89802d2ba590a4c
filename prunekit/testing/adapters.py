"""The kit for adapters: a suite of checks that an outsider's test file uses in three lines."""

from typing import ClassVar

import pytest
import torch
from transformers import PretrainedConfig

from prunekit.conformance import CHECKS, Check, ModelUnderTest, Skip
from prunekit.errors import PrunekitError
from prunekit.find.adapter import Adapter


class AdapterSuite:
    """What every adapter must hold, on a tiny model with large random weights.

    A test file of three lines is enough; three encoder and four decoder layers show the most:

        class TestPegasus(AdapterSuite):
            adapter = Pegasus
            config = PegasusConfig(d_model=32, encoder_layers=3, decoder_layers=4, vocab_size=60, ...)

    Each check has an id, a sentence for what must hold, and one for what to change where it does not. What an
    architecture does not offer (heads to cut, say, or generating with a static cache) is skipped by name.
    """

    adapter: ClassVar[type[Adapter]]
    config: ClassVar[PretrainedConfig]
    dtype: ClassVar[torch.dtype] = torch.float64
    """The weights' precision; float32 for models that have no other."""
    tolerance: ClassVar[float] = 1e-5
    """How far logits may differ, relative to the largest."""

    @pytest.fixture
    def model_under_test(self) -> ModelUnderTest:
        """The tiny model, built once for all checks."""
        kind = type(self)
        if kind not in _BUILT:
            _BUILT[kind] = ModelUnderTest.tiny(kind.adapter(), kind.config, kind.dtype, kind.tolerance)
        return _BUILT[kind]

    @pytest.mark.parametrize("check", CHECKS, ids=[check.id for check in CHECKS])
    def test_adapter(self, model_under_test: ModelUnderTest, check: Check) -> None:
        """One check holds."""
        try:
            check.run(model_under_test)
        except Skip as reason:
            pytest.skip(str(reason))
        except PrunekitError as error:
            pytest.fail(f"{check.holds}\nHere {error}.\nTo mend it, {check.mend}.", pytrace=False)


_BUILT: dict[type[AdapterSuite], ModelUnderTest] = {}
