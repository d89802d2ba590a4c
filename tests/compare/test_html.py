"""Pages and tables: every figure is there, in Markdown, in a document, and in a picture that keeps its points apart."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunekit.compare.chart import quality_chart
from prunekit.compare.figures import Figure, Gain, Nearest, Speed, Summary, Table, TableRow
from prunekit.compare.html import comparison_html, insert_tables
from prunekit.compare.tables import cells, columns, markdown, missing, recommendation
from prunekit.errors import PrunekitError
from prunekit.recipe import BudgetSection, Workload

WORK = (Workload(batch=1, source=9, new_tokens=9), Workload(batch=32, source=9, new_tokens=9, beams=4))


def row(name, values, speed, **more):
    speeds = [Speed(workload=work, speedup=speed, wall_speedup=speed) for work in WORK]
    counts = {"parameters": 1250000, "non_embedding": 1240000, "sparsity": 0.685, "examples": 204800}
    usual = {"baseline": False, "seeds": list(range(len(values))), "missing": [], "retained": 0.925}
    usual |= {"others": {"per": Figure.of([0.084, 0.086])}}
    usual |= {"quality": Figure.of(values), "speeds": speeds, "seconds": {"CPU": 598.4}, **counts}
    return TableRow(variant=name, **{**usual, **more})


def summary(rows, gain=None, best="depth"):
    nearest = [Nearest(by="speed-up", baseline="depth", ours=3.4, theirs=3.3, gain=gain)] if gain else []
    limits = BudgetSection(cpu_seconds=600, examples=200000)
    table = Table(budget="600cpu", limits=limits, rows=rows, best_baseline=best, nearest=nearest)
    return Summary(
        name="g2p",
        command="prunekit compare g2p.yaml",
        task="g2p",
        metric="exact_match",
        higher_is_better=True,
        examples=6323,
        recommended="nash",
        dense=row("dense", [0.672], 1.0, seeds=[]),
        tables=[table],
        environments=[{"cpu": "A | B", "cores": 2, "torch": "2.13.0"}],
        seeds=[0, 1, 2],
        timed_on={"cpu": "C", "cores": 4, "torch": "2.13.0"},
        hours={"CPU": 5.25, "GPU": 0.5},
        missing={"cofi-600cpu-1": "it <broke>"},
    )


@pytest.fixture
def full():
    gain = Gain(over="depth", gain=0.012, low=-0.004, high=0.02, p=0.07)
    rows = [
        row("nash", [0.66, 0.67, 0.68], 3.4, gain=gain),
        row("depth", [0.65, 0.66], 3.3, baseline=True, missing=[2]),
    ]
    return summary(rows, gain)


def test_a_row_holds_what_was_found(full):
    table = full.tables[0]
    found = dict(zip(columns(full, table), list(cells(full, table))[1], strict=True))
    assert found == {
        "variant": "nash",
        "exact_match": "67.00% ± 1.00",
        "per": "8.50% ± 0.14",
        "kept": "92.5%",
        "speed, batch 1": "3.40x",
        "speed, batch 32, 4 beams": "3.40x",
        "non-embedding parameters": "1,240,000",
        "sparsity": "68.5%",
        "CPU-seconds": "598",
        "examples": "204,800",
        "gain over depth": "+1.20 [-0.40, +2.00]",
    }


def test_losses_stand_in_a_table_where_every_row_has_one(full):
    rows = [row("nash", [0.66], 3.4, loss=Figure.of([0.181, 0.183])), row("depth", [0.6], 3.3, loss=Figure.of([0.2]))]
    dense = full.dense.model_copy(update={"loss": Figure.of([0.1795])})
    told = summary(rows).model_copy(update={"dense": dense})
    place = columns(told, told.tables[0]).index("loss per token")
    assert [line[place] for line in cells(told, told.tables[0])] == ["0.179", "0.182 ± 0.001", "0.200"]
    without = told.model_copy(update={"dense": full.dense})
    assert "loss per token" not in columns(without, without.tables[0])


def test_scores_are_held_against_the_dense_model_trained_further_where_it_was(full):
    rows = [row("nash", [0.63], 3.4), row("dense-further", [0.69, 0.71], 1.0)]
    told = summary(rows)
    place = columns(told, told.tables[0]).index("of dense-further")
    assert [line[place] for line in cells(told, told.tables[0])] == ["96.0%", "90.0%", "100.0%"]
    assert "of dense-further" not in columns(full, full.tables[0])


def test_error_rates_are_told_by_how_many_more_errors_there_are(full):
    errors = summary([row("nash", [0.336], 3.4)]).model_copy(update={"metric": "wer", "higher_is_better": False})
    dense = errors.dense.model_copy(update={"quality": Figure.of([0.112])})
    errors = errors.model_copy(update={"dense": dense})
    place = columns(errors, errors.tables[0]).index("errors")
    assert [line[place] for line in cells(errors, errors.tables[0])] == ["1.00x", "3.00x"]
    assert "kept" not in columns(errors, errors.tables[0])


def test_seconds_of_different_clocks_are_not_averaged(full):
    both = [row("nash", [0.66], 3.4, seconds={"CPU": 1095.2, "GPU": 231.4}), row("depth", [0.6], 3.3)]
    table = full.tables[0].model_copy(update={"rows": both})
    place = columns(full, table).index("seconds")
    assert [line[place] for line in cells(full, table)][1:] == ["1,095 CPU, 231 GPU", "598 CPU"]


def test_markdown_is_a_table_with_its_command_and_what_is_missing(full):
    text = markdown(full)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in rows}) == 1
    assert len(rows) == 2 + 3
    assert "`prunekit compare g2p.yaml`" in text
    assert "600 CPU-seconds and 200,000 training examples each" in text
    assert "depth (baseline, 2 of 3 seeds)" in text
    assert "cofi-600cpu-1: it <broke>" in text
    assert "5.2 CPU-hours and 0.5 GPU-hours in all" in text
    assert "Runs made on A | B, 2 cores, torch 2.13.0." in text
    assert "Speeds measured on C, 4 cores, torch 2.13.0." in text


def test_a_gain_that_chance_explains_is_said_to_be_one(full):
    assert all("chance" in sentence for sentence in recommendation(full, full.tables[0]))
    sure = Gain(over="depth", gain=0.012, low=0.004, high=0.02, p=0.002)
    certain = summary([full.tables[0].rows[0].model_copy(update={"gain": sure})], sure)
    assert not any("chance" in sentence for sentence in recommendation(certain, certain.tables[0]))


def test_only_what_lies_between_the_markers_is_replaced(full, tmp_path):
    document = tmp_path / "results.md"
    document.write_text("# mine\n<!-- compare:g2p -->\nold\n<!-- /compare:g2p -->\nafter <!-- compare:other -->\n")
    for _ in range(2):
        insert_tables(full, document)
    text = document.read_text()
    assert text.startswith("# mine\n<!-- compare:g2p -->\n`prunekit compare")
    assert text.endswith("\n<!-- /compare:g2p -->\nafter <!-- compare:other -->\n")
    assert "old" not in text
    assert text.count("| nash |") == 1


@pytest.mark.parametrize("text", ["", "<!-- compare:g2p -->", "<!-- /compare:g2p --> <!-- compare:g2p -->"])
def test_a_document_without_a_place_is_left_alone(full, tmp_path, text):
    document = tmp_path / "results.md"
    document.write_text(text)
    with pytest.raises(PrunekitError, match="has no place for the table; put <!-- compare:g2p -->"):
        insert_tables(full, document)
    assert document.read_text() == text
    with pytest.raises(PrunekitError, match="cannot be read"):
        insert_tables(full, tmp_path / "none.md")


def test_the_page_escapes_what_it_shows(full):
    page = comparison_html(full)
    assert "it &lt;broke&gt;" in page
    assert "<broke>" not in page


def test_without_timings_there_is_no_picture(full):
    rows = [one.model_copy(update={"speeds": []}) for one in full.tables[0].rows]
    bare = summary(rows).model_copy(update={"dense": full.dense.model_copy(update={"speeds": []})})
    assert quality_chart(bare, bare.tables[0], 400, 300) is None
    assert "<svg" not in comparison_html(bare)


qualities = st.lists(st.floats(0.2, 0.9), min_size=1, max_size=3)
variants = st.lists(st.tuples(qualities, st.floats(0.8, 5)), min_size=1, max_size=9)


@settings(max_examples=60, deadline=None)
@given(variants, st.sampled_from([(350, 430), (960, 480)]))
def test_every_mark_lies_within_the_chart_at_its_figures(found, size):
    rows = [row(f"variant-{n}", values, speed) for n, (values, speed) in enumerate(found)]
    whole = summary(rows, best=None)
    drawn = quality_chart(whole, whole.tables[0], *size)
    points = {point.label: point for point in drawn.points}
    assert set(points) == {"dense", *(one.variant for one in rows)}
    for one, other in itertools.combinations((whole.dense, *rows), 2):
        left, right = points[one.variant], points[other.variant]
        faster = one.speeds[0].speedup - other.speeds[0].speedup
        better = one.quality.mean - other.quality.mean
        assert faster * (left.x - right.x) >= -1e-6
        assert better * (right.y - left.y) >= -1e-6
    for point in drawn.points:
        assert drawn.frame.left <= point.x <= size[0] - drawn.frame.right
        assert drawn.frame.top <= point.high <= point.y <= point.low <= size[1] - drawn.frame.bottom
    assert len({(point.colour, point.shape) for point in drawn.points}) == len(drawn.points)


def test_many_runs_that_are_missing_are_counted(full):
    left = {f"cofi-600cpu-{seed}": "not made yet" for seed in range(7)}
    many = full.model_copy(update={"missing": {**left, "depth-600cpu-1": "it broke"}})
    assert missing(many) == ["7 runs: not made yet", "depth-600cpu-1: it broke"]
    few = full.model_copy(update={"missing": dict(list(left.items())[:2])})
    assert missing(few) == ["cofi-600cpu-0, cofi-600cpu-1: not made yet"]
