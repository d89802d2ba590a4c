"""Distillation's losses against loops over tokens, with padding that must not count."""

import math

import pytest
import torch
from torch import nn

from prunekit.learn.training.distillation import Distillation, Recorder, TeacherCache, divergence, soften, squared_error


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


LABELS = torch.tensor([[5, 2, 1, -100, -100], [3, 1, -100, -100, -100], [4, 4, 4, 4, 1]])


def looped_divergence(student, teacher, temperature):
    """Sum of p log(p / q) over the vocabulary, averaged over the real tokens, in plain floats."""
    total, count = 0.0, 0
    for row in range(3):
        for place in range(5):
            if LABELS[row, place] == -100:
                continue
            scaled = [[v / temperature for v in x[row, place].tolist()] for x in (teacher, student)]
            p, q = ([math.exp(v - math.log(sum(map(math.exp, values)))) for v in values] for values in scaled)
            total += sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
            count += 1
    return total / count


@pytest.mark.parametrize("temperature", [1.0, 2.0, 5.0])
def test_the_divergence_is_a_mean_over_real_tokens(temperature):
    student, teacher = random(3, 5, 7), random(3, 5, 7, seed=1)
    found = divergence(soften(student, temperature), soften(teacher, temperature), LABELS)
    assert float(found) == pytest.approx(looped_divergence(student, teacher, temperature), rel=1e-5)


def test_padding_neither_counts_nor_learns():
    student, teacher = random(3, 5, 7).requires_grad_(), random(3, 5, 7, seed=1)
    disturbed = torch.where((LABELS == -100).unsqueeze(-1), teacher + 50 * random(3, 5, 7, seed=2), teacher)
    one, other = (divergence(soften(student, 2.0), soften(t, 2.0), LABELS) for t in (teacher, disturbed))
    assert torch.equal(one, other)
    one.backward()
    assert not student.grad[LABELS == -100].any()
    assert student.grad[LABELS != -100].abs().min() > 0


def test_the_divergence_of_a_model_from_itself_is_nothing():
    logits = soften(random(3, 5, 7), 2.0)
    assert float(divergence(logits, logits, LABELS)) == pytest.approx(0, abs=1e-7)
    assert float(divergence(logits, logits, torch.full_like(LABELS, -100))) == 0


def test_softening_is_done_in_32_bit():
    logits = random(1, 1, 7).bfloat16()
    assert soften(logits, 2.0).dtype == torch.float32
    assert float(soften(logits, 2.0).exp().sum()) == pytest.approx(1)


def test_hidden_states_are_compared_at_real_tokens_only():
    real = torch.tensor([[1, 1, 0, 0], [1, 1, 1, 1]])
    mine, theirs = random(2, 4, 6), random(2, 4, 6, seed=3)
    squares = [
        (mine[row, place, d].item() - theirs[row, place, d].item()) ** 2
        for row in range(2)
        for place in range(4)
        for d in range(6)
        if real[row, place]
    ]
    assert float(squared_error(mine, theirs, real)) == pytest.approx(sum(squares) / len(squares), rel=1e-5)
    moved = theirs + 9 * (1 - real).unsqueeze(-1)
    assert float(squared_error(mine, moved, real)) == pytest.approx(sum(squares) / len(squares), rel=1e-5)
    assert float(squared_error(mine, theirs, torch.zeros_like(real))) == 0


def test_terms_of_weight_zero_need_no_teacher():
    assert not Distillation(logits=0, encoder_hidden=0).needs_teacher
    assert Distillation(logits=0.5, encoder_hidden=0).needs_teacher
    assert Distillation(logits=0, encoder_hidden=0.1).needs_teacher
    assert Distillation(encoder_hidden=0.1, decoder_hidden=0.2).hidden == {"encoder": 0.1, "decoder": 0.2}


def test_a_recorder_keeps_the_latest_pass_and_forgets_what_was_taken():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    recorder = Recorder(model, {"encoder": ["0", "1"]})
    inputs = random(1, 2)
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
    recorder = Recorder(every.model, {"first": paths})
    with torch.no_grad():
        every.model(**batch)
    states = recorder.take()["first"]
    recorder.remove()
    assert [tuple(state.shape) for state in states] == [(3, 7, 32), (3, 6, 32)]


def test_the_cache_gives_back_what_the_teacher_said():
    cache, said = TeacherCache(), soften(random(3, 5, 7), 2.0)
    assert cache.get([10, 11, 12], 5) is None
    cache.put([10, 11, 12], LABELS, said)
    known = cache.get([12, 10], 5)
    assert torch.allclose(known[0], said[2], atol=2e-3)
    assert torch.allclose(known[1, :3], said[0, :3], atol=2e-3)
    assert cache.get([10, 13], 5) is None
    assert cache.bytes == (3 + 2 + 5) * 7 * 2


def test_a_cached_lesson_is_worth_the_same_in_a_batch_of_any_length():
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
