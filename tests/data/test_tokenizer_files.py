"""The files of tokenizers, as transformers names and saves them."""

from pathlib import Path

import pytest
import transformers
from transformers import ByT5Tokenizer
from transformers.models.auto import modeling_auto
from transformers.models.auto.tokenization_auto import TOKENIZER_MAPPING_NAMES

from prunekit.data.tokenizer_files import TOKENIZER_FILES, VOCABULARY_FILES, has_tokenizer

TYPES = {
    *modeling_auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
    *modeling_auto.MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES,
}
"""All encoder-decoders of transformers."""


def named():
    """The files that their tokenizers read, by the type of the model."""
    for model_type in sorted(TYPES & TOKENIZER_MAPPING_NAMES.keys()):
        names = TOKENIZER_MAPPING_NAMES[model_type]
        for name in [names] if isinstance(names, str) else names or ():
            files = getattr(getattr(transformers, name or "", None), "vocab_files_names", {})
            yield from ((model_type, file) for file in files.values())


def test_every_file_that_an_encoder_decoders_tokenizer_reads_is_known():
    found = set(named())
    assert {"spiece.model", "spm_char.model", "target_vocab.json", "source.spm"} <= {file for _, file in found}
    assert {pair for pair in found if not any(Path(pair[1]).match(pattern) for pattern in TOKENIZER_FILES)} == set()


@pytest.mark.parametrize("kind", ["letters", "bytes"])
def test_every_file_that_a_tokenizer_saves_is_known(kind, letters, tmp_path):
    (letters if kind == "letters" else ByT5Tokenizer()).save_pretrained(tmp_path)
    assert [file for file in tmp_path.iterdir() if not any(file.match(pattern) for pattern in TOKENIZER_FILES)] == []
    assert has_tokenizer(tmp_path)


@pytest.mark.parametrize(
    ("name", "enough"),
    [("spiece.model", True), ("vocab.json", True), ("special_tokens_map.json", False), ("model.safetensors", False)],
)
def test_a_tokenizer_is_told_by_its_vocabulary(tmp_path, name, enough):
    (tmp_path / name).touch()
    assert has_tokenizer(tmp_path) == enough


def test_weights_are_no_tokenizer():
    weights = (
        "model.safetensors",
        "pytorch_model.bin",
        "adapter_model.bin",
        "training.model",
        "config.json",
        "model.bin",
    )
    assert [name for name in weights if any(Path(name).match(pattern) for pattern in TOKENIZER_FILES)] == []
    assert set(VOCABULARY_FILES) < set(TOKENIZER_FILES)


@pytest.mark.parametrize("name", ["tokenizer.pt", "tokenizer_cache.bin", "vocab.pt", "vocabulary.pkl", "tokenizer.py"])
def test_files_that_no_tokenizer_reads_are_none_of_its(name, tmp_path):
    (tmp_path / name).touch()
    assert not any((tmp_path / name).match(pattern) for pattern in TOKENIZER_FILES)
    assert not has_tokenizer(tmp_path)
