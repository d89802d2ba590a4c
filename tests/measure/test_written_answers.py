"""Answers to train on: what `generate` says row by row, with the score of a forward pass made by hand."""

import pytest
import torch
from transformers import M2M100Config, M2M100ForConditionalGeneration

from prunekit.data.table import task_table
from prunekit.data.text import TextProcessor
from prunekit.measure.answer_log import AnswerLog
from prunekit.measure.written_answers import TargetScorer, write_answers
from prunekit.recipe import TaskSection

WORDS = ["a", "quite long one", "mid", "b", "another", "xyz", "mid 2"]
SECTION = TaskSection(prefix="p ", source_length=12, target_length=6)


@pytest.fixture
def processor(tokenizer):
    return TextProcessor(tokenizer, SECTION)


@pytest.fixture
def write(processor, tmp_path):
    """Let a model answer the words; the log is a file of the given name."""

    def written(model, name="log", generation=None, **more):
        encoded = processor.encode(task_table(WORDS, [""] * len(WORDS), [[] for _ in WORDS]))
        return write_answers(model, processor, encoded, generation or {}, AnswerLog(tmp_path / name), **more)

    return written


def alone(model, tokenizer, text, **settings):
    """What a model says to one source, whether it ended, and how probable it finds that: without our code."""
    ids = tokenizer("p " + text, truncation=True, max_length=12, return_tensors="pt")["input_ids"]
    answer = model.generate(input_ids=ids, max_new_tokens=6, max_length=None, **settings)[0]
    said = tokenizer.decode(answer, skip_special_tokens=True).strip()
    labels = tokenizer(said)["input_ids"][:6]
    start = model.config.decoder_start_token_id
    with torch.no_grad():
        logits = model(input_ids=ids, decoder_input_ids=torch.tensor([[start, *labels[:-1]]])).logits[0]
    chances = [float(logits[place].log_softmax(-1)[token]) for place, token in enumerate(labels)]
    return said, 1 in answer[1:].tolist(), len(labels), sum(chances) / len(chances)


@pytest.mark.parametrize("settings", [{}, {"num_beams": 3}])
@pytest.mark.parametrize("family", ["t5", "bart"])
def test_answers_and_scores_are_those_of_every_row_alone(request, write, tokenizer, family, settings):
    model = request.getfixturevalue(family)
    model.generation_config.forced_bos_token_id = None
    expected = [alone(model, tokenizer, word, **settings) for word in WORDS]
    assert len({said for said, *_ in expected}) > 3
    found = write(model, generation=settings, batch=3)
    assert [(each.text, each.ended, each.tokens) for each in found] == [row[:3] for row in expected]
    assert [each.score for each in found] == pytest.approx([row[3] for row in expected], abs=2e-5)


@pytest.mark.parametrize("settings", [{}, {"do_sample": True, "temperature": 2.0}])
def test_an_interrupted_writing_ends_with_the_same_log(t5, write, tmp_path, settings):
    whole = write(t5, "whole", settings, batch=2)

    class KilledError(Exception):
        pass

    def stop(done, total):
        if done == 4:
            raise KilledError

    with pytest.raises(KilledError):
        write(t5, "killed", settings, batch=2, progress=stop)
    assert len((tmp_path / "killed").read_text().splitlines()) == 2
    counted = []
    torch.rand(3)  # another process has drawn other numbers
    assert write(t5, "killed", settings, batch=2, progress=lambda done, _: counted.append(done)) == whole
    assert counted == [4, 6, 7]
    assert (tmp_path / "killed").read_bytes() == (tmp_path / "whole").read_bytes()


def test_without_a_score_nothing_is_computed_beside_the_answers(t5, write):
    scored = write(t5, "a")
    bare = write(t5, "b", scored=False)
    assert [each.text for each in bare] == [each.text for each in scored]
    assert {each.score for each in bare} == {None}


def test_what_stands_before_an_answer_does_not_count(bart, processor):
    """BART writes a beginning before texts, which no model needs to guess."""
    sources = [[5, 6, 1]]
    plain = TargetScorer(bart, processor).scores(sources, [[7, 8, 1]])
    processor.tokenizer.bos_token = chr(9 - 3)  # the token 9
    with_start = TargetScorer(bart, processor).scores(sources, [[9, 7, 8, 1]])
    ids = torch.tensor([[5, 6, 1]])
    with torch.no_grad():
        logits = bart(input_ids=ids, decoder_input_ids=torch.tensor([[1, 9, 7, 8]])).logits[0].log_softmax(-1)
    assert with_start == pytest.approx([sum(float(logits[at, token]) for at, token in ((1, 7), (2, 8), (3, 1))) / 3],
                                       abs=2e-5)  # fmt: skip
    assert plain != with_start


LANGUAGES = ("deu_Latn", "fra_Latn")


def test_every_row_is_answered_in_its_language_which_counts_for_nothing(multilingual_tokenizer, tmp_path):
    tokenizer = multilingual_tokenizer("nllb")
    torch.manual_seed(0)
    sizes = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 24, "decoder_ffn_dim": 24}
    sizes |= {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "init_std": 0.8}
    model = M2M100ForConditionalGeneration(M2M100Config(**sizes, vocab_size=len(tokenizer))).eval()
    with torch.no_grad():
        model.get_input_embeddings().weight[13:] *= 0.5  # languages are no likely words
    words = ["abc", "de", "fgh", "cab"]
    columns = {"source_language": ["eng_Latn"] * 4, "target_language": [*LANGUAGES, *LANGUAGES]}
    rows = task_table(words, [""] * 4, [[] for _ in words], columns)
    processor = TextProcessor(tokenizer, TaskSection(target_length=5, target_language_column="to"))
    log = AnswerLog(tmp_path / "log")
    found = write_answers(model, processor, processor.encode(rows), {}, log, batch=2)
    tokenizer.src_lang = "eng_Latn"
    for word, language, answer in zip(words, columns["target_language"], found, strict=True):
        ids = tokenizer(word, return_tensors="pt")["input_ids"]
        code = tokenizer.convert_tokens_to_ids(language)
        said = model.generate(ids, forced_bos_token_id=code, max_new_tokens=5, max_length=None)[0]
        assert answer.text == tokenizer.decode(said, skip_special_tokens=True).strip()
        tokenizer.tgt_lang = language
        labels = tokenizer(text_target=answer.text)["input_ids"][:5]
        assert labels[0] == code
        start = torch.tensor([[model.config.decoder_start_token_id, *labels[:-1]]])
        with torch.no_grad():
            chances = model(input_ids=ids, decoder_input_ids=start).logits[0].log_softmax(-1)
        own = [float(chances[place, token]) for place, token in enumerate(labels)][1:]
        assert answer.tokens == len(own)
        assert answer.score == pytest.approx(sum(own) / max(1, len(own)), abs=2e-5)
    assert len({answer.text for answer in found}) > 1
