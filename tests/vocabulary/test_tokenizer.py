"""Pruned tokenizers: what the corpus covers is read as before, anything else never fails, and files load anywhere."""

import copy
import json
import os
import pickle
import subprocess
import sys
from textwrap import dedent

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import ByT5Tokenizer

from prunekit.conformance import worker
from prunekit.data import g2p
from prunekit.errors import PrunekitError
from prunekit.vocabulary.tokenizer import pruned_tokenizer, used_pieces

WORDS = [*g2p.words("dev")][::3]
STRANGE = [
    "Größe",
    "café",
    "Щука",
    "мир",
    "日本語",
    "12.5%",
    "(so!)",
    "-----",
    "hahaha",
    "hahahaha",
    "e-mail",
    "☃",
    "x☃",
]
SPECIAL = ["</s>", "<unk>", "<extra_id_5>", "[MASK]", "<|0.50|>", "<|de|>", ">>de<<", "__de__", "de_DE", "deu_Latn"]
BYTES = ("bart", "whisper", "fallback")
"""Families that can write any character."""

lines = st.lists(st.sampled_from(WORDS + STRANGE + SPECIAL) | st.text(max_size=6), max_size=6).map(" ".join)
quick = settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def ids(tokenizer, text, side="text", **options):
    return tokenizer(**{side: text}, **options)["input_ids"]


@quick
@given(st.lists(lines, max_size=8), st.lists(lines, max_size=4), st.lists(st.text(max_size=20) | lines, max_size=20))
def test_covered_text_is_read_as_before_and_other_text_never_fails(family, old, same, covered, targets, others):
    kept = used_pieces(old, covered, targets)
    assert kept == sorted(set(kept))
    new = pruned_tokenizer(old, kept)
    same(old, new, kept, covered)
    same(old, new, kept, targets, "text_target")
    for text in others:
        read = ids(new, text)
        assert all(0 <= n < len(kept) for n in read)
        if family in BYTES:
            assert new.decode(read) == old.decode(ids(old, text))


def test_the_class_its_tokens_and_its_settings_stay(old, texts):
    """Numbers move by one rule wherever the tokenizer speaks of them; padding and pairs are written by it, too."""
    covered = [texts[0], WORDS[0]]
    kept = used_pieces(old, covered)
    ids(old, covered, padding=True)  # leaves the padding set
    new = pruned_tokenizer(old, kept)
    number = {before: after for after, before in enumerate(kept)}
    assert type(new) is type(old)
    assert len(kept) < len(old) / 1.2
    assert new.convert_ids_to_tokens([*range(len(kept))]) == old.convert_ids_to_tokens(kept)
    assert new.special_tokens_map == old.special_tokens_map
    assert new.model_max_length == old.model_max_length
    assert new.all_special_ids == [number[n] for n in old.all_special_ids]
    assert new.added_tokens_encoder == {token: number[n] for token, n in old.added_tokens_encoder.items()}
    for name in ("lang_code_to_id", "lang_token_to_id", "fairseq_tokens_to_ids"):
        if codes := getattr(old, name, None):
            assert getattr(new, name) == {code: number[n] for code, n in codes.items()}
    if old.is_fast:
        assert new.backend_tokenizer.padding["pad_id"] == new.pad_token_id
    for options in ({"padding": True}, {"text_pair": covered[::-1]}):
        before, after = ids(old, covered, **options), ids(new, covered, **options)
        assert after == [[number[n] for n in row] for row in before]


def test_other_words_are_spelled(family, old):
    """One text is enough for every word in its alphabet: no piece of it is unknown, and the word comes back."""
    new = pruned_tokenizer(old, used_pieces(old, ["so naïve"], ["so naïve"]))
    if family == "wordlevel":  # which has no smaller pieces
        assert new.convert_ids_to_tokens(ids(new, "quartz")) == ["</s>", "<unk>", "</s>"]
        return
    for word in [*WORDS[:300], "Café"]:
        for side in ("text", "text_target"):
            before, after = ids(old, word, side), ids(new, word, side)
            assert after.count(new.unk_token_id) == before.count(old.unk_token_id), word
            assert new.decode(after, skip_special_tokens=True) == old.decode(before, skip_special_tokens=True)


def test_words_of_the_user_stay(old, same):
    """By the names of their pieces and as text, where a word may begin the text or follow another."""
    word = next(w for w in WORDS if len(w) > 6 and old.unk_token_id not in ids(old, w, add_special_tokens=False))
    piece = max(old.get_vocab(), key=lambda name: (len(name) * name.isascii(), name))
    kept = used_pieces(old, ["a"], words=[word, piece])
    new = pruned_tokenizer(old, kept)
    same(old, new, kept, [word, f"a {word}"])
    assert new.convert_tokens_to_ids(piece) == kept.index(old.convert_tokens_to_ids(piece))


