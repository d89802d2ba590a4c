"""The dictionary of the built-in example: its lines as they stand in the file, and a split that depends on the word."""

import gzip
import hashlib

from prunekit.data import g2p


def test_every_word_of_the_file_has_its_pronunciations_in_order_without_stress():
    words = g2p.pronunciations()
    assert words["read"] == ("R EH D", "R IY D")
    assert words["don't"] == ("D OW N T", "D OW N")
    with gzip.open(g2p.DICTIONARY, "rt", encoding="utf-8") as lines:
        entries = {line.split()[0].partition("(")[0] for line in lines}
    plain = {entry for entry in entries if all("a" <= letter <= "z" or letter == "'" for letter in entry)}
    assert words.keys() == plain
    phonemes = {phoneme for variants in words.values() for spoken in variants for phoneme in spoken.split()}
    assert len(phonemes) == 39
    assert all(phoneme.isalpha() for phoneme in phonemes)


def test_no_pronunciation_of_a_word_comes_twice():
    """Two that differ in stress alone are one."""
    assert all(len(set(variants)) == len(variants) for variants in g2p.pronunciations().values())


def test_the_split_is_that_of_the_words_hash():
    for word in ("speed", "a", "it's", "zebra", "quiet"):
        bucket = int(hashlib.sha256(word.encode()).hexdigest(), 16) % 100
        assert g2p.side(word) == ("train" if bucket < 90 else "dev" if bucket < 95 else "test")


def test_the_splits_are_all_words_once_and_about_ninety_five_and_five_percent():
    splits = {name: g2p.words(name) for name in ("train", "dev", "test")}
    total = len(g2p.pronunciations())
    assert sum(map(len, splits.values())) == total
    shares = {name: len(words) / total for name, words in splits.items()}
    assert abs(shares["train"] - 0.9) < 0.005
    assert abs(shares["dev"] - 0.05) < 0.005
    assert splits["test"].items() <= g2p.pronunciations().items()


def test_model_and_licence_lie_beside_the_dictionary():
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {path.name for path in g2p.MODEL.iterdir()}
    assert (g2p.HERE / "LICENSE.cmudict").read_text(encoding="utf-8").strip()
