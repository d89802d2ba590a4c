"""A report as a table in the terminal."""

from collections.abc import Iterator, Sequence

from rich.table import Table

from prunekit.report.formatting import (
    count,
    factor,
    figure,
    health_facts,
    percent,
    quality_kept,
    report_title,
    seconds,
    span,
    stage_text,
    workload_text,
)
from prunekit.report.report import Report

_Row = tuple[str, str, str, str]
"""A name, the dense model's figure, the pruned one's, and a note."""


def report_table(report: Report) -> Table:
    """The report for a terminal, some 70 characters wide: dense beside pruned."""
    table = Table(title=report_title(report), title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("", no_wrap=True)
    table.add_column("dense", justify="right", header_style="dim")
    table.add_column("pruned", justify="right", header_style="dim")
    table.add_column("")
    for rows in (_quality, _answers, _speed, _parameters, _layers, _widths, _sparsity, _recovery, _equivalence):
        for row in rows(report):
            table.add_row(*row)
    return table


def _quality(report: Report) -> Iterator[_Row]:
    quality = report.quality
    if quality is None:
        return
    amount = quality.metric in quality.amounts
    yield quality.metric, figure(quality.dense, amount), figure(quality.pruned, amount), quality_kept(quality)
    if quality.intervals is not None:
        yield "  95% of resamples", span(quality.intervals.dense, amount), span(quality.intervals.pruned, amount), ""
    for name, pair in quality.others.items():
        amount = name in quality.amounts
        yield name, figure(pair.dense, amount), figure(pair.pruned, amount), ""
    if quality.loss is not None:
        yield "loss per token", f"{quality.loss.dense:.3f}", f"{quality.loss.pruned:.3f}", ""


def _answers(report: Report) -> Iterator[_Row]:
    """Nothing where all answers of both models are well."""
    answers = report.answers
    if answers is not None:
        for name, dense, pruned in health_facts(answers)[1:]:
            if {dense, pruned} - {percent(0.0), "unknown"}:
                yield name, dense, pruned, ""


def _speed(report: Report) -> Iterator[_Row]:
    for timing in report.latency.workloads if report.latency else ():
        ratios = f"{factor(timing.speedup, timing.speedup_error)} (wall {factor(timing.wall_speedup)})"
        yield workload_text(timing), seconds(timing.dense_s), seconds(timing.pruned_s), ratios
        if timing.predicted_speedup is not None:
            yield "  predicted", "", "", factor(timing.predicted_speedup)
        if timing.real_time is not None:
            yield "  real-time factor", f"{timing.real_time.dense:.3f}", f"{timing.real_time.pruned:.3f}", ""


def _parameters(report: Report) -> Iterator[_Row]:
    parameters = report.parameters
    fewer = f"{percent(report.sparsity.total)} fewer"
    yield "parameters", count(parameters.dense), count(parameters.pruned), fewer
    for part, pruned in parameters.by_part.items():
        yield f"  {part}", count(parameters.dense_by_part[part]), count(pruned), ""


def _layers(report: Report) -> Iterator[_Row]:
    layers = report.layers
    stacks = (
        ("encoder", layers.encoder_dense, layers.encoder_kept),
        ("decoder", layers.decoder_dense, layers.decoder_kept),
    )
    for stack, dense, kept in stacks:
        numbers = "" if len(kept) == dense else f"kept {', '.join(map(str, kept))}"
        yield f"{stack} layers", str(dense), str(len(kept)), numbers


def _widths(report: Report) -> Iterator[_Row]:
    widths = report.widths
    for kind, dense, pruned in (("heads", widths.dense_heads, widths.heads), ("ffn", widths.dense_ffn, widths.ffn)):
        for sublayer, counts in pruned.items():
            listed = "" if counts == dense[sublayer] else _listing(counts)
            yield f"{sublayer} {kind}", count(sum(dense[sublayer])), count(sum(counts)), listed
    for name, width in widths.hidden.items():
        if width < widths.dense_hidden[name]:
            yield name, count(widths.dense_hidden[name]), count(width), ""
    if widths.tokens != widths.dense_tokens:
        yield "tokens", count(widths.dense_tokens or 0), count(widths.tokens or 0), ""


def _listing(counts: Sequence[int]) -> str:
    """One number a layer, or the range where they would fill the terminal."""
    return " ".join(map(str, counts)) if len(counts) <= 12 else f"{min(counts)} to {max(counts)} a layer"


def _sparsity(report: Report) -> Iterator[_Row]:
    for denominator, share in report.sparsity.model_dump().items():
        yield f"sparsity, {denominator}", "", percent(share), ""


def _recovery(report: Report) -> Iterator[_Row]:
    """Nothing where it was one training of all weights."""
    for number, stage in enumerate(report.recovery):
        yield "" if number else "recovery", "", f"{count(stage.steps)} steps", stage_text(stage)


def _equivalence(report: Report) -> Iterator[_Row]:
    if report.equivalence is not None:
        tokens = "tokens equal" if report.equivalence.tokens_equal else "TOKENS DIFFER"
        yield "masked = cut", "", "", f"max diff {report.equivalence.max_abs_diff:.1e}, {tokens}"