def test_files_load_in_a_process_without_prunekit(tokenizers, texts, tmp_path):
    """Plain AutoTokenizer reads what was saved, offline, and reads covered and other texts by the same numbers."""
    expected = {}
    for family, old in tokenizers.items():
        new = pruned_tokenizer(old, used_pieces(old, texts[:20], texts[:20]))
        new.save_pretrained(tmp_path / family)
        expected[family] = [type(new).__name__, ids(new, texts[:40]), ids(new, texts[:40], "text_target")]
        for path in (tmp_path / family).iterdir():
            assert not any(trace in path.read_bytes() for trace in (b"/tmp", b"prunekit")), path
    (tmp_path / "expected.json").write_text(json.dumps([texts[:40], expected]))
    code = f"""
        import json, sys
        sys.path.insert(0, {str(worker.__file__).rpartition("/")[0]!r})
        from worker import BlockPrunekit
        sys.meta_path.insert(0, BlockPrunekit())
        from transformers import AutoTokenizer
        texts, expected = json.load(open("expected.json"))
        for family, answer in expected.items():
            one = AutoTokenizer.from_pretrained(family)
            read = [type(one).__name__, one(texts)["input_ids"], one(text_target=texts)["input_ids"]]
            assert read == answer, family
    """
    surroundings = {**os.environ, "HF_HUB_OFFLINE": "1"}
    whole = [sys.executable, "-c", dedent(code)]
    done = subprocess.run(whole, cwd=tmp_path, env=surroundings, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("family", ["t5", "marian", "m2m"], indirect=True)
def test_copies_read_alike(old, texts):
    new = pruned_tokenizer(old, used_pieces(old, texts[:5]))
    for other in (copy.deepcopy(new), pickle.loads(pickle.dumps(new))):
        assert ids(other, texts[:50]) == ids(new, texts[:50])


@pytest.mark.parametrize("family", ["whisper"], indirect=True)
def test_prompts_and_timestamps_are_counted_from_the_special_tokens(old):
    kept = used_pieces(old, ["so it goes"])
    new = pruned_tokenizer(old, kept)
    prompt = ["<|startoftranscript|>", "<|de|>", "<|transcribe|>", "<|notimestamps|>"]
    assert new.convert_ids_to_tokens(new.prefix_tokens) == prompt
    assert [kept[n] for n in new.timestamp_ids()] == old.timestamp_ids()
    before, after = (ids(one, "<|0.00|> so it goes<|1.50|>", add_special_tokens=False) for one in (old, new))
    for options in ({"output_offsets": True}, {"decode_with_timestamps": True}):
        assert new.decode(after, **options) == old.decode(before, **options)
    assert new.decode(after, output_offsets=True)["offsets"] == [{"text": " so it goes", "timestamp": (0.0, 1.5)}]


def test_what_cannot_be_pruned_is_said(tokenizers):
    with pytest.raises(PrunekitError, match="ByT5Tokenizer cannot be pruned: possible are"):
        used_pieces(ByT5Tokenizer(), ["a"])
    with pytest.raises(PrunekitError, match="ByT5Tokenizer cannot be pruned: possible are"):
        pruned_tokenizer(ByT5Tokenizer(), [1])
    t5 = tokenizers["t5"]
    with pytest.raises(PrunekitError, match="5000 is no id of this T5Tokenizer"):
        pruned_tokenizer(t5, [*used_pieces(t5, []), 5000])
    with pytest.raises(PrunekitError, match=r"This T5Tokenizer needs '</s>' \(1\)"):
        pruned_tokenizer(t5, [n for n in used_pieces(t5, []) if n != 1])
    apart = copy.deepcopy(tokenizers["marian"])
    apart.separate_vocabs = True
    with pytest.raises(PrunekitError, match="a vocabulary each"):
        used_pieces(apart, ["a"])


def test_a_class_that_builds_another_tokenizer_is_said(tokenizers):
    """T5Tokenizer holds that the unknown piece is the third, wherever its files have it."""
    moved = copy.deepcopy(tokenizers["t5"])
    data = json.loads(moved.backend_tokenizer.to_str())
    data["model"]["unk_id"] = 5
    moved._tokenizer = type(moved.backend_tokenizer).from_str(json.dumps(data))
    with pytest.raises(PrunekitError, match="its class builds another tokenizer"):
        pruned_tokenizer(moved, used_pieces(moved, ["a"]))
