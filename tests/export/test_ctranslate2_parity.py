"""Parity with CTranslate2: a difference of one weight is seen, and what is said of rounded weights is so."""

import copy

import pytest
import torch
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from prunekit import PrunekitError
from prunekit.export import to_ctranslate2
from prunekit.export.ctranslate2_backends import NEW_TOKENS
from prunekit.export.ctranslate2_parity import check_ctranslate2

ctranslate2 = pytest.importorskip("ctranslate2")


@pytest.fixture
def written(case, tmp_path):
    """Writes a T5's export, with a quantization, and returns the model with what the comparison takes."""
    t5 = case("t5-gated-untied")
    core = Tokenizer(models.WordLevel({f"w{n}": n for n in range(60)}, unk_token="w2"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, pad_token="w0", eos_token="w1", unk_token="w2")

    def write(quantization="float32"):
        vocabulary = to_ctranslate2.export_ctranslate2(
            t5.model, t5.adapter, t5.graph, tokenizer, tmp_path, quantization
        )
        return t5, vocabulary, tmp_path

    return write


def test_the_same_model(written):
    t5, vocabulary, place = written()
    found = check_ctranslate2(t5.model, t5.adapter, place, vocabulary, exact=True, rows=100)
    assert (found.equal, found.rows, found.mean) == (100, 100, None)
    assert "greedy tokens are equal for 100 of 100 inputs." in found.describe()


def test_one_weight_more_is_another_model(written):
    t5, vocabulary, place = written()
    other = copy.deepcopy(t5.model)
    other.get_decoder().block[-1].layer[1].EncDecAttention.o.weight.data[3, 4] += 0.5
    with pytest.raises(PrunekitError, match=r"differs from the pruned one \(log-probabilities by"):
        check_ctranslate2(other, t5.adapter, place, vocabulary, exact=True)


def test_tokens_alone_are_reason_enough(written, monkeypatch):
    """An engine that scores what it is given rightly, and decodes from something else."""
    t5, vocabulary, place = written()

    class Odd(ctranslate2.Translator):
        def translate_batch(self, sources, **options):
            return super().translate_batch([source[::-1] for source in sources], **options)

    monkeypatch.setattr(ctranslate2, "Translator", Odd)
    with pytest.raises(PrunekitError, match="tokens different"):
        check_ctranslate2(t5.model, t5.adapter, place, vocabulary, exact=True)


def test_the_agreement_of_rounded_weights_is_counted_token_by_token(written, monkeypatch):
    """By hand: after what the engine has said so far, does the model say the same next?"""
    t5, vocabulary, place = written("int8")
    heard = []

    class Listening(ctranslate2.Translator):
        def translate_batch(self, sources, **options):
            results = super().translate_batch(sources, **options)
            heard.extend(zip(sources, (result.hypotheses[0] for result in results), strict=True))
            return results

    monkeypatch.setattr(ctranslate2, "Translator", Listening)
    found = check_ctranslate2(t5.model, t5.adapter, place, vocabulary, exact=False, rows=12)
    right, whole = [], 0
    for source, answer in heard:
        ids = torch.tensor([[int(word[1:]) for word in source]])
        said = [int(word[1:]) for word in answer]
        said += [1] if len(said) < NEW_TOKENS else []
        row = []
        for step, token in enumerate(said):
            with torch.no_grad():
                logits = t5.model(input_ids=ids, decoder_input_ids=torch.tensor([[0, *said[:step]]])).logits[0, -1]
            row.append(int(logits[1:].argmax()) + 1 == token)  # padding is nothing that is said
        right, whole = right + row, whole + all(row)
    assert found.agreement == pytest.approx(sum(right) / len(right), abs=0.02)  # where ties are forgiven
    assert found.equal - whole in (0, 1)
    assert found.agreement < 1
    assert found.mean > 0.01
    assert f"{found.agreement:.1%} of the greedy tokens" in found.describe()
