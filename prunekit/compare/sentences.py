"""What a comparison says in sentences: which budget, how the recommended variant compares, how to read the tables."""

from prunekit.compare.figures import Gain, Nearest, Summary, Table
from prunekit.compare.tables import gain_text
from prunekit.recipe import BudgetSection
from prunekit.report.formatting import count, factor

FACTS = ("gpu", "python", "torch", "transformers", "prunekit", "large tensors")
"""The facts of an environment that a reader needs, beside the processor and its cores."""

MAX_NAMED = 6
"""The most missing runs that are listed by name."""


def table_heading(limits: BudgetSection) -> str:
    """What each run of a table was allowed to spend."""
    parts = []
    if limits.cpu_seconds is not None:
        parts.append(f"{limits.cpu_seconds:,g} CPU-seconds")
    if limits.examples is not None:
        parts.append(f"{limits.examples:,} training examples")
    return f"At {' and '.join(parts)} each" if parts else "As the recipes stand"


def recommendation(summary: Summary, table: Table) -> list[str]:
    """How the recommended variant compares with the best baseline, and with those nearest to it."""
    name = summary.recommended
    row = next((row for row in table.rows if row.variant == name), None)
    if row is None or table.best_baseline is None:
        return []
    sentences = []
    amount = summary.metric in summary.amounts
    if row.gain:
        sentences.append(f"{name} against the best baseline, {row.gain.over}: {_gain_and_chance(row.gain, amount)}.")
    return sentences + [_nearest(near, amount) for near in table.nearest]


def _nearest(near: Nearest, amount: bool) -> str:
    """The sentence on the nearest baseline in one respect."""
    result = _gain_and_chance(near.gain, amount) if near.gain else "no scores per row to compare"
    ours, theirs = (factor(size) if near.by == "speed-up" else count(round(size)) for size in (near.ours, near.theirs))
    return f"Nearest baseline by {near.by} ({ours} and {theirs}): {near.baseline}; {result}."


def _gain_and_chance(gain: Gain, amount: bool) -> str:
    beyond = gain.low > 0 or gain.high < 0
    unit = "" if amount else " points"
    chance = "" if beyond else ", which chance in rows and seeds may explain"
    return f"{gain_text(gain, amount)}{unit} (p {gain.p:.3f}){chance}"


def reading_notes(summary: Summary) -> list[str]:
    """How to read the tables, and on which machines they were measured."""
    seeds = len(summary.seeds)
    spent = " and ".join(f"{hours:.1f} {clock}-hours" for clock, hours in summary.hours.items())
    better = "higher" if summary.higher_is_better else "lower"
    kept = "Kept: share of the dense model's score"
    if not summary.higher_is_better:
        kept = "Errors: how many times the dense model's"
    several = "s" if seeds > 1 else ""
    return [
        f"{summary.metric} on {summary.examples:,} test rows, {better} is better; {seeds} seed{several}: "
        f"mean ± standard deviation. {kept}. Speed: end-to-end generate, the dense model and all shapes interleaved in "
        "one process, median over seeds ± standard error. Seconds and examples: what learning and recovery spent "
        f"together, {spent} in all. Gain: in points, positive is better, with the 95% interval of a paired bootstrap "
        "over test rows and seeds; with one seed, the luck of that seed is not included.",
        *(f"Runs made on {environment_sentence(facts)}." for facts in summary.environments),
        f"Speeds measured on {environment_sentence(summary.timed_on)}.",
    ]


def missing_sentences(summary: Summary) -> list[str]:
    """The runs without a result and why, those of one reason together, named as long as they are few."""
    reasons: dict[str, list[str]] = {}
    for name, why in summary.missing.items():
        reasons.setdefault(why, []).append(name)
    return [
        f"{', '.join(names) if len(names) <= MAX_NAMED else f'{len(names)} runs'}: {why}"
        for why, names in reasons.items()
    ]


def environment_sentence(facts: dict[str, str | int]) -> str:
    """The processor and the versions that matter, in a line."""
    parts = [str(facts["cpu"])] if "cpu" in facts else []
    parts += [f"{facts['cores']} cores"] if "cores" in facts else []
    parts += [f"{name} {facts[name]}" for name in FACTS if name in facts]
    return ", ".join(parts)
