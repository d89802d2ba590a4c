"""A comparison in words and tables: the same cells for Markdown and for the page."""

from collections.abc import Iterator, Sequence

from prunekit.compare.figures import Figure, Gain, Summary, Table, TableRow
from prunekit.compare.spec import DENSE_CONTINUED
from prunekit.recipe import BudgetSection, Workload
from prunekit.report.formatting import count, factor, figure, percent

FACTS = ("cpu", "cores", "gpu", "python", "torch", "transformers", "prunekit", "large tensors")
"""What of an environment a reader needs."""


FEW = 6
"""Runs that are told by their names."""


def columns(summary: Summary, table: Table) -> list[str]:
    """The heads of a table's columns."""
    speeds = [f"speed, {work(speed.workload)}" for speed in summary.dense.speeds]
    gain = [f"gain over {table.best_baseline}"] if table.best_baseline else []
    sizes = ["non-embedding parameters", "sparsity"]
    return [
        "variant",
        summary.metric,
        *summary.dense.others,
        *(["loss per token"] if _have_losses(summary) else []),
        "kept" if summary.higher_is_better else "errors",
        *([f"of {DENSE_CONTINUED}"] if _control(table) else []),
        *speeds,
        *sizes,
        f"{_clocks(table)[0]}-seconds" if len(_clocks(table)) == 1 else "seconds",
        "examples",
        *gain,
    ]


def cells(summary: Summary, table: Table) -> Iterator[list[str]]:
    """The rows of a table, the dense model first."""
    for row in (summary.dense, *table.rows):
        speeds = [factor(speed.speedup, speed.error) for speed in row.speeds]
        sizes = [count(row.non_embedding), percent(row.sparsity)]
        spent = [_seconds(row, table), count(round(row.examples))]
        others = [mean_and_spread(row.others[name]) for name in summary.dense.others]
        losses = [nats(row.loss)] if row.loss is not None and _have_losses(summary) else []
        fair = [_share(row, control, summary)] if (control := _control(table)) else []
        left = [_left(row, summary), *fair, *speeds, *sizes, *spent, *_gain_cell(row, table)]
        yield [variant_name(row), mean_and_spread(row.quality), *others, *losses, *left]


def _control(table: Table) -> TableRow | None:
    """The dense model trained at the same budget, where that was made."""
    return next((row for row in table.rows if row.variant == DENSE_CONTINUED), None)


def _have_losses(summary: Summary) -> bool:
    """Whether there is no row without a loss."""
    return all(
        row.loss is not None for row in (summary.dense, *(row for table in summary.tables for row in table.rows))
    )


def _left(row: TableRow, summary: Summary) -> str:
    """The share of the dense model's quality; of an error rate, how many times its errors."""
    if summary.higher_is_better:
        return "" if row.retained is None else percent(row.retained)
    return _share(row, summary.dense, summary)


def _share(row: TableRow, of: TableRow, summary: Summary) -> str:
    """A row's score in percent of another's, an error rate in times of it; nothing where that is 0."""
    whole = of.quality.mean
    if whole == 0:
        return ""
    return percent(row.quality.mean / whole) if summary.higher_is_better else factor(row.quality.mean / whole)


def _clocks(table: Table) -> list[str]:
    """What the rows' seconds were counted with."""
    return sorted({clock for row in table.rows for clock in row.seconds})


def _seconds(row: TableRow, table: Table) -> str:
    """``598``, or ``1,095 CPU, 231 GPU`` in a table whose runs were counted with both."""
    if len(_clocks(table)) == 1 or not row.seconds:
        return count(round(sum(row.seconds.values())))
    return ", ".join(f"{count(round(spent))} {clock}" for clock, spent in row.seconds.items())


def variant_name(row: TableRow) -> str:
    """A variant with what must be said of it."""
    notes = ["baseline"] if row.baseline else []
    notes += [f"{len(row.seeds)} of {len(row.seeds) + len(row.missing)} seeds"] if row.missing else []
    notes += ["1 seed"] if len(row.seeds) == 1 and not row.missing else []
    return f"{row.variant} ({', '.join(notes)})" if notes else row.variant


def _gain_cell(row: TableRow, table: Table) -> list[str]:
    if table.best_baseline is None:
        return []
    if row.variant == table.best_baseline:
        return ["best baseline"]
    return [points(row.gain) if row.gain else ""]


def mean_and_spread(found: Figure) -> str:
    """``61.77% ± 0.31`` over seeds."""
    deviation = "" if found.deviation is None else f" ± {100 * found.deviation:.2f}"
    return figure(found.mean) + deviation


