"""Evaluation by generating: batches give what rows give alone, and scores are those of the references."""

import copy

import pytest
import torch
from transformers import T5ForConditionalGeneration

from prunekit.data.metrics.metric import Metric
from prunekit.data.tasks import task_table
from prunekit.data.text import TextProcessor
from prunekit.errors import PrunekitError
from prunekit.loading.metrics import open_metric
from prunekit.measure.quality import evaluate_quality, generate_answers
from prunekit.recipe import TaskSection

WORDS = ["a", "quite long one", "mid", "b", "another", "", "xyz", "mid 2"]
SECTION = TaskSection(prefix="p ", source_length=12, target_length=6)


@pytest.fixture
def rows():
    return task_table(WORDS, WORDS, [[word] for word in WORDS])


@pytest.fixture
def processor(tokenizer):
    return TextProcessor(tokenizer, SECTION)


class Rows(Metric):
    """How many answers there are."""

    def corpus(self, predictions, references):
        return float(len(predictions))


def alone(model, tokenizer, text: str, tokens: int = 6) -> str:
    """What a model says to one source, without batches, padding or our code."""
    ids = tokenizer("p " + text, truncation=True, max_length=12, return_tensors="pt")["input_ids"]
    answer = model.generate(input_ids=ids, max_new_tokens=tokens, max_length=None)
    return tokenizer.decode(answer[0], skip_special_tokens=True).strip()


@pytest.mark.parametrize("batch", [1, 3, 64])
@pytest.mark.parametrize("family", ["t5", "bart"])
def test_batches_say_what_every_row_says_alone(request, processor, tokenizer, rows, family, batch):
    model = request.getfixturevalue(family)
    expected = [alone(model, tokenizer, word) for word in WORDS]
    assert len(set(expected)) > 3
    assert generate_answers(model, processor, rows, {}, batch)[0] == expected


def test_a_training_model_answers_without_dropout_and_goes_on_training(t5, processor, rows):
    expected = generate_answers(t5, processor, rows, {})
    t5.train()
    t5.encoder.eval()
    before = [module.training for module in t5.modules()]
    assert generate_answers(t5, processor, rows, {}) == expected
    assert [module.training for module in t5.modules()] == before


def test_generation_settings_override_the_models_own(bart, processor, rows):
    bart.generation_config.max_length = 3
    own = bart.generation_config
    long, _ = generate_answers(bart, processor, rows, {"forced_bos_token_id": None})
    short, _ = generate_answers(bart, processor, rows, {"max_new_tokens": 2, "forced_bos_token_id": None})
    assert [text[: len(start)] for text, start in zip(long, short, strict=True)] == short != long
    assert bart.generation_config is own
    assert (own.max_length, own.forced_bos_token_id) == (3, 2)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"num_beam": 4}, "no generation setting 'num_beam'; did you mean 'num_beams'"),
        ({"num_return_sequences": 2, "num_beams": 2}, "num_return_sequences is 2, but one answer a row"),
        ({"max_new_tokens": -1}, "The generation settings do not work: .*max_new_tokens"),
        ({"max_new_tokens": "x"}, "The generation settings do not work: "),
        ({"repetition_penalty": -1}, "cannot generate by the generation settings repetition_penalty=-1: .*positive"),
        ({"stop_strings": ["a"]}, "cannot generate by the generation settings stop_strings=.*tokenizer"),
    ],
)
def test_settings_that_cannot_work_get_one_sentence(t5, processor, rows, settings, sentence):
    with pytest.raises(PrunekitError, match=sentence):
        generate_answers(t5, processor, rows, settings)


def test_a_model_that_cannot_generate_at_all_is_told_so(t5, processor, rows):
    t5.generation_config.decoder_start_token_id = None
    t5.generation_config.bos_token_id = None
    with pytest.raises(PrunekitError, match=r"by its own generation config: .*decoder_start_token_id"):
        generate_answers(t5, processor, rows, {})


def test_settings_for_other_outputs_change_no_answer(t5, processor, rows):
    expected = generate_answers(t5, processor, rows, {})
    other = {"return_dict_in_generate": True, "output_scores": True}
    assert generate_answers(t5, processor, rows, other) == expected


class Stripping(T5ForConditionalGeneration):
    """Generates as Whisper does: without start and end, padded to the longest."""

    def generate(self, *given, **named):
        ids = super().generate(*given, **named)[:, 1:]
        ids = torch.where(ids == 1, 0, ids)
        return ids[:, : int((ids != 0).any(0).sum())]


@pytest.mark.parametrize(("batch", "tokens"), [(1, 12), (3, 12), (8, 12), (8, 40), (3, 3)])
def test_models_that_take_off_start_and_end_tell_which_answers_end(t5, processor, rows, batch, tokens):
    stripping = copy.deepcopy(t5)
    stripping.__class__ = Stripping
    settings = {"max_new_tokens": tokens}
    texts, ended = generate_answers(t5, processor, rows, settings, batch)
    assert generate_answers(stripping, processor, rows, settings, batch) == (texts, ended)
    assert set(ended) == {True, False}


def test_progress_counts_rows(t5, processor, rows):
    told = []
    generate_answers(t5, processor, rows, {}, batch=3, progress=lambda done, total: told.append((done, total)))
    assert told == [(3, 8), (6, 8), (8, 8)]


def test_evaluation_scores_each_prediction_against_its_own_references(t5, processor, tokenizer):
    answers = [alone(t5, tokenizer, word) for word in WORDS]
    references = [["never", answer] if place % 4 else ["never"] for place, answer in enumerate(answers)]
    metrics = (open_metric("exact_match"), Rows("rows"))
    quality = evaluate_quality(t5, processor, task_table(WORDS, WORDS, references), metrics, {})
    assert quality.scores == {"exact_match": 0.75, "rows": 8.0}
    assert list(quality.predictions) == answers
    assert quality.seconds > 0
