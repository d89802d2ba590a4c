"""The kit for adapters: a suite of checks that an outsider's test file takes over in three lines."""

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

    Every check has an id, a sentence that says what holds, and one that says what to mend where it does not. What an
    architecture does not offer (heads to cut, say, or generating with a static cache) is skipped by name.
    """

    adapter: ClassVar[type[Adapter]]
    config: ClassVar[PretrainedConfig]
    dtype: ClassVar[torch.dtype] = torch.float64
    """The weights' precision; float32 for models that know no other."""
    tolerance: ClassVar[float] = 1e-5
    """How far logits may differ, relative to the largest."""

    @pytest.fixture
    def specimen(self) -> ModelUnderTest:
        """The tiny model, built once for all checks."""
        kind = type(self)
        if kind not in _SPECIMENS:
            _SPECIMENS[kind] = ModelUnderTest.tiny(kind.adapter(), kind.config, kind.dtype, kind.tolerance)
        return _SPECIMENS[kind]

    @pytest.mark.parametrize("check", CHECKS, ids=[check.id for check in CHECKS])
    def test_adapter(self, specimen: ModelUnderTest, check: Check) -> None:
        """One check holds."""
        try:
            check.run(specimen)
        except Skip as reason:
            pytest.skip(str(reason))
        except PrunekitError as error:
            pytest.fail(f"{check.holds}\nHere {error}.\nTo mend it, {check.mend}.", pytrace=False)


_SPECIMENS: dict[type[AdapterSuite], ModelUnderTest] = {}
