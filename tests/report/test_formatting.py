"""How figures are written."""

import pytest

from prunekit.report.formatting import (
    count,
    factor,
    figure,
    percent,
    recovery_text,
    report_title,
    seconds,
    span,
    stage_text,
    workload_text,
)
from prunekit.report.sections import RecoveredStage


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (count(1234567), "1,234,567"),
        (percent(0.912), "91.2%"),
        (figure(0.6164), "61.64%"),
        (span((0.031, 0.0871)), "3.1-8.7%"),
        (figure(12.4, amount=True), "12.40"),
        (span((11.93, 12.84), amount=True), "11.9-12.8"),
        (factor(3.044), "3.04x"),
        (factor(3.044, 0.051), "3.04x ± 0.05"),
        (seconds(0.0334), "33.4 ms"),
        (seconds(1.5), "1.50 s"),
        (stage_text(RecoveredStage(steps=3)), "all weights"),
        (stage_text(RecoveredStage(frozen=("encoder", "embedding"), steps=3)), "encoder and embedding frozen"),
        (
            recovery_text([RecoveredStage(frozen=("encoder",), steps=1092), RecoveredStage(steps=210, rate=1 / 3)]),
            "1,092 steps (encoder frozen), then 210 steps (all weights, rate x 0.333)",
        ),
    ],
)
def test_figures_have_the_digits_that_people_read(text, expected):
    assert text == expected


def test_a_workload_counts_tokens_and_for_audio_seconds(full):
    text, beams = full.latency.workloads
    assert workload_text(text) == "batch 1, 9+8 tokens"
    assert workload_text(beams) == "batch 32, 9+8 tokens, 4 beams"
    longer = text.model_copy(update={"workload": text.workload.model_copy(update={"source": 500})})
    assert workload_text(longer.with_real_time()) == "batch 1, 5 s + 8 tokens"


def test_a_title_names_strategy_task_and_adapter(full, bare):
    assert report_title(full) == "nash on g2p (t5)"
    assert report_title(bare) == "A given plan (t5)"
