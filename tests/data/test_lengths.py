"""Lengths that fit a model: its own positions, the user's, and defaults."""

import pytest
from transformers import (
    BartConfig,
    BertConfig,
    EncoderDecoderConfig,
    LEDConfig,
    T5Config,
    WhisperConfig,
)

from prunekit.data.lengths import (
    SOURCE_DEFAULT,
    TARGET_DEFAULT,
    Positions,
    check_answer_lengths,
    fit_lengths,
    fit_workload,
)
from prunekit.errors import PrunekitError
from prunekit.recipe import TaskSection, Workload


def composed():
    encoder = BertConfig(max_position_embeddings=70)
    return EncoderDecoderConfig.from_encoder_decoder_configs(encoder, BertConfig(max_position_embeddings=50))


@pytest.mark.parametrize(
    ("config", "source", "target"),
    [
        (BartConfig(max_position_embeddings=102), 102, 102),
        (T5Config(), None, None),
        (LEDConfig(max_encoder_position_embeddings=300, max_decoder_position_embeddings=80), 300, 80),
        (WhisperConfig(max_target_positions=448), None, 448),
        (composed(), 70, 50),
    ],
)
def test_positions_of_configs(config, source, target):
    assert Positions.of(config) == Positions(source, target)


def test_no_default_exceeds_the_model():
    fitted = fit_lengths(TaskSection(), Positions(40, 30))
    assert (fitted.source_length, fitted.target_length) == (40, 30)
    free = fit_lengths(TaskSection(), Positions(None, None))
    assert (free.source_length, free.target_length) == (SOURCE_DEFAULT, TARGET_DEFAULT)
    prompted = fit_lengths(TaskSection(), Positions(None, 40), prompt=4)
    assert prompted.target_length == 36


def test_what_the_user_asks_beyond_the_model_is_refused_with_both_numbers():
    with pytest.raises(PrunekitError, match=r"task\.source_length is 64, but .* 40 tokens"):
        fit_lengths(TaskSection(source_length=64), Positions(40, 40))
    with pytest.raises(PrunekitError, match=r"task\.target_length is 39, but .* 36 tokens"):
        fit_lengths(TaskSection(target_length=39), Positions(None, 40), prompt=4)
    assert fit_lengths(TaskSection(target_length=36), Positions(None, 40), prompt=4).target_length == 36


def test_a_workload_that_nobody_chose_fits():
    assert fit_workload(Workload(), Positions(40, 8)) == Workload(source=40, new_tokens=8)
    assert fit_workload(Workload(source=99), Positions(40, 8)) == Workload(source=99, new_tokens=8)
    assert fit_workload(Workload(), Positions(None, None)) == Workload()


@pytest.mark.parametrize(("key", "most"), [("max_new_tokens", 40), ("min_new_tokens", 40), ("max_length", 41)])
def test_answers_that_would_outgrow_the_positions_are_refused_with_both_numbers(key, most):
    with pytest.raises(PrunekitError, match=rf"generation\.{key} is {most + 1}, but .* 40 tokens .* to {most} or less"):
        check_answer_lengths({key: most + 1}, Positions(None, 40))
    check_answer_lengths({key: most}, Positions(None, 40))
    check_answer_lengths({key: 1000}, Positions(None, None))


def test_a_prompt_takes_its_positions_from_new_tokens():
    with pytest.raises(PrunekitError, match=r"generation\.max_new_tokens is 37, .* 36 tokens .* to 36 or less"):
        check_answer_lengths({"max_new_tokens": 37}, Positions(None, 40), prompt=4)
    check_answer_lengths({"max_new_tokens": 36, "max_length": 40}, Positions(None, 40), prompt=4)
