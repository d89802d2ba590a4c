"""A cache of an encoder's states: the same as running it, up to a limit, and only where nothing changes."""

import copy

import pytest
import torch

from prunekit.learn.training.encoder_cache import EncoderCache, lengths_of


def encoded(model, batch):
    mask = batch["attention_mask"]
    with torch.no_grad():
        states = model.get_encoder()(input_ids=batch["input_ids"], attention_mask=mask).last_hidden_state
    return states * mask[..., None]


@pytest.fixture
def model(every):
    return copy.deepcopy(every.model)


def test_states_that_are_cached_are_the_encoders_own_whatever_the_batch(model, batch):
    batch = {
        **batch,
        "attention_mask": torch.tensor([1] * batch["input_ids"].shape[1]).repeat(len(batch["input_ids"]), 1),
    }
    batch["attention_mask"][1, 4:] = 0  # padded on the right
    expected, cache = encoded(model, batch), EncoderCache()
    with cache.of(model.get_encoder()):
        cache.rows = list(range(len(expected)))
        assert torch.equal(encoded(model, batch), expected)
        for parameter in model.get_encoder().parameters():
            parameter.data.zero_()  # whoever ran now would give something else
        assert torch.equal(encoded(model, batch), expected)
        cache.rows = [1, 0]
        turned = {key: batch[key][[1, 0]] for key in ("input_ids", "attention_mask")}
        assert torch.equal(encoded(model, turned), expected[[1, 0]])
        cache.rows = [1]
        alone = {key: batch[key][[1], :6] for key in ("input_ids", "attention_mask")}
        assert torch.equal(encoded(model, alone), expected[[1], :6])
        cache.rows = None
        assert not torch.equal(encoded(model, batch), expected)
    assert "forward" not in vars(model.get_encoder())


def test_loss_and_decoder_gradients_are_the_same_with_a_cache(model, batch):
    cache = EncoderCache()
    for parameter in model.get_encoder().parameters():
        parameter.requires_grad_(False)
    gradients = []
    with cache.of(model.get_encoder()):
        for rows in (None, [0, 1, 2, 3], [0, 1, 2, 3]):
            cache.rows = None if rows is None else rows[: len(batch["labels"])]
            model.zero_grad()
            model(**batch, use_cache=False).loss.backward()
            gradients.append({name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None})
    assert gradients[0]
    for found in gradients[1:]:
        assert all(torch.allclose(found[name], value, atol=1e-6) for name, value in gradients[0].items())


def test_a_full_cache_takes_nothing_more(model, batch):
    cache = EncoderCache(limit=1)
    with cache.of(model.get_encoder()):
        cache.rows = list(range(len(batch["input_ids"])))
        encoded(model, batch)
        first = cache.bytes
        assert not cache.is_full
        cache.rows = [row + 100 for row in cache.rows]
        encoded(model, batch)
    assert 0 < cache.bytes == first
    assert cache.is_full


def test_a_full_cache_that_another_process_left_answers_for_what_it_holds(model, batch):
    cache, again = EncoderCache(limit=1), EncoderCache(limit=1)
    rows = list(range(len(batch["input_ids"])))
    with cache.of(model.get_encoder()):
        cache.rows = rows
        expected = encoded(model, batch)
    for row, states in cache.states.items():
        again.add(row, states)
    runs = []
    model.get_encoder().register_forward_pre_hook(lambda *_: runs.append(1))
    run = model.get_encoder().forward
    model.get_encoder().forward = lambda *args, **kwargs: runs.append(2) or run(*args, **kwargs)
    with again.of(model.get_encoder()):
        for _ in range(3):
            again.rows = rows
            assert torch.equal(encoded(model, batch), expected)
    assert runs.count(2) == 1, "once, to learn what an output is"
    assert not again.is_full


def test_a_cache_that_was_cleared_is_filled_anew(model, batch):
    cache = EncoderCache()
    with cache.of(model.get_encoder()):
        cache.rows = list(range(len(batch["input_ids"])))
        encoded(model, batch)
        cache.clear()
        assert (cache.bytes, cache.states) == (0, {})
        with torch.no_grad():
            next(p for p in model.get_encoder().parameters() if p.numel()).mul_(1.5)
        cache.rows = list(range(len(batch["input_ids"])))
        changed = encoded(model, batch)
        assert torch.equal(encoded(model, batch), changed)
        cache.rows = None
        assert torch.equal(encoded(model, batch), changed)


def test_a_row_is_as_long_as_its_last_real_place():
    mask = torch.tensor([[1, 1, 0, 0], [0, 1, 0, 1], [0, 0, 0, 0], [1, 1, 1, 1]])
    assert lengths_of(mask) == lengths_of(mask.bool()) == [2, 4, 0, 4]
