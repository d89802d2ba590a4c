"""The breakdown of a generation: fractions of made-up seconds, and no hook that stays."""

from types import SimpleNamespace

import pytest

from prunekit.latency import breakdown
from prunekit.latency.breakdown import BREAKDOWN_RUNS, Breakdown, measure_breakdown, section_seconds
from prunekit.latency.clocks import Reading
from prunekit.recipe import Workload

WORK = Workload(batch=1, source=4, new_tokens=2)


@pytest.fixture
def clock(monkeypatch, t5):
    """A generation calls the encoder for 4 s, twice the decoder for 2 s and the head for 1 s, and takes 2 s more."""
    state = SimpleNamespace(now=0.0, parts=[])

    def lasting(seconds):
        def forward(*args, **kwargs):
            state.now += seconds

        return forward

    for part, seconds in ((t5.get_encoder(), 4.0), (t5.get_decoder(), 2.0), (t5.get_output_embeddings(), 1.0)):
        monkeypatch.setattr(part, "forward", lasting(seconds))

    def generate(model, inputs, workload):
        model.get_encoder()()
        for _ in range(workload.new_tokens):
            model.get_decoder()()
            model.get_output_embeddings()()
        state.now += 2.0

    monkeypatch.setattr(breakdown, "generate_fixed", generate)
    return lambda: Reading(state.now)


def test_every_section_has_its_own_seconds_and_the_loop_the_rest(clock, t5):
    assert section_seconds(t5, {}, WORK, 3, clock) == {"encoder": 12.0, "decoder": 12.0, "head": 6.0, "loop": 6.0}


def test_a_breakdown_is_their_share_over_a_few_runs(clock, t5):
    advanced = []
    found = measure_breakdown(t5, {}, WORK, clock, lambda: advanced.append(1))
    assert found == Breakdown(encoder=1 / 3, decoder=1 / 3, head=1 / 6, loop=1 / 6)
    assert len(advanced) == BREAKDOWN_RUNS


def test_no_hook_outlives_a_failure(clock, t5, monkeypatch):
    monkeypatch.setattr(breakdown, "generate_fixed", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        section_seconds(t5, {}, WORK, 1, clock)
    parts = (t5.get_encoder(), t5.get_decoder(), t5.get_output_embeddings())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in parts)
