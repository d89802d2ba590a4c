"""What the built-in strategies promise beyond the suite: presets, layer tables, masks folded as released."""

import json
from types import SimpleNamespace

import pytest
import torch

from prunekit.errors import PrunekitError
from prunekit.find.groups import Kind, PruningGroup
from prunekit.find.plan import PruningPlan
from prunekit.learn.masking.masks import Masks
from prunekit.learn.strategy import Problem, build
from prunekit.pipeline.problem import problem_of
from prunekit.recipe import Recipe
from prunekit.testing import try_out
from prunekit_strategies.cofi import CoFi
from prunekit_strategies.depth import Depth
from prunekit_strategies.nash import Nash
from prunekit_strategies.uniform import Uniform


def layers(count, stack="decoder"):
    group = PruningGroup(f"{stack}.layers", Kind.LAYERS, stack, tuple(range(count)), path=f"{stack}.block")
    return Problem((group,), {}, {})


class Recorder:
    """A bench that trains nothing and remembers what it was asked."""

    def __init__(self, loss=None):
        self.trained, self.frozen, self.folded, self.loss = [], [], [], loss

    def train(self, losses=None, gates=None, steps=0, frozen_stacks=()):
        if steps:
            self.trained.append((losses, gates, steps))
            self.frozen.append(tuple(frozen_stacks))

    def losses(self, plans):
        return [self.loss(plan) for plan in plans]

    def fold(self, values):
        self.folded.append(values)

    def scores(self, groups, by="magnitude"):
        return {group.name: torch.arange(float(len(group))) for group in groups}


@pytest.mark.parametrize(
    ("teacher", "student", "copied"),
    [
        (12, 1, (0,)),
        (12, 3, (0, 6, 11)),
        (12, 6, (0, 2, 4, 7, 9, 11)),
        (16, 4, (0, 5, 10, 15)),
        (16, 12, (0, 1, 2, 3, 4, 5, 6, 7, 9, 11, 13, 15)),
        (6, 4, (0, 1, 3, 5)),
        (12, 5, (0, 2, 5, 8, 11)),  # not in the table: evenly spaced
        (24, 3, (0, 11, 23)),
    ],
)
def test_depth_copies_the_layers_that_distilbart_does(teacher, student, copied):
    plan = Depth(decoder_layers=student).upfront(layers(teacher), Recorder())
    assert plan == PruningPlan({"decoder.layers": copied})


def test_the_table_has_as_many_layers_as_it_says_and_always_the_first():
    from prunekit_strategies.depth import DISTILBART

    for count, row in DISTILBART.items():
        for kept, chosen in row.items():
            assert len(set(chosen)) == kept
            assert (chosen[0], max(chosen) < count) == (0, True)


def test_even_spacing_is_the_formula_everywhere():
    plan = Depth(decoder_layers=3, spacing="even").upfront(layers(12), Recorder())
    assert plan == PruningPlan({"decoder.layers": (0, 5, 11)})


@pytest.mark.parametrize(
    "strategy", [Depth(decoder_layers=2, spacing="loss"), Nash(decoder_layers=2, encoder_sparsity=0)]
)
def test_layers_by_loss_are_those_without_which_the_model_loses_least(strategy):
    bench = Recorder(lambda plan: sum(abs(n - 4.4) for n in plan.kept["decoder.layers"]))
    assert strategy.upfront(layers(12), bench) == PruningPlan({"decoder.layers": (4, 5)})


def test_depth_trains_nothing_itself():
    bench = Recorder()
    assert Depth().plan(layers(12), bench) == PruningPlan()
    assert bench.trained == []


def test_a_preset_fills_in_what_is_not_given():
    released, ours = Nash(preset="code-faithful"), Nash()
    assert (released.logits, released.encoder_hidden, released.decoder_hidden) == (0, 0, 0)
    assert (released.gate_learning_rate, released.initial_gate, released.initial_ffn_gate) == (0.01, 10, 0)
    assert (released.layer_choice, released.final_masks) == ("even", "soft")
    assert ours == Nash(preset="recommended")
    assert (ours.layer_choice, ours.final_masks) == ("loss", "hard")
    own = build(Nash, {"preset": "code-faithful", "logits": 0.25, "final_masks": "hard"})
    assert (own.logits, own.final_masks, own.initial_ffn_gate) == (0.25, "hard", 0)


