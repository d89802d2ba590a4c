"""Tables: every figure of a row, by the name of its column."""

from prunekit.compare.figures import Figure
from prunekit.compare.tables import column_names, table_cells


def test_a_row_holds_what_was_found(full):
    table = full.tables[0]
    found = dict(zip(column_names(full, table), list(table_cells(full, table))[1], strict=True))
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


def test_amounts_are_no_percentages(full):
    found = full.model_copy(update={"amounts": ("exact_match",)})
    first, second, *_ = table_cells(found, found.tables[0])
    assert (first[1], first[2]) == ("0.67", "8.50% ± 0.14")
    assert (second[1], second[-1]) == ("0.67 ± 0.01", "+0.01 [-0.00, +0.02]")


def test_losses_stand_in_a_table_where_every_row_has_one(make_row, make_summary, full):
    rows = [
        make_row("nash", [0.66], 3.4, loss=Figure.of([0.181, 0.183])),
        make_row("depth", [0.6], 3.3, loss=Figure.of([0.2])),
    ]
    dense = full.dense.model_copy(update={"loss": Figure.of([0.1795])})
    loss_summary = make_summary(rows).model_copy(update={"dense": dense})
    place = column_names(loss_summary, loss_summary.tables[0]).index("loss per token")
    assert [line[place] for line in table_cells(loss_summary, loss_summary.tables[0])] == [
        "0.179",
        "0.182 ± 0.001",
        "0.200",
    ]
    without = loss_summary.model_copy(update={"dense": full.dense})
    assert "loss per token" not in column_names(without, without.tables[0])


def test_scores_are_held_against_the_dense_model_trained_further_where_it_was(make_row, make_summary, full):
    rows = [make_row("nash", [0.63], 3.4), make_row("dense-further", [0.69, 0.71], 1.0)]
    loss_summary = make_summary(rows)
    place = column_names(loss_summary, loss_summary.tables[0]).index("of dense-further")
    assert [line[place] for line in table_cells(loss_summary, loss_summary.tables[0])] == ["96.0%", "90.0%", "100.0%"]
    assert "of dense-further" not in column_names(full, full.tables[0])


def test_error_rates_are_loss_summary_by_how_many_more_errors_there_are(make_row, make_summary, full):
    errors = make_summary([make_row("nash", [0.336], 3.4)]).model_copy(
        update={"metric": "wer", "higher_is_better": False}
    )
    dense = errors.dense.model_copy(update={"quality": Figure.of([0.112])})
    errors = errors.model_copy(update={"dense": dense})
    place = column_names(errors, errors.tables[0]).index("errors")
    assert [line[place] for line in table_cells(errors, errors.tables[0])] == ["1.00x", "3.00x"]
    assert "kept" not in column_names(errors, errors.tables[0])


def test_seconds_of_different_clocks_are_not_averaged(make_row, full):
    both = [make_row("nash", [0.66], 3.4, seconds={"CPU": 1095.2, "GPU": 231.4}), make_row("depth", [0.6], 3.3)]
    table = full.tables[0].model_copy(update={"rows": both})
    place = column_names(full, table).index("seconds")
    assert [line[place] for line in table_cells(full, table)][1:] == ["1,095 CPU, 231 GPU", "598 CPU"]
