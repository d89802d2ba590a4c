"""Gates: their noise, the Lagrangian written out by hand, and a small tug of war that ends on target."""

import copy
import math

import pytest
import torch

from prunekit.find.groups import Kind, PruningGroup, Slice
from prunekit.find.plan import PruningPlan
from prunekit.find.size import Size
from prunekit.learn.masking.gates import Constraint, HardConcreteGates, HardGates
from prunekit.learn.masking.hard_concrete import LIMIT, keep_probability, sample
from prunekit.learn.masking.schedule import SparsitySchedule

HEADS = PruningGroup("heads", Kind.HEADS, "encoder", (0, 1, 2, 3), (Slice("q", 0, 24),))
WIDE = PruningGroup("ffn", Kind.FFN, "encoder", tuple(range(40)), (Slice("w", 0, 6),))
SIZE = Size({"q": (96,), "w": (240,)}, (HEADS, WIDE))
PRICES = torch.tensor([24.0] * 4 + [6.0] * 40)
WHOLE = 336


def constraint(target=0.4, warmup=0, size=SIZE, whole=WHOLE, name="encoder"):
    return Constraint(name, size, whole, SparsitySchedule(target, warmup))


def gates(seed=0, **options):
    return HardConcreteGates([HEADS, WIDE], [constraint()], seed, **options)


def flat(values):
    return torch.cat([values["heads"], values["ffn"]])


def test_a_schedule_rises_linearly_and_then_stays():
    schedule = SparsitySchedule(0.3, 100)
    assert [schedule.at(step) for step in (0, 25, 50, 100, 5000)] == pytest.approx([0, 0.075, 0.15, 0.3, 0.3])
    assert [SparsitySchedule(0.3).at(step) for step in (0, 1)] == [0.3, 0.3]


def test_the_noise_depends_on_the_seed_and_the_step_alone():
    one = gates(seed=3, initial=0.0)
    first = flat(one.draw(7))
    torch.manual_seed(99)
    torch.rand(5)
    assert torch.equal(flat(one.draw(7)), first)
    assert torch.equal(flat(copy.deepcopy(gates(seed=3, initial=0.0)).draw(7)), first)
    assert not torch.equal(flat(one.draw(8)), first)
    assert not torch.equal(flat(gates(seed=4, initial=0.0).draw(7)), first)
    assert not torch.equal(flat(gates(seed=4, initial=0.0).draw(6)), first)


def test_drawing_leaves_the_global_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    gates().draw(1)
    assert torch.equal(torch.rand(3), expected)


def test_draws_are_hard_concrete_samples_of_each_units_own_parameter():
    learned = gates(initial=0.0)
    with torch.no_grad():
        learned.log_alpha[2], learned.log_alpha[43] = -4.0, 4.0
    draws = torch.stack([flat(learned.draw(step)) for step in range(2000)]).detach()
    noise = torch.rand(400_000, generator=torch.Generator().manual_seed(1))
    for unit in (0, 2, 43):
        expected = sample(torch.full_like(noise, learned.log_alpha[unit].item()), noise)
        assert float(draws[:, unit].mean()) == pytest.approx(float(expected.mean()), abs=0.04)
        assert float((draws[:, unit] > 0).float().mean()) == pytest.approx(
            float((expected > 0).float().mean()), abs=0.03
        )
    assert draws.min() == 0
    assert draws.max() == 1


def test_drawing_holds_the_parameters_within_their_limits():
    learned = gates(initial=50.0)
    learned.draw(0)
    assert learned.log_alpha.tolist() == pytest.approx([LIMIT] * 44)


def test_the_penalty_is_the_lagrangian_written_out():
    learned = gates(initial=1.0)
    with torch.no_grad():
        learned.multipliers[0] = torch.tensor([-0.7, 2.0])
        learned.log_alpha[:4] = torch.tensor([-3.0, 0.0, 2.0, 4.0])
    gap = 1 - (keep_probability(learned.log_alpha) * PRICES).sum().item() / WHOLE - 0.4
    assert learned.penalty(0).item() == pytest.approx(-0.7 * gap + 2.0 * gap**2, abs=1e-6)


def test_the_penalty_follows_the_schedule():
    learned = HardConcreteGates([HEADS, WIDE], [constraint(0.4, warmup=100)], 0)
    with torch.no_grad():
        learned.multipliers[0] = torch.tensor([1.0, 0.0])
    rise = (learned.penalty(0) - learned.penalty(50)).item()
    assert rise == pytest.approx(0.2, abs=1e-6)
    assert learned.figures(50)["encoder_target"] == pytest.approx(0.2)
    assert learned.figures(50)["encoder_sparsity"] == pytest.approx(1 - float(keep_probability(torch.tensor(4.6))))


