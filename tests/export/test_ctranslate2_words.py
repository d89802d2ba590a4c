"""Words for CTranslate2: two vocabularies, rows without a token, and what answers begin and end with."""

import io
import json
import random

import pytest
import torch
import transformers
from typer.testing import CliRunner

from prunekit import PrunekitError, PruningPlan
from prunekit.cli import app
from prunekit.conformance import ModelUnderTest
from prunekit.cut import checkpoint
from prunekit.export import to_ctranslate2
from prunekit.export.ctranslate2_parity import check_ctranslate2
from prunekit.export.ctranslate2_words import vocabularies
from prunekit.testing.models import BART_SIZES
from prunekit_adapters.bart import Bart
from prunekit_adapters.fsmt import Fsmt

ctranslate2 = pytest.importorskip("ctranslate2")

PLAN = PruningPlan({"decoder.layers": (1, 2), "encoder.0.self.heads": (0, 2), "decoder.1.ffn": (3, 4)})


def pieces(letters, size):
    """A SentencePiece model of random words of these letters, and its pieces."""
    import sentencepiece

    draw, file = random.Random(0), io.BytesIO()
    lines = iter(["".join(draw.choices(letters, k=6)) for _ in range(300)])
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=lines, model_writer=file, vocab_size=size, model_type="bpe", minloglevel=2
    )
    model = sentencepiece.SentencePieceProcessor(model_proto=file.getvalue())
    return file.getvalue(), [model.id_to_piece(number) for number in range(3, len(model))]


@pytest.fixture
def marian(tmp_path):
    """Makes a tokenizer that reads so many pieces of some letters and writes so many of others."""

    def make(read, written):
        for side, letters, size in (("source", "abcdef", read), ("target", "uvwxyz", written)):
            proto, found = pieces(letters, size)
            (tmp_path / f"{side}.spm").write_bytes(proto)
            names = ["</s>", "<unk>", *found, "<pad>"]
            (tmp_path / f"{side}.json").write_text(json.dumps({name: number for number, name in enumerate(names)}))
        files = [str(tmp_path / name) for name in ("source.spm", "target.spm", "source.json", "target.json")]
        return transformers.MarianTokenizer(*files, separate_vocabs=True)

    return make


def two_vocabularies(tokenizer):
    """A Marian for that tokenizer, which starts from nothing."""
    read, written = map(len, vocabularies(tokenizer))
    start = read - 1
    config = transformers.MarianConfig(
        **BART_SIZES,
        vocab_size=read,
        decoder_vocab_size=written,
        share_encoder_decoder_embeddings=False,
        pad_token_id=start,
        decoder_start_token_id=start,
        eos_token_id=0,
        bos_token_id=None,
        forced_eos_token_id=None,
    )
    return ModelUnderTest.tiny(Bart(), config, torch.float32)


@pytest.mark.parametrize("zero", [True, False], ids=["from nothing", "from a word"])
@pytest.mark.parametrize("written", [40, 47])
def test_a_model_of_two_vocabularies(marian, tmp_path, written, zero):
    """Its answers are what `generate` gives, by the words of the other vocabulary; wherever its decoder starts from."""
    tokenizer = marian(40, written)
    specimen = two_vocabularies(tokenizer)
    start = specimen.config.decoder_start_token_id
    if zero:
        specimen.model.get_decoder().get_input_embeddings().weight.data[start] = 0
    elif written == 40:
        specimen.model.get_decoder().get_input_embeddings().weight.data[start] = 1
    small = specimen.cut(PLAN).eval()
    checkpoint.save(small, tmp_path / "small", tokenizer)
    command = ["export", str(tmp_path / "small"), "--to", "ctranslate2", "--output", str(tmp_path / "out")]
    done = CliRunner().invoke(app, command)
    if written == 40 and not zero:  # the row that it starts with is that of padding, which CTranslate2 leaves out
        assert done.exit_code == 1
        assert f"begins or ends answers with token {start}" in " ".join(done.stderr.split())
        return
    assert done.exit_code == 0, done.stderr
    assert "equal for 16 of 16 inputs" in " ".join(done.stdout.split())
    source = tokenizer("abc fade")["input_ids"]
    assert source != tokenizer(text_target="abc fade")["input_ids"]
    read = {number: name for name, number in tokenizer.encoder.items()}
    tokens = [read[number] for number in source]
    (found,) = ctranslate2.Translator(str(tmp_path / "out")).translate_batch(
        [tokens],
        beam_size=1,
        min_decoding_length=0,
        max_decoding_length=8,
        suppress_sequences=None if written == 40 else [["<pad>"]],
    )
    padding = tokenizer.target_encoder["<pad>"]
    answer = small.generate(input_ids=torch.tensor([source]), max_new_tokens=8, suppress_tokens=[padding])[0, 1:]
    said = {number: name for name, number in tokenizer.target_encoder.items()}
    assert found.hypotheses[0] == [said[number] for number in answer.tolist() if number != 0]
    assert {*found.hypotheses[0]} <= tokenizer.target_encoder.keys()


