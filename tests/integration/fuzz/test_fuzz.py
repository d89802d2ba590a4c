"""Whole runs of recipes drawn at random: every one ends rightly or with a sentence. ``make fuzz`` draws 300 of them."""

import os

import pytest
from fuzz_outcomes import check
from fuzz_recipes import draws
from hypothesis import HealthCheck, Phase, given, note, settings

RUNS = int(os.environ.get("FUZZ", "20"))
SHARES = {"text": 0.5, "languages": 0.2, "speech": 0.25, "others": 0.05}
QUIET = {"TQDM_DISABLE": "1", "TRANSFORMERS_VERBOSITY": "error", "HF_HUB_OFFLINE": "1"}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Where tiny models are kept from run to run."""
    return tmp_path_factory.mktemp("fuzz")


@pytest.mark.parametrize("part", SHARES)
def test_every_run_ends_rightly_or_with_a_sentence(part, root, monkeypatch):
    """A draw that fails is printed; ``repeat.py`` does it again. Three twists at most need no shrinking."""

    @settings(
        max_examples=max(1, round(RUNS * SHARES[part])),
        deadline=None,
        derandomize="FUZZ" not in os.environ,
        phases=(Phase.explicit, Phase.reuse, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    @given(draw=draws(part))
    def run(draw):
        note(f"To repeat it: python tests/integration/fuzz/repeat.py {str(draw)!r}")
        check(draw, root)

    for name, value in QUIET.items():
        monkeypatch.setenv(name, value)
    run()
