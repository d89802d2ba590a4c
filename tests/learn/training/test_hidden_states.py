"""Hidden-state distillation: which layer learns from which, against every possible choice."""

import copy
import itertools

import pytest
import torch
from torch import nn

from prunekit.find.groups import Kind
from prunekit.learn.masking.masks import Masks
from prunekit.learn.training.distillation import Distillation
from prunekit.learn.training.distillation_loss import squared_error
from prunekit.learn.training.hidden_states import (
    MAPS,
    HiddenStateLoss,
    StateRecorder,
    existing_layers,
    match_layers,
    teaching_layers,
)

REAL = torch.ones(2, 3)


def states(count, seed=0, width=4):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(2, 3, width, generator=generator) for _ in range(count)]


def test_teaching_layers_end_the_quarters_of_the_depth():
    assert teaching_layers(12) == [2, 5, 8, 11]  # CoFi's and NASH's {3, 6, 9, 12}, counted from 0
    assert teaching_layers(24) == [5, 11, 17, 23]
    assert teaching_layers(6) == [0, 2, 3, 5]
    assert [teaching_layers(n) for n in (1, 2, 3, 4)] == [list(range(n)) for n in (1, 2, 3, 4)]


def test_layers_of_the_same_place_are_compared_in_order():
    mine, theirs = states(3), states(3, seed=1)
    expected = sum(float(squared_error(a, b, REAL)) for a, b in zip(mine, theirs, strict=True)) / 3
    assert float(match_layers(mine, theirs, REAL, [True] * 3, "same")) == pytest.approx(expected)
    with pytest.raises(ValueError, match="shorter"):
        match_layers(mine, theirs[:2], REAL, [True] * 3, "same")


@pytest.mark.parametrize("existing", [(1, 1, 1, 1, 1), (0, 1, 0, 1, 1), (0, 0, 1, 0, 0)])
def test_the_nearest_existing_layer_is_the_best_of_all_choices(existing):
    """Among all ways to give each teaching layer an existing one, the least total error."""
    mine, theirs = states(5), states(3, seed=1)
    alive = [n for n in range(5) if existing[n]]
    totals = [
        sum(float(squared_error(mine[n], b, REAL)) for n, b in zip(choice, theirs, strict=True)) / 3
        for choice in itertools.product(alive, repeat=3)
    ]
    found = match_layers(mine, theirs, REAL, [bool(n) for n in existing], "nearest")
    assert float(found) == pytest.approx(min(totals), rel=1e-5)


def test_downward_each_match_lies_below_the_last():
    """Every teaching layer is nearest to student layer 2; only the top one may have it."""
    base = states(4)
    theirs = [base[2] + 0.01 * noise for noise in states(2, seed=5)]
    top = squared_error(base[2], theirs[1], REAL)
    rest = min(float(squared_error(base[n], theirs[0], REAL)) for n in (0, 1))
    found = match_layers(base, theirs, REAL, [True] * 4, "downward")
    assert float(found) == pytest.approx((float(top) + rest) / 2, rel=1e-5)


def test_downward_a_teaching_layer_without_candidates_is_passed_over():
    mine, theirs = states(3), states(3, seed=1)
    alone = match_layers(mine, theirs, REAL, [True, False, False], "downward")
    assert float(alone) == pytest.approx(float(squared_error(mine[0], theirs[2], REAL)))
    assert float(match_layers(mine, theirs, REAL, [False] * 3, "downward")) == 0


def test_only_the_chosen_layer_learns():
    mine = [state.requires_grad_() for state in states(3)]
    match_layers(mine, [mine[1].detach() + 0.1], REAL, [True] * 3, "nearest").backward()
    assert mine[0].grad is None
    assert mine[2].grad is None
    assert mine[1].grad.abs().min() > 0


def hidden_loss(case, masks, groups=(), dimensions=None, **losses):
    """The loss after one pass of a masked student and its teacher, and the batch's real tokens."""
    student, teacher = copy.deepcopy(case.model), case.model
    layers = {s.name: [f"{s.path}.{n}" for n in range(3)] for s in case.adapter.stacks(case.config)}
    wanted = Distillation(encoder_hidden=1.0, **losses)
    made = HiddenStateLoss(wanted, student, layers, teacher, layers, dimensions, groups)
    hooks = Masks(student, groups)
    hooks.values.update(masks)
    return made, student


@pytest.fixture
def t5(case):
    return case("t5")


def passed(made, student, teacher, batch, masks):
    with torch.no_grad():
        student(**batch)
        teacher(**batch)
        return made({"encoder": batch["attention_mask"], "decoder": batch["labels"] != -100}, masks)


def test_a_copy_of_the_teacher_has_nothing_to_learn(t5, batch):
    made, student = hidden_loss(t5, {})
    assert float(passed(made, student, t5.model, batch, {})) == 0
    made.remove()
    assert not any(module._forward_hooks for module in t5.model.modules())