@pytest.mark.parametrize(("read", "written"), [(60, 80), (80, 60)])
def test_an_fsmt_is_exported_or_refused_in_one_sentence(words, tmp_path, read, written):
    special = {"pad_token_id": 1, "eos_token_id": 2, "bos_token_id": 0, "decoder_start_token_id": 2}
    config = transformers.FSMTConfig(
        **BART_SIZES, langs=["en", "de"], src_vocab_size=read, tgt_vocab_size=written, **special
    )
    specimen = ModelUnderTest.tiny(Fsmt(), config, torch.float32)
    small = specimen.cut(PruningPlan({"decoder.layers": (1, 2)}))
    checkpoint.save(small, tmp_path / "small", words(config, rows=read))
    for to in ("plain", "ctranslate2"):
        words_of = ["export", str(tmp_path / "small"), "--to", to, "--output", str(tmp_path / to)]
        done = CliRunner().invoke(app, words_of)
        assert done.exit_code == (0 if to == "plain" else 1), done.stderr
        assert "unforeseen" not in done.stderr
    assert "no export of models with a FSMTConfig to CTranslate2" in " ".join(done.stderr.split())


def exported(words, place, family=Bart, **settings):
    """The engine's config of a BART with other generation settings, whose token 10 is a language."""
    special = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "decoder_start_token_id": 2}
    config = transformers.BartConfig(**BART_SIZES, **special, vocab_size=60, forced_eos_token_id=None)
    specimen = ModelUnderTest.tiny(family(), config, torch.float32)
    for key, value in settings.items():
        setattr(specimen.model.generation_config, key, value)
    tokenizer = words(config, {10: "deu_Latn"})
    tokenizer.add_special_tokens({"extra_special_tokens": ["deu_Latn"]})
    tokenizer.bos_token = None
    vocabulary = to_ctranslate2.export_ctranslate2(
        specimen.model, specimen.adapter, specimen.graph, tokenizer, place, "float32"
    )
    found = check_ctranslate2(specimen.model, specimen.adapter, place, vocabulary, exact=True)
    assert (found.equal, found.rows) == (16, 16)
    return json.loads((place / "config.json").read_text())


@pytest.mark.parametrize(
    ("settings", "start", "end"),
    [
        ({}, "w2", "w2"),
        ({"eos_token_id": 7, "decoder_start_token_id": 9}, "w9", "w7"),
        ({"eos_token_id": [8, 7]}, "w2", "w8"),
        ({"eos_token_id": [8, 2]}, "w2", "w2"),
        ({"decoder_start_token_id": 10}, None, "w2"),
        ({"forced_bos_token_id": 10}, "w2", "w2"),
    ],
)
def test_answers_begin_and_end_as_the_model_does_it(words, tmp_path, settings, start, end):
    found = exported(words, tmp_path, **settings)
    assert (found["decoder_start_token"], found["eos_token"]) == (start, end)


def test_a_token_that_there_is_no_row_for(words, tmp_path):
    with pytest.raises(PrunekitError, match=r"begins or ends answers with token 99, but .* tokens 0 to 59"):
        exported(words, tmp_path, forced_bos_token_id=99)