def nats(found: Figure) -> str:
    """``0.182 ± 0.001`` over seeds."""
    return f"{found.mean:.3f}" + ("" if found.deviation is None else f" ± {found.deviation:.3f}")


def points(gain: Gain) -> str:
    """``+1.20 [+0.40, +2.00]`` in percentage points."""
    return f"{100 * gain.gain:+.2f} [{100 * gain.low:+.2f}, {100 * gain.high:+.2f}]"


def work(workload: Workload) -> str:
    """``batch 1``, with beams where there are several."""
    return f"batch {workload.batch}" + (f", {workload.beams} beams" if workload.beams > 1 else "")


def column_heading(limits: BudgetSection) -> str:
    """What each run of a table was allowed to spend."""
    parts = []
    if limits.cpu_seconds is not None:
        parts.append(f"{limits.cpu_seconds:,g} CPU-seconds")
    if limits.examples is not None:
        parts.append(f"{limits.examples:,} training examples")
    return f"At {' and '.join(parts)} each" if parts else "As the recipes stand"


def recommendation(summary: Summary, table: Table) -> list[str]:
    """What the table says about the recommended variant, in sentences."""
    name = summary.recommended
    row = next((row for row in table.rows if row.variant == name), None)
    if row is None or table.best_baseline is None:
        return []
    sentences = []
    if row.gain:
        sentences.append(f"{name} against the best baseline, {row.gain.over}: {_judged(row.gain)}.")
    for near in table.nearest:
        style = factor if near.by == "speed-up" else lambda value: count(round(value))
        judged = _judged(near.gain) if near.gain else "no scores per row to compare"
        sizes = f"{style(near.ours)} and {style(near.theirs)}"
        sentences.append(f"Nearest baseline by {near.by} ({sizes}): {near.baseline}; {judged}.")
    return sentences


def _judged(gain: Gain) -> str:
    beyond = gain.low > 0 or gain.high < 0
    chance = "" if beyond else ", which chance in rows and seeds may explain"
    return f"{points(gain)} points (p {gain.p:.3f}){chance}"


def notes(summary: Summary) -> list[str]:
    """How to read the tables, and where they come from."""
    seeds = len(summary.seeds)
    spent = " and ".join(f"{hours:.1f} {clock}-hours" for clock, hours in summary.hours.items())
    sense, kept = "higher is better", "Kept: the share of the dense model's as it is"
    if not summary.higher_is_better:
        sense, kept = "lower is better", "Errors: how many times the dense model's"
    return [
        f"{summary.metric} on {summary.examples:,} test rows, {sense}; {seeds} seed{'s' if seeds > 1 else ''}: "
        f"mean ± standard deviation. {kept}. Speed: end-to-end generate, the dense model and all shapes in turns in "
        "one process, median over seeds ± standard error. Seconds and examples: what learning and recovery spent "
        f"together, {spent} in all. Gain: in points, positive is better, with the 95% interval of a paired bootstrap "
        "over test rows and seeds; what a row of one seed owes to that seed is not in it.",
        *(f"Runs made on {environment_sentence(facts)}." for facts in summary.environments),
        f"Speeds measured on {environment_sentence(summary.timed_on)}.",
    ]


def missing(summary: Summary) -> list[str]:
    """The runs that are not there with what went wrong, those of one reason together, named as long as they are few."""
    reasons: dict[str, list[str]] = {}
    for name, why in summary.missing.items():
        reasons.setdefault(why, []).append(name)
    return [
        f"{', '.join(names) if len(names) <= FEW else f'{len(names)} runs'}: {why}" for why, names in reasons.items()
    ]


def environment_sentence(facts: dict[str, str | int]) -> str:
    """The processor and the versions that matter, in a line."""
    parts = [str(facts["cpu"])] if "cpu" in facts else []
    parts += [
        f"{facts[name]} {name}" if name == "cores" else f"{name} {facts[name]}" for name in FACTS[1:] if name in facts
    ]
    return ", ".join(parts)


def markdown(summary: Summary) -> str:
    """The comparison as a part of a Markdown document, with the command that made it."""
    lines = [f"`{summary.command}`", ""]
    for table in summary.tables:
        lines += [
            f"### {column_heading(table.limits)}",
            "",
            *_grid(columns(summary, table), list(cells(summary, table))),
            "",
        ]
        lines += [f"- {sentence}" for sentence in recommendation(summary, table)] + [""]
    lines += [text for note in notes(summary) for text in (note, "")]
    if left := missing(summary):
        lines += ["Missing:", "", *(f"- {line}" for line in left), ""]
    return "\n".join(lines)


def _grid(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    rule = ["---", *("---:" for _ in head[1:])]
    return [f"| {' | '.join(text.replace('|', '/') for text in row)} |" for row in (head, rule, *rows)]
