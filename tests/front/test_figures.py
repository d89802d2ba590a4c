"""The share that is kept, of scores, error rates and amounts."""

import pytest

from prunekit.front.figures import Front, reported_score, share_kept
from prunekit.report.sections import Intervals, QualitySection

BLEU = {"metric": "bleu", "higher_is_better": True, "dense": 24.0, "pruned": 18.0, "retained": None, "examples": 9}


def test_of_an_amount_the_ratio_is_better_if_higher():
    assert share_kept(None, True, True, dense=24.0, pruned=18.0) == 0.75
    assert share_kept(None, True, False, dense=10.0, pruned=12.5) == 0.8
    assert share_kept(None, True, True, dense=0.0, pruned=1.0) is None
    assert share_kept(0.9, False, False, dense=0.1, pruned=0.2) == 0.9


def test_a_reports_score_for_either_model():
    section = QualitySection(**BLEU, amounts=("bleu",), intervals=Intervals(dense=(22, 26), pruned=(16, 20)))
    pruned = reported_score(section, "pruned")
    assert (pruned.score, pruned.kept, pruned.interval) == (18.0, 0.75, (16, 20))
    assert reported_score(section, "dense").kept == 1.0
    assert reported_score(section.model_copy(update={"intervals": None}), "dense").interval is None


def test_a_front_is_read_back(found):
    assert Front.model_validate_json(found.model_dump_json()) == found
    assert found.selected is None
    assert found.models[0].speedup == pytest.approx(1.72)
