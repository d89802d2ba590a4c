# ruff: noqa: RUF001 (texts of other scripts)
"""BLEU by hand, and by sacrebleu's own way over a whole corpus."""

from math import exp

import pytest
import sacrebleu

from prunekit.data.metrics.bleu import Bleu

BLEU = Bleu("bleu")


def test_bleu_is_the_geometric_mean_of_clipped_precisions_times_the_penalty_for_brevity():
    said = ["the cat sat on the mat", "birds sing at dawn"]
    meant = [["the cat sat on a mat"], ["birds sing at dawn today"]]
    precisions = [(5 + 4) / (6 + 4), (3 + 3) / (5 + 3), (2 + 2) / (4 + 2), (1 + 1) / (3 + 1)]
    mean = (precisions[0] * precisions[1] * precisions[2] * precisions[3]) ** (1 / 4)
    assert BLEU.score(said, meant) == pytest.approx(exp(1 - 11 / 10) * mean)


def test_bleu_takes_punctuation_off_words_and_keeps_capitals():
    assert BLEU.score(["Well, hello there."], [["Well , hello there ."]]) == pytest.approx(1)
    assert BLEU.score(["well, hello there."], [["Well, hello there."]]) < 0.8


def test_bleu_counts_the_ngrams_of_all_references_together():
    assert BLEU.score(["a b c d", "e f g h"], [["x x x x", "a b c d"], ["e f g h"]]) == pytest.approx(1)
    one, both = (
        BLEU.score(["a b c d e f g h"], [row]) for row in (["a b c d x x x x"], ["a b c d x x x x", "y y y y e f g h"])
    )
    precisions = {"one": (4 / 8, 3 / 7, 2 / 6, 1 / 5), "both": (8 / 8, 6 / 7, 4 / 6, 2 / 5)}
    for found, (first, second, third, fourth) in zip((one, both), precisions.values(), strict=True):
        assert found == pytest.approx((first * second * third * fourth) ** (1 / 4))


def test_sums_over_rows_come_to_sacrebleus_corpus_score():
    said = ["the cat sat on the mat", "", "birds sing, at dawn.", "a b"]
    meant = [["the cat sat on a mat", "a cat sat"], ["nothing"], ["birds sing at dawn today."], ["a b", "a b c d", "x"]]
    columns = [[row[place] if place < len(row) else None for row in meant] for place in range(3)]
    assert BLEU.score(said, meant) == pytest.approx(sacrebleu.corpus_bleu(said, columns).score / 100, abs=1e-12)


@pytest.mark.parametrize("language", ["zh", "zh_CN", "zho_Hans", "zh-TW", "yue_Hant", "Chinese"])
def test_chinese_by_any_name_is_scored_by_sacrebleus_chinese_tokens(language):
    said = ["我喜欢那本书。", "今天天气非常好，我们去公园玩吧。", "我买了iPhone 15。"]
    meant = [["我喜欢这本书。"], ["今天的天气非常好，我们去公园吧。"], ["我买了iPhone 15了。"]]
    expected = sacrebleu.corpus_bleu(said, [[row[0] for row in meant]], tokenize="zh").score / 100
    assert Bleu("bleu", language).score(said, meant) == pytest.approx(expected, abs=1e-12)
    assert expected > 0.4


@pytest.mark.parametrize("language", [None, "ja", "jpn_Jpan", "ja_XX", "en"])
def test_texts_without_blanks_are_scored_by_characters_in_any_other_language(language):
    said, meant = "今日は天気がいいですね", "今日は天気がいいですよ"
    expected = sacrebleu.corpus_bleu([said], [[meant]], tokenize="char").score / 100
    assert Bleu("bleu", language).score([said], [[meant]]) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("language", ["ko", "kor_Hang", "hi", "deu_Latn", "zu", "zul_Latn", "python"])
def test_languages_with_blanks_have_sacrebleus_usual_tokens(language):
    said, meant = "우리는 오늘 함께 공원에 갑니다.", "우리는 오늘 모두 함께 공원에 갑니다."
    expected = sacrebleu.corpus_bleu([said], [[meant]], tokenize="13a").score / 100
    assert Bleu("bleu", language).score([said], [[meant]]) == pytest.approx(expected, abs=1e-12)


def test_short_texts_are_scored_by_the_ngrams_that_they_have():
    assert BLEU.score(["a b"], [["a b"]]) == BLEU.score(["a"], [["a"]]) == BLEU.score([""], [[""]]) == 1
    assert BLEU.score(["a b c"], [["a b x"]]) == pytest.approx((2 / 3 * 1 / 2 * 1 / 2) ** (1 / 3))  # the last smoothed


def test_answers_too_short_for_their_references_score_nothing_as_by_sacrebleu():
    assert BLEU.score(["a b c"], [["a b c d e"]]) == sacrebleu.corpus_bleu(["a b c"], [["a b c d e"]]).score == 0


def test_every_row_is_split_as_its_own_language_is():
    """Chinese by sacrebleu's ``zh``, which splits off its full stop, German by 13a: as two corpora of one row each."""
    said, right = ["我喜欢茶。", "das ist gut, oder?"], [["我喜欢茶。"], ["das ist gut, nicht?"]]
    mixed = Bleu("bleu").row_parts(said, right, ["zho_Hans", "deu_Latn"])
    assert mixed[0] == Bleu("bleu", "zh").row_parts(said[:1], right[:1])[0]
    assert mixed[1] == Bleu("bleu", "de").row_parts(said[1:], right[1:])[0]
