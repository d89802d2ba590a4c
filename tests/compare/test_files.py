"""Where the files of trials lie, also in comparisons that were begun before they were called trials."""

from prunekit.compare.files import TrialFiles, dense_answers_path, uncut_plan_path
from prunekit.compare.spec import Comparison
from prunekit.compare.trial import Trial
from prunekit.recipe import BudgetSection

NARROW = Trial("narrow", BudgetSection(examples=24), 0)


def test_files_lie_beside_the_directory_of_their_trial(comparison, tmp_path):
    files = TrialFiles(Comparison.parse(comparison), NARROW)
    trials = tmp_path / "out/trials"
    assert files.directory == trials / "narrow-24ex-0"
    assert files.record == tmp_path / "out/records/narrow-24ex-0.json"
    beside = [files.recipe, files.sources, files.shape, files.log, files.failure]
    assert {path.parent for path in beside} == {trials}
    assert [path.name.removeprefix("narrow-24ex-0.") for path in beside] == [
        "yaml",
        "sources.json",
        "plan.json",
        "log",
        "failed",
    ]


def test_files_that_trials_share_lie_in_the_output(comparison, tmp_path):
    found = Comparison.parse(comparison)
    assert {uncut_plan_path(found).parent, dense_answers_path(found).parent} == {tmp_path / "out"}


def test_a_comparison_that_has_cells_goes_on_in_them(comparison, tmp_path):
    (tmp_path / "out/cells").mkdir(parents=True)
    assert TrialFiles(Comparison.parse(comparison), NARROW).directory == tmp_path / "out/cells/narrow-24ex-0"


def test_a_run_has_ended_when_it_has_a_report_and_no_work(comparison):
    files = TrialFiles(Comparison.parse(comparison), NARROW)
    assert not files.has_ended
    (files.directory / "work").mkdir(parents=True)
    (files.directory / "work/recipe.yaml").touch()
    (files.directory / "report.json").touch()
    assert not files.has_ended
    (files.directory / "work/recipe.yaml").unlink()  # where a kill may leave an empty directory
    assert files.has_ended


def test_the_reason_of_a_failure_is_one_line(comparison):
    files = TrialFiles(Comparison.parse(comparison), NARROW)
    assert files.failure_reason() is None
    files.failure.parent.mkdir(parents=True)
    files.failure.write_text("it broke\n")
    assert files.failure_reason() == "it broke"
