"""Trials are named by variant, budget and seed."""

import pytest

from prunekit.compare.trial import Trial, budget_label
from prunekit.recipe import BudgetSection


@pytest.mark.parametrize(
    ("budget", "label"),
    [
        (None, "asis"),
        (BudgetSection(), "asis"),
        (BudgetSection(cpu_seconds=600), "600cpu"),
        (BudgetSection(cpu_seconds=1.5), "1.5cpu"),
        (BudgetSection(examples=200000), "200000ex"),
        (BudgetSection(cpu_seconds=600, examples=50), "600cpu-50ex"),
    ],
)
def test_a_budget_has_a_short_label(budget, label):
    assert budget_label(budget) == label
    assert Trial("nash", budget, 2).name == f"nash-{label}-2"
