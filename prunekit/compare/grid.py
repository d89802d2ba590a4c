"""The grid of a comparison: in which order its trials run, which of them are selected, and whose shape each takes."""

from collections.abc import Sequence

from prunekit.compare.spec import Comparison, unknown_name
from prunekit.compare.trial import Trial, budget_label
from prunekit.errors import PrunekitError


def ordered_trials(comparison: Comparison) -> list[Trial]:
    """All trials, seed by seed, a variant before those that take its shape."""

    def position(trial: Trial) -> tuple[int, bool]:
        source = shape_source(comparison, trial)
        return (trial.seed, False) if source is None else (max(trial.seed, source.seed), True)

    return sorted(comparison.trials(), key=position)


def select_trials(comparison: Comparison, variants: Sequence[str] = (), budgets: Sequence[str] = ()) -> list[Trial]:
    """The trials of these variants at the budgets with these labels, in order; all where none are named.

    Raises `PrunekitError` for a name or a label that does not exist.
    """
    trials = ordered_trials(comparison)
    labels = list(dict.fromkeys(budget_label(trial.budget) for trial in trials))
    for what, names, known in (("variant", variants, list(comparison.named)), ("budget", budgets, labels)):
        for name in names:
            if name not in known:
                raise PrunekitError(f"{name!r} is to be run, but {unknown_name(name, known, what)}")
    return [
        trial
        for trial in trials
        if trial.variant in (variants or comparison.named) and budget_label(trial.budget) in (budgets or labels)
    ]


def shape_source(comparison: Comparison, trial: Trial) -> Trial | None:
    """The trial whose shape this one takes: of the same budget and seed, where that is run; None if it takes none."""
    variant = comparison.named[trial.variant].shape
    if variant is None:
        return None
    seeds = comparison.seeds_of(variant)
    budgets = comparison.budgets_of(variant)
    seed = trial.seed if trial.seed in seeds else seeds[0]
    budget = trial.budget if trial.budget in budgets else budgets[0]
    return Trial(variant, budget, seed)