def test_a_layer_is_gone_when_every_sublayer_of_it_is_masked(t5):
    own = [g for g in t5.graph.groups if g.stack == "encoder" and g.kind in (Kind.HEADS, Kind.FFN)]
    paths = [f"{t5.adapter.stacks(t5.config)[0].path}.{n}" for n in range(3)]
    masks = {g.name: torch.zeros(len(g)) for g in own if g.layer == 1}
    masks |= {g.name: torch.ones(len(g)) for g in own if g.layer == 2}
    masks |= {g.name: torch.zeros(len(g)) if g.kind is Kind.HEADS else torch.ones(len(g)) for g in own if g.layer == 0}
    assert existing_layers(paths, own, masks) == [True, False, True]
    assert existing_layers(paths, [], {}) == [True] * 3


def test_masked_dimensions_count_as_nothing(t5, batch):
    """The error is that of the states with zeros in place of the masked dimensions."""
    hidden = next(g for g in t5.graph.groups if g.name == "hidden")
    masks = {"hidden": (torch.arange(32) % 4 > 0).float()}
    made, student = hidden_loss(t5, {}, [hidden])
    found = float(passed(made, student, t5.model, batch, masks))
    path = t5.adapter.stacks(t5.config)[0].path
    seen = []
    handles = [
        t5.model.get_submodule(f"{path}.{n}").register_forward_hook(lambda m, a, o: seen.append(o[0])) for n in range(3)
    ]
    t5.model.encoder(batch["input_ids"], batch["attention_mask"])
    for handle in handles:
        handle.remove()
    lost = [state.detach() * (1 - masks["hidden"]) for state in seen]
    expected = sum(float(squared_error(a, torch.zeros_like(a), batch["attention_mask"])) for a in lost) / 3
    assert found == pytest.approx(expected, rel=1e-4)
    made.remove()


def test_a_narrower_student_is_compared_at_the_dimensions_it_still_has(t5, batch):
    """With the teacher's dimensions 0, 2, 4, ... the loss is that of a teacher that has only these."""
    places = list(range(0, 32, 2))
    made, _ = hidden_loss(t5, {}, dimensions={"encoder": places})
    made.student_states.states["encoder"] = [torch.zeros(3, 7, 16)] * 3
    with torch.no_grad():
        t5.model(**batch)
    kept = [state[..., ::2] for state in made.teacher_states.states["encoder"]]
    expected = sum(float(squared_error(torch.zeros_like(a), a, batch["attention_mask"])) for a in kept) / 3
    found = made({"encoder": batch["attention_mask"]}, {})
    assert float(found) == pytest.approx(expected, rel=1e-5)
    made.remove()


def test_a_learned_map_begins_as_the_identity_and_is_gone_afterwards(t5, batch):
    made, student = hidden_loss(t5, {}, state_map="learned")
    names = {name for name, _ in student.named_parameters() if name.startswith(MAPS)}
    assert len(names) == 2
    student.encoder.block[0].layer[1].DenseReluDense.wo.weight.data.mul_(2)
    learned = float(passed(made, student, t5.model, batch, {}))
    made.remove()
    assert not hasattr(student, MAPS)
    plain, other = hidden_loss(t5, {})
    other.load_state_dict(student.state_dict())
    assert learned == pytest.approx(float(passed(plain, other, t5.model, batch, {})), rel=1e-5)
    assert learned > 0
    plain.remove()


def test_a_learned_map_learns(t5, batch):
    made, student = hidden_loss(t5, {}, state_map="learned")
    student.encoder.block[0].layer[1].DenseReluDense.wo.weight.data.mul_(2)
    student(**batch)
    with torch.no_grad():
        t5.model(**batch)
    made({"encoder": batch["attention_mask"]}, {}).backward()
    layer = getattr(student, MAPS)["encoder"]
    assert isinstance(layer, nn.Linear)
    assert layer.weight.grad.abs().sum() > 0
    made.remove()


def test_a_recorder_keeps_the_latest_pass_and_forgets_what_was_taken():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    recorder = StateRecorder(model, {"encoder": ["0", "1"]})
    inputs = states(1)[0][..., :2]
    output = model(inputs)
    first, second = recorder.take()["encoder"]
    assert torch.equal(first, model[0](inputs))
    assert torch.equal(second, output)
    assert second.requires_grad
    recorder.take()
    model(inputs)
    assert len(recorder.take()["encoder"]) == 2
    recorder.remove()
    model(inputs)
    assert recorder.take() == {"encoder": []}


def test_what_layers_put_out_is_recorded_whether_they_return_tuples_or_not(every, batch):
    paths = [f"{stack.path}.0" for stack in every.adapter.stacks(every.config)]
    recorder = StateRecorder(every.model, {"first": paths})
    with torch.no_grad():
        every.model(**batch)
    states = recorder.take()["first"]
    recorder.remove()
    assert [tuple(state.shape) for state in states] == [(3, 7, 32), (3, 6, 32)]