def test_a_preset_of_another_name_is_refused():
    with pytest.raises(Exception, match="recommended"):
        build(Nash, {"preset": "best"})


def test_presets_name_only_options_that_there_are():
    for strategy in (Nash, CoFi, Depth, Uniform):
        for values in strategy.presets.values():
            assert set(values) <= set(strategy.model_fields)


def test_a_resolved_preset_reads_back_the_same():
    released = Nash(preset="code-faithful", steps=7)
    assert build(Nash, json.loads(released.model_dump_json())) == released


@pytest.fixture
def problem(case):
    return problem_of(case("t5").graph, Recipe(round_to=4), PruningPlan())


def test_as_released_nothing_is_learned_from_the_teacher(problem):
    bench = Recorder()
    Nash(preset="code-faithful", steps=5).plan(problem, bench)
    ((losses, gates, steps),) = bench.trained
    assert not losses.needs_teacher
    assert losses.cross_entropy == 1
    assert steps == 5
    starts = {g.kind: gates.log_alpha[at].item() for g, at in zip(gates.groups, (0, 4), strict=False)}
    assert starts == {Kind.HEADS: 10.0, Kind.FFN: 0.0}


def test_as_released_the_masks_that_stay_are_folded(problem):
    """At the start channels are worth 0.5 and 17% of them are expected to go: 3 of 20, heads stay."""
    bench = Recorder()
    plan = Nash(preset="code-faithful", steps=5).plan(problem, bench)
    (values,) = bench.folded
    for group in problem.widths("encoder"):
        zeros = [n for n, z in zip(group.ids, values[group.name], strict=True) if z == 0]
        assert set(plan.of(group)) == set(group.ids) - set(zeros)
        assert len(zeros) == (3 if group.kind is Kind.FFN else 0)
        if group.kind is Kind.FFN:
            assert {z for z in values[group.name].tolist() if z} == {0.5}
    assert all(plan.of(group) == group.ids for group in problem.widths("decoder"))


def test_folding_once_gives_the_model_that_was_masked_softly(case, batch, tmp_path):
    """The released masks on the trained model against the one whose weights were folded and cut."""
    seen = {}

    class Watching(Nash):
        def soft_plan(self, gates, bench):
            masks = Masks(bench.model, bench.groups)
            masks.values.update(gates.deterministic())
            with torch.inference_mode():
                seen["logits"] = bench.model(**batch).logits.clone()
            masks.remove()
            return super().soft_plan(gates, bench)

    strategy = Watching(preset="code-faithful", decoder_layers=2, steps=8, gate_learning_rate=0.3)
    trial = try_out(strategy, "t5", tmp_path)
    with torch.inference_mode():
        found = trial.model(**batch).logits
    assert float((found - seen["logits"]).abs().max() / found.abs().max()) <= 1e-4
    assert len(trial.plan.kept["encoder.0.ffn"]) < 20


def test_the_encoder_is_trained_without_gates_where_nothing_is_to_go(problem):
    bench = Recorder()
    assert Nash(encoder_sparsity=0, steps=9).plan(problem, bench) == PruningPlan()
    ((_, gates, steps),) = bench.trained
    assert (gates, steps) == (None, 9)


def test_the_decoder_trains_alone_before_the_gates(problem):
    """The encoder's states are the teacher's own then, so nothing is to be learned from them."""
    bench = Recorder()
    Nash(narrowing="gates", decoder_steps=7, steps=9, encoder_hidden=0.5, decoder_hidden=0.25).plan(problem, bench)
    (alone, no_gates, first), (both, gates, then) = bench.trained
    assert (first, then, bench.frozen) == (7, 9, [("encoder",), ()])
    assert no_gates is None is not gates
    assert (alone.encoder_hidden, alone.decoder_hidden, alone.logits) == (0, 0.25, both.logits)


