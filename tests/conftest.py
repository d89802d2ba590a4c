"""Model directories small enough to build in a moment, as a user would have them on disk."""

import json
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

SPECIAL = ["<pad>", "</s>", "<unk>"]


@pytest.fixture(scope="session")
def letters() -> PreTrainedTokenizerFast:
    """A tokenizer of words that are single letters: "a b c" is three tokens and an end."""
    vocabulary = [*SPECIAL, *"abcdefghijklmnopqrstuvwxyz"]
    core = Tokenizer(models.WordLevel({piece: i for i, piece in enumerate(vocabulary)}, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    core.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=64
    )


@pytest.fixture(scope="session")
def t5_directory(tmp_path_factory, letters) -> Path:
    """A T5 with 2 encoder and 3 decoder layers and large weights, with its tokenizer."""
    torch.manual_seed(0)
    sizes = {"d_model": 16, "d_kv": 4, "num_heads": 4, "d_ff": 24, "num_layers": 2, "num_decoder_layers": 3}
    config = T5Config(vocab_size=32, **sizes, initializer_factor=3.0, decoder_start_token_id=0)
    return _saved(tmp_path_factory.mktemp("t5"), T5ForConditionalGeneration(config), letters)


@pytest.fixture(scope="session")
def bart_directory(tmp_path_factory, letters) -> Path:
    """A BART with 2 layers on either side, with its tokenizer."""
    torch.manual_seed(0)
    sizes = {"d_model": 16, "encoder_layers": 2, "decoder_layers": 2, "encoder_ffn_dim": 24, "decoder_ffn_dim": 24}
    sizes |= {"encoder_attention_heads": 4, "decoder_attention_heads": 4, "max_position_embeddings": 64}
    tokens = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 1, "decoder_start_token_id": 1}
    config = BartConfig(vocab_size=32, **sizes, **tokens, forced_eos_token_id=None, init_std=0.5)
    return _saved(tmp_path_factory.mktemp("bart"), BartForConditionalGeneration(config), letters)


def _saved(directory, model, tokenizer):
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


@pytest.fixture
def pairs(tmp_path) -> Path:
    """Eight rows of single letters and the same letters backwards, as JSONL with the columns a and b."""
    texts = ["a b c", "d e", "f", "g h i", "a c", "b d f", "e", "h a b"]
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps({"a": text, "b": " ".join(reversed(text.split()))}) + "\n" for text in texts))
    return path
