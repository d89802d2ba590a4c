"""The list of stages."""

from prunekit.pipeline.run import STAGES
from prunekit.report.sections import SecondsSection


def test_the_stages_follow_the_line_that_every_run_follows():
    names = [stage.__name__ for _, stage in STAGES]
    assert names.index("train_teacher") < names.index("propose_upfront") < names.index("learn_plan")
    assert names.index("learn_plan") < names.index("recover") < names.index("evaluate")
    for asked in ("propose_upfront", "learn_plan"):
        assert names[names.index(asked) + 1] == "cut_proposal"


def test_every_stage_counts_under_a_key_of_the_report():
    assert {counted for counted, _ in STAGES} == set(SecondsSection.model_fields)
