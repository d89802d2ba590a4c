"""The teacher: what of it a student still has, and a cache of its predictions that is as good as asking it."""

import copy

import pytest
import torch

from prunekit.find.plan import PruningPlan
from prunekit.learn.training.distillation_loss import divergence, soften
from prunekit.learn.training.teacher import Teacher, TeacherCache


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


LABELS = torch.tensor([[5, 2, 1, -100, -100], [3, 1, -100, -100, -100], [4, 4, 4, 4, 1]])


def test_the_cache_gives_back_what_the_teacher_said():
    cache = TeacherCache()
    said = soften(random(3, 5, 7), 2.0)
    assert cache.get([10, 11, 12], 5) is None
    cache.put([10, 11, 12], LABELS, said)
    known = cache.get([12, 10], 5)
    assert torch.allclose(known[0], said[2], atol=2e-3)
    assert torch.allclose(known[1, :3], said[0, :3], atol=2e-3)
    assert cache.get([10, 13], 5) is None
    assert cache.bytes == (3 + 2 + 5) * 7 * 2


def test_a_cached_prediction_is_worth_the_same_in_a_batch_of_any_length():
    student, said = soften(random(3, 5, 7, seed=3), 2.0), soften(random(3, 5, 7), 2.0)
    cache = TeacherCache()
    cache.put([0, 1], LABELS[:2, :4], said[:2, :4])
    again = cache.get([0, 1], 5)
    assert float(divergence(student[:2], again, LABELS[:2])) == pytest.approx(
        float(divergence(student[:2], said[:2], LABELS[:2])), abs=2e-3
    )


def test_a_full_cache_takes_no_more():
    cache = TeacherCache(limit=10)
    cache.put([0, 1, 2], LABELS, soften(random(3, 5, 7), 1.0))
    filled = cache.bytes
    cache.put([3, 4, 5], LABELS, soften(random(3, 5, 7), 1.0))
    assert cache.bytes == filled
    assert cache.get([3], 5) is None


def test_the_teacher_learns_nothing_and_drops_nothing(case):
    model = copy.deepcopy(case("t5").model).train()
    teacher = Teacher(model, {})
    assert not any(parameter.requires_grad for parameter in teacher.model.parameters())
    assert not any(module.training for module in teacher.model.modules())


def test_its_layers_and_dimensions_are_those_that_the_student_still_has(every):
    last = every.graph.groups[0].ids
    assert last
    plan = PruningPlan({"decoder.layers": (1, 3), "hidden": tuple(range(0, 32, 2))})
    teacher = Teacher.of(copy.deepcopy(every.model), every.graph.groups, plan)
    stacks = {stack.name: stack.path for stack in every.adapter.stacks(every.config)}
    expected = {"encoder": [0, 1, 2], "decoder": [1, 3]}
    assert teacher.layers == {stack: [f"{path}.{n}" for n in expected[stack]] for stack, path in stacks.items()}
    assert teacher.dimensions == {stack: list(range(0, 32, 2)) for stack in stacks}
    assert Teacher.of(copy.deepcopy(every.model), every.graph.groups, PruningPlan()).dimensions == {}
