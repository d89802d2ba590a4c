"""Problems with rows, in one sentence that counts them."""

import logging

import pytest

from prunekit.data.problems import LISTED, RowProblem, problem_listing, without_problems
from prunekit.data.table import task_table
from prunekit.errors import PrunekitError


def test_rows_with_the_same_problem_are_listed_together():
    problems = [
        RowProblem("row 1", "no text"),
        RowProblem("row 4", "half a character."),
        RowProblem("row 9", "no text"),
    ]
    assert problem_listing(problems, 1200, "dev rows") == (
        "3 of 1,200 dev rows cannot be used (task.skip=true leaves them out): row 1, row 9: no text; "
        "row 4: half a character."
    )


def test_only_the_first_are_listed_and_all_are_counted():
    found = problem_listing([RowProblem(f"row {n}", f"problem {n % 15}") for n in range(3000)], 5000, "rows")
    assert found.startswith("3,000 of 5,000 rows")
    assert f"and {15 - LISTED} more." in found
    assert (
        f"row 0, row 15, row 30, row 45, row 60, row 75, row 90, row 105, row 120, row 135, and {200 - LISTED} more"
        in found
    )


def test_rows_are_left_out_only_where_that_is_asked_for_and_some_remain(caplog):
    rows = task_table(["a", "b", "c"], ["x", "y", "z"])
    bad = {1: RowProblem("row 2", "no text")}
    with pytest.raises(PrunekitError, match="1 of 3 dev rows cannot be used"):
        without_problems(rows, bad, "dev rows", skip=False)
    with caplog.at_level(logging.WARNING):
        assert without_problems(rows, bad, "dev rows", skip=True)["source"][:] == ["a", "c"]
    assert "1 of 3 dev rows cannot be used and are left out: row 2: no text." in caplog.text
    with pytest.raises(PrunekitError, match="3 of 3"):
        without_problems(rows, {n: bad[1] for n in range(3)}, "dev rows", skip=True)
    assert without_problems(rows, {}, "dev rows", skip=False) is rows
