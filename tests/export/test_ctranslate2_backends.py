"""The engine beside the model: what each is asked, and how far a greedy token is from the best one, by hand."""

import pytest
import torch

from prunekit.export import to_ctranslate2
from prunekit.export.ctranslate2_backends import NEW_TOKENS, SOURCE_LENGTH, TranslatorBackend

pytest.importorskip("ctranslate2")


@pytest.fixture(scope="module")
def backend(case, words, tmp_path_factory):
    t5 = case("t5")
    place = tmp_path_factory.mktemp("t5")
    tokenizer = words(t5.config)
    vocabulary = to_ctranslate2.export_ctranslate2(t5.model, t5.adapter, t5.graph, tokenizer, place, "float32")
    return TranslatorBackend(t5.model, place, vocabulary, 5)


def test_sources_have_several_lengths_and_no_special_tokens(backend):
    assert [len(row) for row in backend.sources] == [SOURCE_LENGTH - n for n in range(5)]
    assert min(min(row) for row in backend.sources) > 2
    assert backend.words[0][0] == f"w{backend.sources[0][0]}"


def test_the_engine_scores_given_tokens_as_the_model_does(backend):
    found, expected = backend.score_forced()
    assert found.shape == expected.shape
    assert found.shape[0] == 5
    assert found.shape[1] in (SOURCE_LENGTH, SOURCE_LENGTH + 1)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    assert float(expected.max()) <= 0


def test_gaps_are_those_of_the_engines_tokens(backend, monkeypatch):
    """Of an engine that gives token 7 and nothing more, by the model's scores alone."""
    assert max(float(gap.max()) for gap in backend.decode_greedy()) < 1e-4
    monkeypatch.setattr(TranslatorBackend, "_translate", lambda self: [[7]] * 5)
    gaps = backend.decode_greedy()
    for source, gap in zip(backend.sources, gaps, strict=True):
        with torch.no_grad():
            ids, start = torch.tensor([source]), torch.tensor([[0, 7]])
            scores = backend.model(input_ids=ids, decoder_input_ids=start).logits[0].log_softmax(-1)
        scores[:, backend.never] = -torch.inf
        by_hand = scores.max(dim=-1).values - scores[[0, 1], [7, backend.model.config.eos_token_id]]
        torch.testing.assert_close(gap, by_hand, atol=1e-4, rtol=1e-4)


def test_an_end_beyond_the_limit_does_not_count(backend, monkeypatch):
    monkeypatch.setattr(TranslatorBackend, "_translate", lambda self: [[7] * NEW_TOKENS] * 5)
    assert [len(gap) for gap in backend.decode_greedy()] == [NEW_TOKENS] * 5


def test_padding_is_never_given(backend):
    assert backend.never == [backend.model.config.pad_token_id]
    assert not any(backend.model.config.pad_token_id in row for row in backend._translate())
