"""A trial: one run of a comparison, by its variant, budget and seed."""

from dataclasses import dataclass

from prunekit.recipe import BudgetSection


@dataclass(frozen=True)
class Trial:
    """One run of a comparison. Example: ``Trial("nash", BudgetSection(cpu_seconds=600), 0)`` is ``nash-600cpu-0``."""

    variant: str
    budget: BudgetSection | None
    seed: int

    @property
    def name(self) -> str:
        """What its directory and its record are called."""
        return f"{self.variant}-{budget_label(self.budget)}-{self.seed}"


def budget_label(budget: BudgetSection | None) -> str:
    """``600cpu``, ``200000ex``, both, or ``asis`` without a budget."""
    if budget is None:
        return "asis"
    parts = (budget.cpu_seconds and f"{budget.cpu_seconds:g}cpu", budget.examples and f"{budget.examples}ex")
    return "-".join(part for part in parts if part) or "asis"