def test_the_penalty_starts_at_nothing():
    learned = gates()
    assert learned.penalty(0).item() == 0
    learned.penalty(0).backward()
    assert not learned.log_alpha.grad.any()


@pytest.mark.parametrize(("initial", "sign"), [(4.6, -1), (-4.6, 1)])
def test_a_violated_constraint_raises_the_multipliers_that_punish_it(initial, sign):
    """Too dense: l1 falls below 0, so that more sparsity lowers the loss; too sparse: the reverse. l2 always grows."""
    learned = gates(initial=initial)
    optimizer = torch.optim.AdamW(learned.optimizer_groups())
    learned.penalty(0).backward()
    optimizer.step()
    linear, quadratic = learned.multipliers.detach()[0].tolist()
    assert linear * sign > 0
    assert quadratic > 0
    optimizer.zero_grad()
    learned.penalty(0).backward()
    assert (learned.log_alpha.grad * -sign > 0).all()


def test_each_constraint_has_multipliers_of_its_own():
    """A stack that is too sparse does not make up for one that is too dense."""
    pair = [
        constraint(0.9, size=Size({"q": (96,)}, (HEADS,)), whole=96, name="heads"),
        constraint(0.0, size=Size({"w": (240,)}, (WIDE,)), whole=240, name="ffn"),
    ]
    learned = HardConcreteGates([HEADS, WIDE], pair, 0, initial=0.0)
    optimizer = torch.optim.AdamW(learned.optimizer_groups())
    learned.penalty(0).backward()
    optimizer.step()
    (first, _), (second, _) = learned.multipliers.detach().tolist()
    assert first < 0 < second
    assert set(learned.figures(0)) == {"heads_sparsity", "heads_target", "ffn_sparsity", "ffn_target"}


def pull(learned, optimizer, steps, start=0):
    """Train the gates against a task that wants every unit, some of them 40 times as much as others."""
    worth = torch.logspace(-2.6, -1, 44)[torch.randperm(44, generator=torch.Generator().manual_seed(0))]
    for step in range(start, start + steps):
        optimizer.zero_grad()
        task = (worth * (1 - flat(learned.draw(step))) * PRICES / 24).sum()
        (task + learned.penalty(step)).backward()
        optimizer.step()
    return worth


def test_the_expected_sparsity_ends_on_target_and_spares_what_matters():
    learned = HardConcreteGates([HEADS, WIDE], [constraint(0.4, warmup=200)], 0)
    optimizer = torch.optim.AdamW(learned.optimizer_groups())
    worth = pull(learned, optimizer, 1200)
    assert learned.figures(1200)["encoder_sparsity"] == pytest.approx(0.4, abs=0.005)
    scores = flat(learned.scores())
    order = worth.argsort()
    assert scores[order[-15:]].min() > scores[order[:8]].max()


def test_resuming_is_bit_identical():
    straight = gates()
    optimizer = torch.optim.AdamW(straight.optimizer_groups())
    pull(straight, optimizer, 10)
    saved = copy.deepcopy((straight.state_dict(), optimizer.state_dict()))
    pull(straight, optimizer, 10, start=10)
    resumed = gates()
    other = torch.optim.AdamW(resumed.optimizer_groups())
    resumed.load_state_dict(saved[0])
    other.load_state_dict(saved[1])
    pull(resumed, other, 10, start=10)
    assert torch.equal(resumed.log_alpha, straight.log_alpha)
    assert torch.equal(resumed.multipliers, straight.multipliers)


def test_scores_and_probabilities_are_by_group_and_unit():
    learned = gates()
    with torch.no_grad():
        learned.log_alpha.copy_(torch.arange(44.0) / 20)
    assert learned.scores()["ffn"].tolist() == pytest.approx([(4 + unit) / 20 for unit in range(40)])
    assert torch.equal(learned.keep_probabilities()["heads"], keep_probability(torch.arange(4.0) / 20))


def test_hard_gates_are_the_plan():
    hard = HardGates([HEADS, WIDE], PruningPlan({"heads": (1, 3)}))
    assert [group.name for group in hard.groups] == ["heads"]
    assert hard.draw(0)["heads"].tolist() == hard.draw(9)["heads"].tolist() == [0, 1, 0, 1]
    assert float(hard.penalty(3)) == 0
    assert hard.optimizer_groups() == []
    assert not list(hard.parameters())


def sublayered(case, seed=0, **options):
    """Gates of every kind over a whole tiny model: heads, channels, their sub-layers and hidden dimensions."""
    groups = [g for g in case.graph.groups if g.kind in (Kind.HEADS, Kind.FFN) or g.name == "hidden"]
    size = case.graph.size_of("encoder", "decoder")
    blocks = [g for g in groups if g.kind is not Kind.HIDDEN]
    target = Constraint("non_embedding", size, size.whole, SparsitySchedule(0.6))
    return HardConcreteGates(groups, [target], seed, sublayers=blocks, **options)


