"""Sentences: what chance explains is said to be chance, and many missing runs are counted."""

import pytest

from prunekit.compare.figures import Gain
from prunekit.compare.sentences import (
    environment_sentence,
    missing_sentences,
    reading_notes,
    recommendation,
    table_heading,
)
from prunekit.recipe import BudgetSection


def test_a_gain_that_chance_explains_is_said_to_be_one(make_summary, full):
    assert all("chance" in sentence for sentence in recommendation(full, full.tables[0]))
    sure = Gain(over="depth", gain=0.012, low=0.004, high=0.02, p=0.002)
    certain = make_summary([full.tables[0].rows[0].model_copy(update={"gain": sure})], sure)
    assert not any("chance" in sentence for sentence in recommendation(certain, certain.tables[0]))


def test_many_runs_that_are_missing_are_counted(full):
    left = {f"cofi-600cpu-{seed}": "not made yet" for seed in range(7)}
    many = full.model_copy(update={"missing": {**left, "depth-600cpu-1": "it broke"}})
    assert missing_sentences(many) == ["7 runs: not made yet", "depth-600cpu-1: it broke"]
    few = full.model_copy(update={"missing": dict(list(left.items())[:2])})
    assert missing_sentences(few) == ["cofi-600cpu-0, cofi-600cpu-1: not made yet"]


def test_the_nearest_baseline_is_named_with_both_sizes(full):
    first, second = recommendation(full, full.tables[0])
    assert first.startswith("nash against the best baseline, depth: +1.20 [-0.40, +2.00] points (p 0.070)")
    assert second.startswith("Nearest baseline by speed-up (3.40x and 3.30x): depth;")


@pytest.mark.parametrize(
    ("limits", "heading"),
    [
        (BudgetSection(), "As the recipes stand"),
        (BudgetSection(cpu_seconds=1500), "At 1,500 CPU-seconds each"),
        (BudgetSection(cpu_seconds=600, examples=200000), "At 600 CPU-seconds and 200,000 training examples each"),
    ],
)
def test_a_table_is_headed_by_its_budget(limits, heading):
    assert table_heading(limits) == heading


def test_notes_say_which_direction_is_better_and_on_what_was_measured(full):
    notes = " ".join(reading_notes(full))
    assert "exact_match on 6,323 test rows, higher is better; 3 seeds" in notes
    assert "Kept: share of the dense model's score" in notes
    errors = " ".join(reading_notes(full.model_copy(update={"metric": "wer", "higher_is_better": False, "seeds": [0]})))
    assert "wer on 6,323 test rows, lower is better; 1 seed:" in errors
    assert "Errors: how many times the dense model's" in errors


def test_an_environment_is_its_processor_and_versions():
    facts = {"python": "3.12", "cpu": "A", "cores": 2, "platform": "Linux", "torch": "2.13"}
    assert environment_sentence(facts) == "A, 2 cores, python 3.12, torch 2.13"


def test_a_gain_of_an_amount_has_no_points(full):
    found = full.model_copy(update={"amounts": ("exact_match",)})
    assert "+0.01 [-0.00, +0.02] (p 0.070)" in recommendation(found, found.tables[0])[0]
    assert "+1.20 [-0.40, +2.00] points (p 0.070)" in recommendation(full, full.tables[0])[0]
