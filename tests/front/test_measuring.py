"""What is measured beside the runs: dev scores in closed form, and everything only once."""

import pytest

from prunekit.front import measuring
from prunekit.front.front_directory import FrontDirectory
from prunekit.front.measuring import dev_score_of, measure_dense, measure_models
from prunekit.loading.context import open_run_context
from prunekit.measure.predictions import Predictions
from prunekit.measure.quality import score_answers


@pytest.fixture
def answered(monkeypatch):
    """Lets every model answer the first rows right, as many as are asked for, and the others with a wrong word."""

    def answer(right):
        def quality(context, rows, batch, progress=None):
            texts = [row[0] if number < right else "wrong" for number, row in enumerate(rows["references"][:])]
            return score_answers(texts, rows, context.task.metrics)

        monkeypatch.setattr(measuring, "quality_of", quality)

    return answer


def test_a_score_is_told_as_a_share_of_the_dense_models(recipe, answered):
    whole = recipe()
    context = open_run_context(whole)
    answered(6)
    score = dev_score_of(context, whole.measure, 1.0, None)
    assert (score.score, score.kept, score.examples) == (0.75, 0.75, 8)
    low, high = score.interval
    assert 0.25 < low < 0.75 < high <= 1
    assert dev_score_of(context, whole.measure, None, None).kept == 1.0  # the dense model itself


def test_of_an_error_rate_the_share_that_is_right_counts(recipe, answered):
    task = {**recipe().task.model_dump(exclude_unset=True), "metric": "wer"}
    whole = recipe(task=task, measure={"eval_examples": 4, "workloads": [{"source": 4, "new_tokens": 3}]})
    context = open_run_context(whole)
    answered(2)  # of "c b a", "e d", "f", "i h g": five words of nine are right, and two of the wrong words are instead
    score = dev_score_of(context, whole.measure, 0.1, None)
    assert score.examples == 4
    assert score.score == pytest.approx(4 / 9)  # one word replaced; one replaced and two missing
    assert score.kept == pytest.approx((5 / 9) / 0.9)


def test_the_dense_models_answers_are_written_for_all_runs(recipe, answered):
    whole = recipe()
    directory = FrontDirectory(whole)
    answered(8)
    found = measure_dense(whole, open_run_context(whole), directory, None)
    assert found["dev"]["score"] == 1.0
    assert found["confirmed"] is False
    known = Predictions.load(directory.dense_answers)
    assert known.dense == tuple(row[0] for row in known.references)
    directory.dense_answers.unlink()
    given = whole.model_copy(update={"measure": whole.measure.model_copy(update={"dense_predictions": "given.jsonl"})})
    measure_dense(given, open_run_context(whole), directory, None)
    assert not directory.dense_answers.exists()


def test_what_was_measured_needs_no_model_again(recipe, tmp_path):
    whole = recipe()
    directory = FrontDirectory(whole)
    (tmp_path / "run").mkdir()
    (tmp_path / "run/recipe.yaml").write_text(whole.dump())
    start = type("Start", (), {"path": tmp_path / "run", "plan": None})
    score = {"score": 0.5, "kept": 0.8, "interval": None, "examples": 8}
    speed = {"workload": {"source": 4}, "speedup": 2.0, "wall_speedup": 1.9}
    directory.once("dev-decoder-1", lambda: score)
    directory.once("speeds", lambda: {"environment": {"cores": 2}, "speeds": {"decoder-1": [speed]}})

    def never():
        raise AssertionError("the dense model is opened")

    found = measure_models({"decoder-1": start}, 0.625, directory, never, None)
    assert found.dev["decoder-1"].kept == 0.8
    assert found.speeds["decoder-1"][0].speedup == 2.0
    assert found.environment == {"cores": 2}
