"""The built-in example's data: English words and their phonemes, from the CMU Pronouncing Dictionary.

The dictionary file and its licence lie beside this module. Stress marks are removed (39 phonemes remain), words with
characters outside a-z and the apostrophe are left out, and a word's side is decided by a hash of its spelling, so that
every pronunciation of a word lies in one split.
"""

import gzip
import hashlib
import re
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
DICTIONARY = HERE / "cmudict.dict.gz"
MODEL = HERE / "model"

_WORD = re.compile(r"[a-z']+")
_VARIANT = re.compile(r"\(\d+\)$")


@cache
def pronunciations() -> dict[str, tuple[str, ...]]:
    """Every word with its pronunciations in dictionary order: ``{"read": ("R EH D", "R IY D"), ...}``."""
    words: dict[str, list[str]] = {}
    with gzip.open(DICTIONARY, "rt", encoding="utf-8") as lines:
        for line in lines:
            entry, *phonemes = line.split("#", 1)[0].split()
            word = _VARIANT.sub("", entry)
            if not _WORD.fullmatch(word):
                continue
            spoken = " ".join(phoneme.rstrip("012") for phoneme in phonemes)
            variants = words.setdefault(word, [])
            if spoken not in variants:
                variants.append(spoken)
    return {word: tuple(variants) for word, variants in words.items()}


def side(word: str) -> str:
    """The split that `word` belongs to: 90% ``train``, 5% ``dev``, 5% ``test``, by ``sha256(word) % 100``."""
    bucket = int(hashlib.sha256(word.encode()).hexdigest(), 16) % 100
    return "train" if bucket < 90 else "dev" if bucket < 95 else "test"


def words(split: str) -> dict[str, tuple[str, ...]]:
    """The words of one split with their pronunciations."""
    return {word: variants for word, variants in pronunciations().items() if side(word) == split}
