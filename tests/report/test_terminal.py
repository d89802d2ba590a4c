"""The table in the terminal: every figure, within eighty columns."""

import re

import pytest
from rich.console import Console

from prunekit.report.html import report_html
from prunekit.report.model_card import model_card
from prunekit.report.report import Report
from prunekit.report.terminal import report_table


def printed(report, width=80):
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(report_table(report))
    return console.export_text()


def notes(report):
    """The last column, by the first."""
    columns = [list(column.cells) for column in report_table(report).columns]
    return dict(zip(columns[0], columns[3], strict=True))


def test_the_table_fits_a_terminal_and_shows_the_figures(full):
    lines = [re.sub(r" {2,}", "  ", line.rstrip()) for line in printed(full).splitlines()]
    for line in (
        "nash on g2p (t5)",
        "exact_match  67.00%  61.64%  92.0% kept",
        "per  9.12%  11.34%",
        "batch 1, 9+8 tokens  120.0 ms  40.0 ms  3.00x ± 0.04 (wall 2.50x)",
        "batch 32, 9+8 tokens, 4 beams  120.0 ms  40.0 ms  4.25x ± 0.04 (wall 2.50x)",
        "parameters  3,950,000  1,300,000  67.0% fewer",
        "decoder layers  12  2  kept 0, 11",
        "encoder.self heads  8  4  4 0",
        "sparsity, encoder  31.0%",
    ):
        assert line in lines


@pytest.mark.parametrize(
    "shown", ["3.00x ± 0.04", "95% of resamples", "65.8-68.2%", "60.4-62.9%", "loss per token", "0.157", "0.200"]
)
def test_the_table_and_the_page_show_the_spread_of_the_headline_and_the_loss(full, shown):
    assert shown in printed(full, 120)
    assert shown in report_html(full)


@pytest.mark.parametrize(
    ("keys", "note"),
    [
        ({}, "92.0% kept"),
        ({"higher_is_better": False, "metric": "wer", "dense": 0.05, "pruned": 0.145}, "2.90x the errors"),
        ({"dense": 0.0, "retained": None}, ""),
        ({"higher_is_better": False, "dense": 0.0, "retained": 0.8}, ""),
    ],
)
def test_what_is_kept_of_the_quality_is_written_as_it_is_counted(changed, data, keys, note):
    report = changed(quality={**data["quality"], **keys})
    assert notes(report)[report.quality.metric] == note
    assert note in report_html(report)


def test_many_layers_take_one_line_of_the_table(changed, data):
    widths = {**data["widths"], "ffn": {"encoder": [8, *[512] * 23]}, "dense_ffn": {"encoder": [512] * 24}}
    assert notes(changed(widths=widths))["encoder ffn"] == "8 to 512 a layer"


def test_real_time_and_predictions_stand_below_their_workload(changed, data):
    timing = {**data["latency"]["workloads"][0], "predicted_speedup": 2.8, "real_time": {"dense": 0.4, "pruned": 0.125}}
    columns = [
        list(column.cells) for column in report_table(changed(latency={**timing, "workloads": [timing]})).columns
    ]
    row = columns[0].index("batch 1, 0.09 s + 8 tokens")
    assert [column[row + 1] for column in columns] == ["  predicted", "", "", "2.80x"]
    assert [column[row + 2] for column in columns] == ["  real-time factor", "0.400", "0.125", ""]


def test_a_report_without_measurements_has_sizes_only(bare):
    names = notes(bare)
    assert "decoder layers" in names
    assert "exact_match" not in names
    assert "masked = cut" not in names
    assert "A given plan (t5)" in printed(bare)


def test_stages_of_recovery_are_told_everywhere(changed):
    stages = [{"frozen": ["encoder"], "steps": 1092}, {"steps": 210, "rate": 0.33}]
    report = changed(recovery=stages)
    assert Report.model_validate_json(report.json_text()) == report
    lines = [re.sub(r" {2,}", "  ", line.strip()) for line in printed(report).splitlines()]
    assert "recovery  1,092 steps  encoder frozen" in lines
    assert "210 steps  all weights, rate x 0.33" in lines
    told = "1,092 steps (encoder frozen), then 210 steps (all weights, rate x 0.33)"
    assert told in report_html(report)
    assert f"Recovery: {told}." in model_card(report)
    plain = changed()
    assert "ecovery:" not in model_card(plain)
    assert "recovery" not in {name for name, *_ in notes(plain)}


def test_amounts_are_no_percentages(changed, data):
    headline = {"metric": "distance", "higher_is_better": False, "dense": 2.5, "pruned": 5.0, "retained": None}
    intervals = {"dense": [2.1, 2.9], "pruned": [4.0, 6.0]}
    quality = {**data["quality"], **headline, "intervals": intervals, "amounts": ["distance"]}
    report = changed(quality=quality)
    text = printed(report, 120)
    for shown in ("2.50", "5.00", "2.1-2.9", "4.0-6.0", "2.00x the dense model's", "9.12%"):
        assert shown in text, shown
        assert shown in report_html(report).replace("&#39;", "'"), shown
    assert "250" not in text
    assert "| distance | 2.50 | 5.00 |" in model_card(report)
    assert Report.model_validate_json(report.json_text()) == report
