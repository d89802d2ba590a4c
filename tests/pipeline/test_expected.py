"""What a strategy tells of its work before there is any."""

import pytest

from prunekit import PrunekitError, PruningPlan
from prunekit.learn.strategy import Strategy
from prunekit.pipeline.expected import expected_work


def test_the_expected_plan_is_as_large_as_the_real_one(state):
    from prunekit.pipeline.run import run

    options = {"decoder_layers": 1, "encoder_sparsity": 0.5}
    opened = state(options=options)
    expected = expected_work(opened)
    report = run(opened.recipe)
    assert opened.dense.graph.size.of(expected.total) == report.parameters.pruned
    assert len(expected.total.kept["decoder.layers"]) == len(report.layers.decoder_kept)
    assert expected.phases == ()


def test_a_given_plan_is_what_is_expected(state, tmp_path):
    path = tmp_path / "plan.json"
    path.write_text(PruningPlan({"decoder.layers": (1,)}).to_json())
    work = expected_work(state(plan=str(path)))
    assert work.total.kept == {"decoder.layers": (1,)}


def test_tokens_that_a_corpus_lacks_are_among_it(state, tmp_path):
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("a b\nc\n")
    opened = state(vocabulary={"corpus": str(corpus)}, options={"decoder_layers": 1})
    whole = opened.dense.graph.size
    assert whole.of(expected_work(opened).total) < whole.of(expected_work(state(options={"decoder_layers": 1})).total)


def test_what_the_strategy_refuses_is_refused(state):
    with pytest.raises(PrunekitError, match="9"):
        expected_work(state(options={"decoder_layers": [9]}))


def test_a_strategy_that_needs_a_model_tells_nothing(state):
    class Reaching(Strategy):
        """Reaches for the model."""

        def plan(self, problem, bench):
            return PruningPlan({"decoder.layers": tuple(range(bench.model.config.num_layers))})

    from dataclasses import replace

    assert expected_work(replace(state(), strategy=Reaching())) is None
