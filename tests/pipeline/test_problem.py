"""What a strategy is asked."""

from prunekit import PruningPlan, Recipe
from prunekit.pipeline.problem import problem_of


def test_sparsity_is_measured_against_the_original_model(case):
    t5 = case("t5")
    whole = problem_of(t5.graph, Recipe(), PruningPlan())
    first = next(group for group in t5.graph.groups if group.name == "decoder.layers")
    left = problem_of(t5.graph, Recipe(), PruningPlan({"decoder.layers": first.ids[:1]}))
    assert left.whole == whole.whole
    assert left.sizes["total"].whole < whole.sizes["total"].whole == t5.model.num_parameters()
    assert left.sizes["total"].whole == t5.graph.size.of(PruningPlan({"decoder.layers": first.ids[:1]}))
