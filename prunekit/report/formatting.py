"""How figures are written for people: in the terminal, on pages and in model cards."""

from collections.abc import Sequence

from prunekit.latency.timing import Timing
from prunekit.measure.answers import AnswersSection
from prunekit.report.report import Report
from prunekit.report.sections import QualitySection, RecoveredStage


def report_title(report: Report) -> str:
    """``nash on g2p (t5)``"""
    task = f" on {report.task}" if report.task else ""
    return f"{report.strategy or 'A given plan'}{task} ({report.adapter})"


def workload_text(timing: Timing) -> str:
    """``batch 1, 9+9 tokens``, with beams where there are several; for audio, ``batch 1, 5 s + 20 tokens``."""
    workload = timing.workload
    beams = f", {workload.beams} beams" if workload.beams > 1 else ""
    source = f"{workload.audio_seconds:g} s + " if timing.real_time else f"{workload.source}+"
    return f"batch {workload.batch}, {source}{workload.new_tokens} tokens{beams}"


def stage_text(stage: RecoveredStage) -> str:
    """``encoder frozen``, ``encoder and embedding frozen, rate x 0.33``, ``all weights``"""
    frozen = f"{' and '.join(stage.frozen)} frozen" if stage.frozen else "all weights"
    return frozen if stage.rate == 1 else f"{frozen}, rate x {stage.rate:.3g}"


def recovery_text(stages: Sequence[RecoveredStage]) -> str:
    """``1,092 steps (encoder frozen), then 210 steps (all weights, rate x 0.33)``"""
    return ", then ".join(f"{count(stage.steps)} steps ({stage_text(stage)})" for stage in stages)


def count(number: int) -> str:
    """1,234,567"""
    return f"{number:,}"


def percent(share: float) -> str:
    """0.912 as 91.2%"""
    return f"{100 * share:.1f}%"


def figure(score: float, amount: bool = False) -> str:
    """A metric's fraction as a percentage, 65.51%, or an amount as it is, 12.40."""
    return f"{score:.2f}" if amount else f"{100 * score:.2f}%"


def quality_kept(quality: QualitySection) -> str:
    """``97.5% kept`` of a score, ``2.90x the errors`` of an error rate; empty where that cannot be told."""
    if quality.higher_is_better:
        return "" if quality.retained is None else f"{percent(quality.retained)} kept"
    if not quality.dense:
        return ""
    whole = "the dense model's" if quality.metric in quality.amounts else "the errors"
    return f"{factor(quality.pruned / quality.dense)} {whole}"


def health_facts(answers: AnswersSection) -> list[tuple[str, str, str]]:
    """A name and both models' figures for each thing that answers may suffer from; unknown ones are left out."""
    both = (answers.dense, answers.pruned)
    rows = [("words in an answer", *(f"{each.mean_length:.1f}" for each in both))]
    for name, label in (("empty", "answers empty"), ("unended", "not ended"), ("repeating", "repeating themselves")):
        shares = [getattr(each, name) for each in both]
        rows.append((label, *("unknown" if share is None else percent(share) for share in shares)))
    return [(name, dense, pruned) for name, dense, pruned in rows]


def span(bounds: tuple[float, float], amount: bool = False) -> str:
    """Two fractions as 3.1-8.7%, or two amounts as 11.9-12.8"""
    return f"{bounds[0]:.1f}-{bounds[1]:.1f}" if amount else f"{100 * bounds[0]:.1f}-{100 * bounds[1]:.1f}%"


def factor(ratio: float, error: float | None = None) -> str:
    """3.04x, or 3.04x ± 0.05 with a standard error."""
    return f"{ratio:.2f}x" + ("" if error is None else f" ± {error:.2f}")


def file_size(number: int) -> str:
    """1234567 bytes as 1.2 MB"""
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{number / 1e6:.1f} MB"


def rough_time(value: float) -> str:
    """90 seconds as 2 min; 50 s, 20 min, 3.5 h"""
    if value < 60:
        return f"{value:.0f} s"
    return f"{value / 60:.0f} min" if value < 5400 else f"{value / 3600:.1f} h"


def seconds(value: float) -> str:
    """Milliseconds below a second."""
    return f"{1000 * value:.1f} ms" if value < 1 else f"{value:.2f} s"