def test_a_unit_is_kept_only_if_its_sublayer_is(case):
    learned = sublayered(case("bart"), initial=0.0)
    probability = float(keep_probability(torch.tensor(0.0)))
    keep = learned.keep_probabilities()
    assert keep["encoder.0.ffn"].tolist() == pytest.approx([probability**2] * 20)
    assert keep["hidden"].tolist() == pytest.approx([probability] * 32)
    assert set(learned.sublayer_probabilities()) == set(keep) - {"hidden"}
    draws = [learned.draw(step)["encoder.0.ffn"] for step in range(600)]
    gone = sum(not bool(draw.any()) for draw in draws) / 600
    assert gone == pytest.approx(1 - probability, abs=0.05)  # all 20 at once: only the gate they share does that
    kept = torch.stack(draws).gt(0).float().mean()
    assert float(kept) == pytest.approx(probability**2, abs=0.05)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_expected_size_under_certain_gates_is_that_of_the_cut_model(every, seed):
    """Gates at 0 and 1, sub-layers and dimensions included: the expectation is the count after surgery."""
    learned = sublayered(every)
    generator = torch.Generator().manual_seed(seed)
    certain = (torch.rand(len(learned.log_alpha), generator=generator) < 0.7).float()
    certain[sum(learned.sizes) - 32] = 1.0  # at least one of the hidden dimensions, which come last among the units
    keep = learned._joint(certain)
    plan = PruningPlan(
        {g.name: tuple(n for n, z in zip(g.ids, keep[g.name], strict=True) if z) for g in learned.groups}
    )
    stacks = every.graph.parts
    cut = every.cut(plan)
    real = sum(p.numel() for name, p in cut.named_parameters() if stacks[name] in ("encoder", "decoder"))
    (constraint,) = learned.constraints
    assert float(constraint.size(keep)) == real
    assert float(constraint.sparsity(keep)) == pytest.approx(1 - real / constraint.whole)


def test_the_expected_size_is_the_mean_over_independent_gates(case):
    """Two heads, three channels and two sub-layers: all 128 outcomes, weighted by their probabilities."""
    heads = PruningGroup("heads", Kind.HEADS, "encoder", (0, 1), (Slice("q", 0, 3),))
    wide = PruningGroup("ffn", Kind.FFN, "encoder", (0, 1, 2), (Slice("w", 0, 2),))
    size = Size({"q": (6, 5), "w": (6, 5)}, (heads, wide))
    target = Constraint("encoder", size, size.whole, SparsitySchedule(0.5))
    learned = HardConcreteGates([heads, wide], [target], 0, sublayers=[heads, wide])
    with torch.no_grad():
        learned.log_alpha.copy_(torch.tensor([-3.0, 0.5, 1.0, -1.0, 2.0, -0.5, 0.3]))
    chances = keep_probability(learned.log_alpha.detach()).tolist()
    mean = 0.0
    for outcome in range(2**7):
        on = [outcome >> n & 1 for n in range(7)]
        weight = 1.0
        for chance, value in zip(chances, on, strict=True):
            weight *= chance if value else 1 - chance
        mean += weight * (15 * on[5] * (on[0] + on[1]) + 10 * on[6] * sum(on[2:5]))
    assert float(size(learned.keep_probabilities()).detach()) == pytest.approx(mean, rel=1e-5)


def test_each_kind_may_start_elsewhere():
    learned = HardConcreteGates([HEADS, WIDE], [constraint()], 0, initial={Kind.HEADS: 10.0, Kind.FFN: 0.0})
    assert learned.log_alpha.tolist() == [10.0] * 4 + [0.0] * 40


def test_the_released_masks_remove_what_is_expected_to_go_group_by_group():
    learned = gates()
    with torch.no_grad():
        learned.log_alpha.copy_(torch.cat([torch.tensor([4.0, -4.0, 0.0, 1.0]), torch.linspace(-4.6, 4.6, 40)]))
    masks = learned.deterministic()
    for name, alphas in learned.scores().items():
        gone = round(len(alphas) - sum(1 / (1 + math.exp(-a - 2 / 3 * math.log(11))) for a in alphas.tolist()))
        zeros = (masks[name] == 0).nonzero().flatten().tolist()
        assert sorted(zeros) == sorted(alphas.argsort()[:gone].tolist())
    assert masks["heads"].tolist() == pytest.approx([1 / (1 + math.exp(-4.8)), 0, 0.5, 1 / (1 + math.exp(-1.2))])
