"""Summaries of stored records, against the same figures computed from the files by hand."""

import json
import statistics
from pathlib import Path

import pytest

from prunekit.compare.grid import ordered_trials
from prunekit.compare.records import Record
from prunekit.compare.spec import Comparison
from prunekit.compare.speeds import Speeds
from prunekit.compare.summary import summarise
from prunekit.latency.timing import Speed
from prunekit.recipe import Workload

EXAMPLE = Path(__file__).parents[2] / "examples/g2p"
WORK = Workload(batch=1, source=9, new_tokens=9)


@pytest.fixture(scope="module")
def records():
    """The records of the example's runs at 200,000 training examples, by trial."""
    comparison = Comparison.load(EXAMPLE / "compare.yaml")
    paths = {trial: EXAMPLE / f"records/{trial.name}.json" for trial in ordered_trials(comparison)}
    known = {trial: path for trial, path in paths.items() if "-200000ex-" in trial.name and path.exists()}
    return {trial: Record.model_validate_json(path.read_text()) for trial, path in known.items()}


@pytest.fixture(scope="module")
def summary(records):
    """With speeds that are made up: a model of half the size is twice as fast."""

    def speed(record):
        parameters = record.report.parameters
        ratio = parameters.dense / parameters.pruned
        return [Speed(workload=WORK, speedup=ratio, wall_speedup=ratio, error=0.1)]

    speeds = Speeds({record.shape: speed(record) for record in records.values()}, {"cpu": "made up"})
    return summarise(Comparison.load(EXAMPLE / "compare.yaml"), "prunekit compare", records, speeds)


def stored(variant):
    """The reports of a variant's runs, read without prunekit."""
    files = [EXAMPLE / f"records/{variant}-200000ex-{seed}.json" for seed in (0, 1, 2)]
    return [json.loads(path.read_text())["report"] for path in files if path.exists()]


@pytest.mark.parametrize("variant", ["nash", "depth", "both"])
def test_a_row_is_the_mean_and_the_spread_over_its_seeds(summary, variant):
    row = next(row for row in summary.tables[0].rows if row.variant == variant)
    reports = stored(variant)
    scores = [report["quality"]["pruned"] for report in reports]
    assert row.quality.mean == pytest.approx(statistics.fmean(scores))
    assert row.quality.deviation == pytest.approx(statistics.stdev(scores))
    assert row.examples == pytest.approx(statistics.fmean(report["spent"]["examples"] for report in reports))
    ratios = [report["parameters"]["dense"] / report["parameters"]["pruned"] for report in reports]
    assert row.speeds[0].speedup == pytest.approx(statistics.median(ratios))
    assert (len(row.seeds), row.missing) == (len(reports), [])


def test_the_best_baseline_scores_best_and_gains_are_against_it(summary):
    table = summary.tables[0]
    baselines = {row.variant: row.quality.mean for row in table.rows if row.baseline}
    assert table.best_baseline == max(baselines, key=baselines.get)
    for row in table.rows:
        if row.variant != table.best_baseline:
            assert row.gain.gain == pytest.approx(row.quality.mean - baselines[table.best_baseline])


def test_runs_without_a_record_are_missing_and_budgets_without_a_run_have_no_table(summary, records):
    assert [table.budget for table in summary.tables] == ["200000ex"]
    assert not {trial.name for trial in records} & set(summary.missing)
    assert set(summary.missing.values()) == {"not run yet"}


def test_hours_are_those_of_all_runs(summary, records):
    spent = sum(record.report.spent.cpu_seconds for record in records.values())
    assert sum(summary.hours.values()) == pytest.approx(spent / 3600)
