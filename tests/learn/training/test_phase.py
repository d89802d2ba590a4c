"""Phases as data: which stage a step belongs to, by counting, and since when an encoder is frozen."""

from hypothesis import given
from hypothesis import strategies as st

from prunekit.learn.training.distillation import LABELS_ONLY
from prunekit.learn.training.phase import TrainingPhase, TrainingStage, encoder_frozen_since, stage_at


@given(st.lists(st.integers(0, 6), min_size=1, max_size=5))
def test_every_step_belongs_to_the_stage_that_counts_it(steps):
    phase = TrainingPhase.in_stages([TrainingStage(own, rate=1 + n) for n, own in enumerate(steps)], LABELS_ONLY)
    rates = [1 + n for n, own in enumerate(steps) for _ in range(own)]
    assert phase.steps == len(rates)
    if rates:
        assert [phase.parts[stage_at(phase.parts, step)].rate for step in range(len(rates))] == rates
        assert stage_at(phase.parts, len(rates)) == len(phase.parts) - 1


def test_an_encoder_is_frozen_since_it_last_trained():
    frozen = [("encoder",), ("encoder", "embedding"), ("decoder",), (), ("embedding", "encoder"), ("encoder",)]
    assert [encoder_frozen_since(frozen, n) for n in range(6)] == [0, 0, None, None, 4, 4]
