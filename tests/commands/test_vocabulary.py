"""``prunekit vocabulary``: the files of a model without the other tokens; nothing where it cannot work."""

import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

WORDS = [a + b for a in "abcde" for b in "fghi"]


@pytest.fixture
def directory(tmp_path):
    """A T5 whose tokens are words."""
    pieces = {piece: i for i, piece in enumerate(["<pad>", "</s>", "<unk>", *WORDS])}
    core = Tokenizer(models.WordLevel(pieces, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    special = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    PreTrainedTokenizerFast(tokenizer_object=core, **special).save_pretrained(tmp_path / "dense")
    sizes = {"d_model": 8, "d_kv": 4, "num_heads": 2, "d_ff": 8, "num_layers": 1}
    config = T5Config(vocab_size=len(pieces), **sizes, decoder_start_token_id=0)
    T5ForConditionalGeneration(config).save_pretrained(tmp_path / "dense")
    return tmp_path / "dense"


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "corpus.txt"
    path.write_text("af bg\nbg ch\n")
    return path


def test_kept_tokens_are_those_of_the_corpus_and_of_keep(prunekit, directory, corpus, tmp_path):
    result = prunekit("vocabulary", directory, "--corpus", corpus, "--output", tmp_path / "new", "--keep", "ei")
    assert result.exit_code == 0, result.stderr
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "new")
    assert set(tokenizer.get_vocab()) == {"<pad>", "</s>", "<unk>", "af", "bg", "ch", "ei"}
    dense = AutoTokenizer.from_pretrained(directory)
    table = load_file(directory / "model.safetensors")["shared.weight"]
    small = AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "new").get_input_embeddings().weight
    for token, number in tokenizer.get_vocab().items():
        assert torch.equal(small[number], table[dense.convert_tokens_to_ids(token)])
    assert "7 of 23 tokens" in result.stdout


@pytest.mark.parametrize(
    ("text", "sentence"), [(None, "cannot be read as UTF-8 text"), (b"\n", "contains no text"), (b"\xff\xfe", "UTF-8")]
)
def test_a_file_without_text_is_refused(prunekit, t5_directory, tmp_path, text, sentence):
    path = tmp_path / "corpus.txt"
    if text is not None:
        path.write_bytes(text)
    result = prunekit("vocabulary", t5_directory, "--corpus", path, "--output", tmp_path / "new")
    assert (result.exit_code, result.stdout) == (1, "")
    assert sentence in result.stderr
    assert not (tmp_path / "new").exists()


def test_an_output_that_exists_is_left_alone(prunekit, t5_directory, corpus, tmp_path):
    result = prunekit("vocabulary", t5_directory, "--corpus", corpus, "--output", tmp_path)
    assert result.exit_code == 1
    assert "exists already" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["corpus.txt"]
