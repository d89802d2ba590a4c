"""Sentences about names that do not exist."""

import pytest

from prunekit._support.suggest import hint, nearest


@pytest.mark.parametrize(
    ("given", "allowed", "sentence"),
    [
        ("tarjet", ["source", "target"], "did you mean 'target'? (there are source, target)"),
        ("rougel", ["rouge1", "rougeL"], "did you mean 'rougeL'? (there are rouge1, rougeL)"),
        ("BLEU", ["bleu"], "did you mean 'bleu'? (there is only bleu)"),
        ("zzz", ["source", "target"], "there are source, target."),
        ("zzz", iter(["source"]), "there is only source."),
    ],
)
def test_the_nearest_name_and_all_there_are(given, allowed, sentence):
    assert hint(given, allowed) == sentence


def test_a_long_list_is_not_written_out():
    names = [f"n{number:02}" for number in range(32)]
    assert hint("zzz", names) == f"there are {', '.join(names[:30])} and 2 more."
    assert hint("zzz", names[:30]).endswith(", n29.")


def test_the_nearest_name_alone():
    assert nearest("rougel", ["rouge1", "rougeL"]) == "rougeL"
    assert nearest("zzz", ["rouge1", "rougeL"]) is None