def test_nash_refits_the_encoder_to_what_goes_before_any_training(case, problem):
    """Every attention and every feed-forward layer loses its share; the ones least missed go, and the rest makes up."""
    asked = []

    class Rebuilt:
        def __init__(self, groups):
            self.groups = groups
            self.scores = {group.name: torch.arange(float(len(group))).flip(0) for group in groups}

        def refit(self, plan):
            asked.append(plan)

    bench = Recorder()
    bench.reconstruction = Rebuilt
    strategy = Nash(decoder_layers=[0, 2], encoder_sparsity=0.5)
    plan = strategy.upfront(problem, bench)
    widths = {name: ids for name, ids in plan.kept.items() if name.startswith("encoder")}
    assert asked == [PruningPlan(widths)]
    assert plan.kept["decoder.layers"] == (0, 2)
    assert all(ids[0] == 0 for ids in widths.values() if ids), "the first units have the highest scores"
    assert 0.4 < problem.sizes["encoder"].of(plan) / problem.whole["encoder"] <= 0.5
    assert strategy.plan(problem, bench) == PruningPlan()
    assert bench.trained == []


def test_random_scores_are_those_of_the_seed(case):
    plans = []
    for seed in (0, 0, 1):
        problem = problem_of(case("t5").graph, Recipe(round_to=1, seed=seed), PruningPlan())
        plans.append(Uniform(importance="random", encoder_sparsity=0.5).plan(problem, Recorder()))
    assert plans[0] == plans[1] != plans[2]
    shapes = [{name: len(ids) for name, ids in plan.kept.items()} for plan in plans]
    assert shapes[0] == shapes[2]


def test_the_same_share_of_both_stacks(case, problem):
    plan = Uniform(encoder_sparsity=0.5, decoder_sparsity=0.5).plan(problem, Recorder())
    left = {problem.sizes[stack].of(plan) / problem.whole[stack] for stack in ("encoder", "decoder")}
    assert max(left) <= 0.5
    assert max(left) - min(left) < 0.05


def gates_of(problem, **options):
    return CoFi(**options).gates(problem)


def test_cofi_gates_five_kinds_of_units_in_both_stacks(problem):
    gates = gates_of(problem)
    names = {group.name for group in gates.groups}
    assert {"encoder.0.self.heads", "decoder.3.cross.heads", "decoder.0.ffn", "hidden"} <= names
    assert set(gates.sublayers) == names - {"hidden"}
    assert [constraint.name for constraint in gates.constraints] == ["non_embedding"]


def test_cofi_gates_no_more_than_it_is_asked_to(problem):
    gates = gates_of(problem, masks=["ffn"], constraints="separate", sparsity=0.05)
    assert {group.kind for group in gates.groups} == {Kind.FFN}
    assert gates.sublayers == []
    assert [constraint.name for constraint in gates.constraints] == ["encoder", "decoder"]
    alone = gates_of(problem, stacks="encoder")
    assert {group.stack for group in alone.groups} == {"encoder"}
    assert [constraint.name for constraint in alone.constraints] == ["encoder"]


def test_cofi_says_before_any_training_that_a_target_is_out_of_reach(problem):
    everything = problem.sizes["non_embedding"]
    most = 1 - everything.counted({g.name: 0 for g in problem.groups if g.kind is Kind.HEADS}) / everything.whole
    gates_of(problem, masks=["heads"], sparsity=most - 0.01)
    with pytest.raises(PrunekitError, match=rf"heads are at most {most:.0%} of what non_embedding counts"):
        gates_of(problem, masks=["heads"], sparsity=most + 0.01)


def test_cofi_needs_units_by_which_the_target_is_met():
    with pytest.raises(Exception, match="name heads or ffn too"):
        build(CoFi, {"masks": ["hidden", "sublayers"]})


def test_a_bench_is_asked_for_the_same_number_of_steps(problem):
    bench = SimpleNamespace(trained=[], train=lambda losses, gates, steps: bench.trained.append((losses, steps)))
    CoFi(steps=3, matching="downward").plan(problem, bench)
    ((losses, steps),) = bench.trained
    assert (losses.matching, losses.state_map, steps) == ("downward", "learned", 3)
