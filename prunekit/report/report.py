"""What came of a run: `report.json` for programs, `report.html` and a table in the terminal for people."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.table import Table

from prunekit._support.atomic import write_text
from prunekit.errors import PrunekitError
from prunekit.measure.environment import environment
from prunekit.report import html
from prunekit.report.formatting import against, count, factor, figure, percent, seconds, span, workload
from prunekit.report.kept_units import KeptSection
from prunekit.report.sections import (
    EquivalenceSection,
    LatencySection,
    LayersSection,
    ParametersSection,
    QualitySection,
    ReportSection,
    Sample,
    SecondsSection,
    SparsitySection,
    SpentSection,
    WidthsSection,
)
from prunekit.report.training_log import Training, trainings

__all__ = ["Report", "environment", "table"]


class Report(ReportSection):
    """Everything a run found out. Example: 2 of 12 decoder layers left, 3.0x the speed, 91% of the word accuracy.

    A part that was not measured is None: `quality` without test rows, `latency` without workloads, `equivalence`
    where nothing was cut. `kept` is None in reports from before there were maps.
    """

    adapter: str
    strategy: str | None
    task: str | None
    seed: int
    environment: dict[str, str | int]
    parameters: ParametersSection
    sparsity: SparsitySection
    layers: LayersSection
    widths: WidthsSection
    kept: KeptSection | None = None
    quality: QualitySection | None = None
    latency: LatencySection | None = None
    equivalence: EquivalenceSection | None = None
    seconds: SecondsSection = SecondsSection()
    spent: SpentSection = SpentSection()
    samples: tuple[Sample, ...] = ()

    def write(self, directory: Path | str) -> None:
        """Write `report.json` and `report.html` into `directory`, whole or not at all.

        The page has the curves of the `log.jsonl` that lies there.
        """
        folder = Path(directory)
        texts = {"report.json": self.json_text(), "report.html": self.html(trainings(folder / "log.jsonl"))}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name, text in texts.items():
                write_text(folder / name, text)
        except OSError as error:
            raise PrunekitError(f"The report cannot be written into {str(folder)!r}: {error.strerror}.") from error

    @classmethod
    def load(cls, path: Path | str) -> "Report":
        """Read a `report.json`."""
        return cls.model_validate_json(Path(path).read_text(encoding="utf-8"))

    def json_text(self) -> str:
        """The data for programs, lists of numbers in one line each."""
        text = self.model_dump_json(indent=2)
        return re.sub(r"\[\n[-\d.,\s]+\]", lambda found: "[" + " ".join(found[0][1:-1].split()) + "]", text) + "\n"

    def html(self, run: Sequence[Training] = ()) -> str:
        """A page that needs nothing but itself, with the curves of a run's trainings."""
        return html.report_html(self, report_title(self), run)


def table(report: Report) -> Table:
    """The report for a terminal, some 70 characters wide: dense beside pruned."""
    result = Table(title=report_title(report), title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    result.add_column("", no_wrap=True)
    result.add_column("dense", justify="right", header_style="dim")
    result.add_column("pruned", justify="right", header_style="dim")
    result.add_column("")
    for row in (*_quality_rows(report), *_speed_rows(report), *_size_rows(report), *_check_rows(report)):
        result.add_row(*row)
    return result


Row = tuple[str, str, str, str]


def _quality_rows(report: Report) -> Iterator[Row]:
    quality = report.quality
    if quality is None:
        return
    yield quality.metric, figure(quality.dense), figure(quality.pruned), against(quality)
    if quality.intervals is not None:
        yield "  95% of resamples", span(quality.intervals.dense), span(quality.intervals.pruned), ""
    for name, pair in quality.others.items():
        yield name, figure(pair.dense), figure(pair.pruned), ""
    if quality.loss is not None:
        yield "loss per token", f"{quality.loss.dense:.3f}", f"{quality.loss.pruned:.3f}", ""


def _speed_rows(report: Report) -> Iterator[Row]:
    for timing in report.latency.workloads if report.latency else ():
        yield (
            workload(timing),
            seconds(timing.dense_s),
            seconds(timing.pruned_s),
            f"{factor(timing.speedup, timing.speedup_error)} (wall {factor(timing.wall_speedup)})",
        )
        if timing.predicted_speedup is not None:
            yield "  predicted", "", "", factor(timing.predicted_speedup)
        if timing.real_time is not None:
            yield "  real-time factor", f"{timing.real_time.dense:.3f}", f"{timing.real_time.pruned:.3f}", ""


def _size_rows(report: Report) -> Iterator[Row]:
    parameters, layers, sparsity = report.parameters, report.layers, report.sparsity
    yield "parameters", count(parameters.dense), count(parameters.pruned), f"{percent(sparsity.total)} fewer"
    for part, pruned in parameters.by_part.items():
        yield f"  {part}", count(parameters.dense_by_part[part]), count(pruned), ""
    for stack, dense, kept in (
        ("encoder", layers.encoder_dense, layers.encoder_kept),
        ("decoder", layers.decoder_dense, layers.decoder_kept),
    ):
        numbers = "" if len(kept) == dense else f"kept {', '.join(map(str, kept))}"
        yield f"{stack} layers", str(dense), str(len(kept)), numbers
    for kind, before, after in (
        ("heads", report.widths.dense_heads, report.widths.heads),
        ("ffn", report.widths.dense_ffn, report.widths.ffn),
    ):
        for place, widths in after.items():
            numbers = "" if widths == before[place] else _listing(widths)
            yield f"{place} {kind}", count(sum(before[place])), count(sum(widths)), numbers
    for place, width in report.widths.hidden.items():
        if width < report.widths.dense_hidden[place]:
            yield place, count(report.widths.dense_hidden[place]), count(width), ""
    if report.widths.tokens != report.widths.dense_tokens:
        yield "tokens", count(report.widths.dense_tokens or 0), count(report.widths.tokens or 0), ""
    for denominator, share in sparsity.model_dump().items():
        yield f"sparsity, {denominator}", "", percent(share), ""


def _listing(widths: Sequence[int]) -> str:
    """One number a layer, or the range where they would fill the terminal."""
    return " ".join(map(str, widths)) if len(widths) <= 12 else f"{min(widths)} to {max(widths)} a layer"


def _check_rows(report: Report) -> Iterator[Row]:
    if report.equivalence is not None:
        tokens = "tokens equal" if report.equivalence.tokens_equal else "TOKENS DIFFER"
        yield "masked = cut", "", "", f"max diff {report.equivalence.max_abs_diff:.1e}, {tokens}"


def report_title(report: Report) -> str:
    """``nash on g2p (t5)``"""
    task = f" on {report.task}" if report.task else ""
    return f"{report.strategy or 'A given plan'}{task} ({report.adapter})"
