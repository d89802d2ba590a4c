"""Models small enough to draw at random: covered words are read as before, whatever pieces and merges there are."""

import json
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sentencepiece import sentencepiece_model_pb2 as messages
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertTokenizer, MarianTokenizer, PreTrainedTokenizerFast, T5Tokenizer

from prunekit.vocabulary.pieces import alphabet_pieces, with_merge_parts
from prunekit.vocabulary.tokenizer import pruned_tokenizer, used_pieces


def word(draw, letters="abcx", longest=8):
    return "".join(draw.choices(letters, k=draw.randint(1, longest)))


def numbered(names):
    return {name: n for n, name in enumerate(names)}


def bpe(draw, prefix="", suffix=""):
    """Random merges, also several that make the same piece; x is unknown."""
    starts = [*"abc", *(prefix + c for c in "abc" if prefix), *(c + suffix for c in "abc" if suffix)]
    symbols, merges = starts, []
    for _ in range(draw.randint(0, 25)):
        left = [s for s in symbols if not suffix or not s.endswith(suffix)]
        pair = (draw.choice(left), draw.choice([s for s in symbols if s.startswith(prefix)]))
        made = pair[0] + pair[1].removeprefix(prefix)
        if len(made) <= 8 and pair not in merges:
            merges.append(pair)
            symbols = [*symbols, *({made} - {*symbols})]
    options = {"fuse_unk": draw.random() < 0.5, "ignore_merges": draw.random() < 0.3}
    options |= {"continuing_subword_prefix": prefix, "end_of_word_suffix": suffix}
    return models.BPE(numbered(["<pad>", "<unk>", *symbols]), merges, unk_token="<unk>", **options)


def wordpiece(draw):
    pieces = [draw.choice(("", "##")) + word(draw, "abc", 4) for _ in range(draw.randint(2, 40))]
    return models.WordPiece(numbered(dict.fromkeys(["<pad>", "<unk>", *pieces])), unk_token="<unk>")


def unigram(draw):
    """Random scores, often whole ones, which make many ties."""
    names, whole = dict.fromkeys(word(draw, "abc", 5) for _ in range(draw.randint(2, 40))), draw.random() < 0.5
    scores = {name: -25 * draw.random() for name in names}
    pieces = [(name, float(round(score)) if whole else score) for name, score in scores.items()]
    return models.Unigram([("<pad>", 0.0), ("<unk>", 0.0), *pieces], unk_id=1)


@pytest.mark.parametrize(
    "model",
    [bpe, lambda draw: bpe(draw, prefix="##"), lambda draw: bpe(draw, suffix="</w>"), wordpiece, unigram],
    ids=["bpe", "marks within words", "marks of ends", "wordpiece", "unigram"],
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_any_model_of_three_letters_reads_covered_words_as_before(model, seed, same, tmp_path):
    draw = random.Random(seed)
    core = Tokenizer(model(draw))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=core, pad_token="<pad>", unk_token="<unk>").save_pretrained(tmp_path)
    old = PreTrainedTokenizerFast.from_pretrained(tmp_path)
    texts = [" ".join(word(draw) for _ in range(draw.randint(1, 3))) for _ in range(draw.randint(1, 6))]
    kept = used_pieces(old, texts)
    new = pruned_tokenizer(old, kept)
    same(old, new, kept, texts)
    assert all(n < len(kept) for n in new(word(draw, "abcdx ", 30))["input_ids"])


def test_what_was_unknown_stays_unknown(same):
    """WordPiece takes the longest piece and gives up: without ``abc`` it would read abcd as ab and ##cd."""
    old = BertTokenizer(vocab=numbered(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "abc", "ab", "##cd", "e"]))
    texts = ["abcd", "ab", "ecd"]
    kept = used_pieces(old, texts)
    assert old.tokenize("abcd") == ["[UNK]"]
    same(old, pruned_tokenizer(old, kept), kept, texts)


PRICES = {"▁": -1.0, "A": -12.0, "AB": -1.0, "BX": -13.0, "ZZ": -20.0, "YY": -5.0}


def t5(_):
    """A class that holds that the unknown piece is the third, though <s> before it is nothing special."""
    marks = dict.fromkeys(["<pad>", "<s>", "<unk>", "</s>"], 0.0)
    return T5Tokenizer(vocab=[*{**marks, **PRICES}.items()], extra_ids=0)


def marian(place):
    proto = messages.ModelProto()
    for name, kind in (("<unk>", 2), ("<s>", 3), ("</s>", 3)):
        proto.pieces.add(piece=name, score=0.0, type=kind)
    for name, score in PRICES.items():
        proto.pieces.add(piece=name, score=score)
    proto.normalizer_spec.name = "identity"
    (place / "model.spm").write_bytes(proto.SerializeToString())
    (place / "vocab.json").write_text(json.dumps(numbered(["</s>", "<unk>", *PRICES, "<pad>"])))
    return MarianTokenizer(str(place / "model.spm"), str(place / "model.spm"), str(place / "vocab.json"))


@pytest.mark.parametrize("make", [t5, marian])
def test_an_unknown_character_keeps_its_price(make, same, tmp_path):
    """Unigram's is 10 below the worst piece, ZZ; else ABX would be read as AB and an unknown, not as A and BX."""
    old = make(tmp_path)
    assert old.tokenize("ABX") == ["▁", "A", "BX"]
    kept = used_pieces(old, ["ABX", "AB", "Q"])
    assert "YY" not in old.convert_ids_to_tokens(kept)
    same(old, pruned_tokenizer(old, kept), kept, ["ABX", "AB", "Q"])


def test_letters_of_a_script_stay_together_and_ideographs_alone():
    signs = "".join(map(chr, range(0x4E00, 0x4E00 + 2000)))
    single = alphabet_pieces([*"aé!щж", *signs, "##ö", "##ш", "ab"], ["日", "naïve", signs[7]], "##")
    assert single == {"a", "é", "!", "##ö", signs[7]}
    assert alphabet_pieces([*"aéщж"], ["мир"]) == {*"aщж"}


def test_a_piece_keeps_what_leads_to_it_and_nothing_else():
    """``low`` is made of l and ow, since o and w are joined first; the merge of lo and w is never reached."""
    merges = [("o", "w"), ("l", "o"), ("lo", "w"), ("l", "ow"), ("low", "er"), ("e", "r")]
    assert with_merge_parts({"low"}, merges) == {*"low", "ow", "low"}
    assert with_merge_parts({"lower"}, merges) == {*"lower", "ow", "low", "er", "lower"}
    assert with_merge_parts({"low</w>"}, [("lo", "w</w>"), ("l", "o")]) == {"low</w>", "lo", "w</w>", *"lo"}
