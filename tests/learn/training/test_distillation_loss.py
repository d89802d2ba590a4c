"""Distillation's losses against loops over tokens, with padding that must not count."""

import math

import pytest
import torch

from prunekit.learn.training.distillation_loss import cover_states, divergence, soften, squared_error


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


def test_a_mask_of_frames_becomes_one_of_states():
    """Two frames make a state: a state is real where the first of its frames is; of three states likewise."""
    frames = torch.tensor([[1, 1, 1, 1, 0, 0], [1, 1, 0, 0, 0, 0]])
    assert cover_states(frames, torch.zeros(2, 3, 4)).tolist() == [[1, 1, 0], [1, 0, 0]]
    assert cover_states(frames, torch.zeros(2, 6, 4)) is frames
    assert cover_states(None, torch.zeros(2, 3, 4)).tolist() == [[True] * 3] * 2
