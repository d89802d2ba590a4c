"""Faster beams say what the stock ones say, and leave no trace on the model."""

import pytest
import torch
from transformers import EncoderDecoderCache, GenerationConfig, WhisperConfig, WhisperForConditionalGeneration

from prunekit.generation import SharedCache, fast_generate, own_settings, shared_beams, use_generation_config

IDS = torch.tensor([[5, 6, 7, 3], [8, 9, 3, 0]])
MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])


@pytest.mark.parametrize(
    "how",
    [
        {"num_beams": 4},
        {"num_beams": 4, "num_return_sequences": 3, "length_penalty": 2.0},
        {"num_beams": 3, "do_sample": True},
        {"num_beams": 1},
        {"num_beams": 3, "use_cache": False},
        {"num_beams": 3, "cache_implementation": "static"},
    ],
    ids=str,
)
def test_tokens_are_those_of_generate(every, how):
    tokens = []
    for generate in (every.model.generate, lambda **given: fast_generate(every.model, **given)):
        torch.manual_seed(0)
        tokens.append(generate(input_ids=IDS, attention_mask=MASK, max_new_tokens=9, **how))
    assert torch.equal(*tokens)


def test_only_the_decoders_own_past_follows_the_beams(case):
    """Beam 1 of each input takes the place of beam 0: its own past must come along, and the encoder's part not move."""
    model, seen = case("bart").model, []
    with shared_beams(model):
        stock = SharedCache.reorder_cache

        def watch(cache, order):
            before = cache.cross_attention_cache.layers[0].keys
            own = cache.self_attention_cache.layers[0].keys.clone()
            stock(cache, order)
            seen.append(cache.cross_attention_cache.layers[0].keys is before)
            assert torch.equal(cache.self_attention_cache.layers[0].keys, own[order])

        SharedCache.reorder_cache = watch
        try:
            model.generate(input_ids=IDS, num_beams=3, max_new_tokens=5)
        finally:
            SharedCache.reorder_cache = stock
    assert seen
    assert all(seen)


def test_the_model_is_as_before(case):
    model = case("t5").model
    with pytest.raises(RuntimeError, match="midway"), shared_beams(model):
        raise RuntimeError("midway")
    assert "_prepare_cache_for_generation" not in vars(model)
    with shared_beams(model):
        fast_generate(model, input_ids=IDS, num_beams=2, max_new_tokens=3)
    assert "_prepare_cache_for_generation" not in vars(model)
    output = model.generate(input_ids=IDS, num_beams=2, max_new_tokens=3, return_dict_in_generate=True)
    assert type(output.past_key_values) is EncoderDecoderCache


def test_one_config_decides_alone_and_the_models_own_comes_back_after_a_failure(case):
    model = case("bart").model
    own, alone = model.generation_config, GenerationConfig(max_new_tokens=3)

    def fail():
        with use_generation_config(model, alone):
            assert model.generation_config is alone
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert model.generation_config is own


def test_another_transformers_generates_as_it_is_and_the_log_says_so(t5, monkeypatch, caplog):
    ids = torch.tensor([[5, 6, 7]])
    expected = t5.generate(input_ids=ids, num_beams=2, max_new_tokens=4)
    monkeypatch.setattr("prunekit.generation.PREPARE", "_prepare_the_cache_in_another_way")
    with caplog.at_level("WARNING", "prunekit"):
        assert torch.equal(fast_generate(t5, input_ids=ids, num_beams=2, max_new_tokens=4), expected)
    assert "generate copies the cross-attention cache of all beams" in caplog.text


def test_the_cache_is_found_wherever_it_is_given(t5, monkeypatch):
    """`generate` hands the settings with the cache to a method whose signature may change."""
    stock = t5._prepare_cache_for_generation
    made = []

    def prepare(config, *, model_kwargs, rest):
        stock(config, model_kwargs, *rest)
        made.extend(value for value in model_kwargs.values() if isinstance(value, EncoderDecoderCache))

    monkeypatch.setattr(t5, "_prepare_cache_for_generation", prepare)
    with shared_beams(t5):
        settings = {"use_cache": True}
        t5._prepare_cache_for_generation(t5.generation_config, model_kwargs=settings, rest=(None, 1, 8))
    assert [type(cache) for cache in made] == [SharedCache]


def test_settings_of_a_models_own_are_the_arguments_that_only_its_generate_has(t5):
    assert own_settings(t5) == frozenset()
    sizes = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 8, "decoder_ffn_dim": 8}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
    config = WhisperConfig(**sizes, **heads)
    found = own_settings(WhisperForConditionalGeneration(config))
    assert {"temperature", "no_speech_threshold", "condition_on_prev_tokens", "return_timestamps"} <= found
    assert not found & {"input_features", "attention_mask", "return_segments", "generation_config", "kwargs"}
