"""The files of a tokenizer in a model's directory, by patterns of their names."""

from pathlib import Path

VOCABULARY_FILES = (
    "tokenizer*.json",
    "tokenizer*.model",
    "vocab*.json",
    "vocab*.txt",
    "vocab*.bpe",
    "*_vocab.json",
    "*.spm",
    "*.tiktoken",
    "*spiece.model",
    "*sentencepiece*.model",
    "*.bpe.model",
    "spm*.model",
    "prophetnet.tokenizer",
    "byte_maps.json",
    "dict.txt",
)
"""Files without any of which there is no tokenizer: transformers would invent one from the model's type."""

TOKENIZER_FILES = (
    *VOCABULARY_FILES,
    "merges.txt",
    "added_tokens.json",
    "special_tokens_map.json",
    "normalizer.json",
)
"""All files that a tokenizer may consist of."""


def has_tokenizer(directory: Path) -> bool:
    """Whether a directory holds a tokenizer."""
    return any(next(directory.glob(pattern), None) is not None for pattern in VOCABULARY_FILES)
