"""CTranslate2 on a hundred inputs by hand, each batch without padding: scores and greedy tokens of ragged models.

The scores may be as far from the pruned model's as twice what CTranslate2's own converter leaves between the dense
models, told what configs of transformers 5 no longer say.
"""

import copy

import pytest
import torch
import transformers

from prunekit.conformance import ModelUnderTest
from prunekit.export import to_ctranslate2
from prunekit.testing import tiny
from prunekit.testing.models import BART_SIZES
from prunekit_adapters.bart import Bart

ctranslate2 = pytest.importorskip("ctranslate2")
FAMILIES = {"t5": 0, "t5-gated-untied": 1, "mt5": 1, "bart": 0, "marian": 0}
"""With the seeds of their weights: the gated ones round coarsely, whoever runs them."""
NEW = 12


@pytest.fixture(scope="module", params=FAMILIES)
def dense(request):
    """A dense model of the family, which starts and ends as real ones do."""
    if request.param != "marian":
        made = tiny(request.param, FAMILIES[request.param])
        specimen = ModelUnderTest(made.adapter, made.config, made.model)
    else:
        special = {"pad_token_id": 59, "decoder_start_token_id": 59, "eos_token_id": 0}
        specimen = ModelUnderTest.tiny(
            Bart(), transformers.MarianConfig(**BART_SIZES, vocab_size=60, **special), torch.float32
        )
        specimen.model.get_input_embeddings().weight.data[59] = 0  # Marian starts from nothing
    specimen.model.generation_config.forced_eos_token_id = None
    return specimen


@pytest.fixture(scope="module")
def tokenizer(dense, words):
    return words(dense.config, {dense.config.pad_token_id: "<pad>"})


@pytest.fixture(scope="module")
def stock(dense, tokenizer, hundred, tmp_path_factory):
    """How far the stock converter's export of the dense model is from it."""
    model, place = copy.deepcopy(dense.model), tmp_path_factory.mktemp("stock")
    model.config.normalize_before, model.config.normalize_embedding = False, True
    model.config.tie_word_embeddings = getattr(model.config, "scale_decoder_outputs", False)
    to_ctranslate2.ctranslate2_library()
    spec = ctranslate2.converters.transformers._MODEL_LOADERS[type(model.config).__name__](model, tokenizer)
    spec.validate()
    spec.optimize("float32")
    spec.save(str(place))
    return apart(dense.model, place, hundred)


def apart(model, place, rows):
    """The largest difference of a token's log-probability."""
    named = [[[name(model, token) for token in row[side]] for row in rows] for side in (0, 1)]
    scored = ctranslate2.Translator(str(place)).score_batch(*named)
    found = [torch.tensor(result.log_probs) for result in scored]
    return max(float((a - b).abs().max()) for a, b in zip(found, expected(model, rows), strict=True))


def name(model, token):
    return "<pad>" if token == model.config.pad_token_id else f"w{token}"


def alike(rows):
    """The places of rows of the same lengths, so that none is padded."""
    lengths = [tuple(map(len, row)) for row in rows]
    return [[n for n, own in enumerate(lengths) if own == pair] for pair in sorted(set(lengths))]


@torch.no_grad()
def expected(model, rows):
    """The model's log-probabilities of each answer and its end."""
    found, config = {}, model.config
    for places in alike(rows):
        sources, targets = (torch.tensor([rows[n][side] for n in places]) for side in (0, 1))
        start = torch.full((len(places), 1), config.decoder_start_token_id)
        logits = model(input_ids=sources, decoder_input_ids=torch.cat([start, targets], dim=1)).logits
        if config.model_type.endswith("marian"):
            logits = logits[..., :-1]  # padding, which CTranslate2 leaves out
        labels = torch.cat([targets, torch.full_like(start, config.eos_token_id)], dim=1)
        scores = logits.log_softmax(-1).gather(-1, labels[..., None])[..., 0]
        found |= dict(zip(places, scores, strict=True))
    return [found[n] for n in range(len(rows))]


@pytest.mark.parametrize("narrow", [(), ("encoder.hidden",)], ids=["full", "narrow encoder"])
def test_scores_and_greedy_tokens_of_ragged_models(dense, tokenizer, stock, ragged, hundred, narrow, tmp_path):
    small = dense.cut(ragged(dense.graph, narrow)).eval()
    to_ctranslate2.export_ctranslate2(small, dense.adapter, dense.graph, tokenizer, tmp_path, "float32")
    tolerance = max(1e-4, 2 * stock)
    assert apart(small, tmp_path, hundred) <= tolerance
    sources = [[name(small, token) for token in source] for source, _ in hundred]
    options = {"beam_size": 1, "min_decoding_length": 0, "max_decoding_length": NEW}
    decoded = [
        result.hypotheses[0] for result in ctranslate2.Translator(str(tmp_path)).translate_batch(sources, **options)
    ]
    answers = greedy(small, hundred)
    assert len({tuple(ids) for ids, _ in answers}) > 5, "a model that says the same of everything proves nothing"
    for words, (ids, scores) in zip(decoded, answers, strict=True):
        said = [name(small, token) for token in ids]
        if words != said:
            flip = next(n for n in range(NEW) if words[n : n + 1] != said[n : n + 1])
            best = scores[flip].log_softmax(-1).topk(2).values
            assert best[0] - best[1] <= 2 * tolerance, (words, said)


def greedy(model, rows):
    """What stock `generate` makes of each source, up to the end, with the scores of every step."""
    found, end = {}, model.config.eos_token_id
    never = [model.config.pad_token_id] if model.config.model_type.endswith("marian") else None
    for places in alike(rows):
        output = model.generate(
            input_ids=torch.tensor([rows[n][0] for n in places]),
            max_new_tokens=NEW,
            suppress_tokens=never,
            output_scores=True,
            return_dict_in_generate=True,
        )
        steps = torch.stack(output.scores, dim=1)
        for n, ids, scores in zip(places, output.sequences[:, 1:].tolist(), steps, strict=True):
            found[n] = (ids[: ids.index(end)] if end in ids else ids), scores
    return [found[n] for n in range(len(rows))]
