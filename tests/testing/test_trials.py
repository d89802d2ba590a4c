"""A trial does what a run would: the plans that a strategy gives are cut, and any trace that it leaves shows."""

import torch

from prunekit import PruningPlan, Strategy
from prunekit.testing import tiny, try_out
from prunekit.testing.trials import LONGEST, PAIRS, SHORTEST, model_state, training_context


class Given(Strategy):
    """Answers with fixed plans; trains if asked to."""

    steps: int = 0

    def upfront(self, problem, bench):
        assert bench.phase == "upfront"
        return PruningPlan({"decoder.layers": (0, 3)})

    def plan(self, problem, bench):
        assert bench.phase == "learn"
        bench.train(steps=self.steps)
        return PruningPlan({"encoder.1.ffn": (0, 1, 2, 3), "encoder.0.self.heads": (1,)})


def test_both_plans_are_cut_and_proved(tmp_path):
    trial = try_out(Given(), "t5", tmp_path)
    assert trial.both_plans == PruningPlan(
        {"decoder.layers": (0, 3), "encoder.1.ffn": (0, 1, 2, 3), "encoder.0.self.heads": (1,)}
    )
    assert len(trial.model.decoder.block) == 2
    assert trial.model.encoder.block[1].layer[1].DenseReluDense.wi.weight.shape[0] == 4
    assert [group.ids for group in trial.later_problem.groups if group.name == "decoder.layers"] == [(0, 3)]
    assert [proof.tokens_equal for proof in trial.proofs] == [True, True]
    assert max(proof.max_rel_diff for proof in trial.proofs) < 1e-10  # in float64
    assert trial.before == trial.after


def test_the_strategy_trains_the_model_that_is_cut(tmp_path):
    still, trained = (try_out(Given(steps=steps), "t5", tmp_path / str(steps)) for steps in (0, 2))
    weights = [trial.model.decoder.block[0].layer[0].SelfAttention.q.weight for trial in (still, trained)]
    dense = tiny("t5").model.decoder.block[0].layer[0].SelfAttention.q.weight
    assert torch.equal(weights[0], dense)
    assert not torch.equal(weights[1], dense)


def test_pairs_are_the_same_for_every_seed_and_of_every_length(tmp_path):
    model = tiny("bart").model
    one, other = (training_context(model, tmp_path, seed).train for seed in (0, 1))
    rows = [one[n] for n in range(len(one))]
    assert rows == [other[n] for n in range(len(other))]
    assert len(rows) == PAIRS
    for side in ("source", "labels"):
        assert {len(row[side]) for row in rows} == set(range(SHORTEST, LONGEST + 1))
        assert min(min(row[side]) for row in rows) >= 3  # no special token


def test_every_trace_on_a_model_changes_its_state():
    model = tiny("t5").model
    before = model_state(model)
    layer = model.encoder.block[0]
    changes = {
        "hooks": (lambda: layer.register_forward_hook(lambda *_: None), lambda handle: handle.remove()),
        "parameters": (lambda: layer.requires_grad_(False), lambda _: layer.requires_grad_(True)),
        "training": (lambda: layer.train(), lambda _: layer.eval()),
        "replaced": (lambda: setattr(layer, "forward", layer.forward), lambda _: delattr(layer, "forward")),
    }
    assert changes.keys() == before.keys()
    for what, (change, undo) in changes.items():
        trace = change()
        assert [name for name, value in model_state(model).items() if value != before[name]] == [what]
        undo(trace)
    assert model_state(model) == before
