"""What every metric shares: checks, normalized texts, sums over rows, and the share of quality that is kept."""

import pytest

from prunekit.data.metrics.exact_match import ExactMatch
from prunekit.data.metrics.metric import Metric, SummedMetric, retained
from prunekit.data.metrics.word_errors import WordErrorRate
from prunekit.errors import PrunekitError

EXACT = ExactMatch("exact_match")
WER = WordErrorRate("wer")


class Seen(Metric):
    """Keeps what it was given."""

    fraction = False

    def corpus(self, predictions, references):
        self.texts = (list(predictions), [list(row) for row in references])
        return float(len(predictions))


class Words(SummedMetric):
    """Words of the answer per word of the first reference."""

    def parts(self, predictions, references):
        return [(len(text.split()), len(row[0].split())) for text, row in zip(predictions, references, strict=True)]


@pytest.mark.parametrize(("predictions", "references"), [([], []), (["a"], []), (["a"], [[]])])
def test_nothing_to_score_against_is_refused(predictions, references):
    with pytest.raises(PrunekitError, match="wer needs"):
        WER.score(predictions, references)


def test_a_metric_sees_texts_with_one_blank_between_words():
    metric = Seen("seen")
    assert metric.score([" a   b\n", "c"], [["x  y"], [" z", ""]]) == 2
    assert metric.texts == (["a b", "c"], [["x y"], ["z", ""]])


def test_texts_may_be_normalized_first_and_the_metric_itself_stays():
    lower = Seen("seen", "de").after(lambda text: text.lower().replace("!", " "))
    lower.score(["Ach  So!"], [["ACH SO"]])
    assert lower.texts == (["ach so"], [["ach so"]])
    assert (lower.name, lower.language) == ("seen", "de")
    assert EXACT.after(str.lower).score(["A"], [["a"]]) == 1
    assert EXACT.after(str.lower).row_parts(["A"], [["a"]]) == [(1.0, 1.0)]
    assert EXACT.score(["A"], [["a"]]) == 0


def test_a_summed_metric_is_the_ratio_of_its_sums_not_the_mean_of_ratios():
    metric = Words("words")
    assert metric.score(["a", "b c d e"], [["x"], ["y z"]]) == pytest.approx(5 / 3)
    assert metric.row_parts(["a", "b c d e"], [["x"], ["y z"]]) == [(1, 1), (4, 2)]
    assert metric.score(["a"], [[""]]) == 1, "nothing to divide by counts as one"


def test_how_much_of_perfect_a_figure_is():
    assert EXACT.share(0.75) == 0.75
    assert WER.share(0.75) == 0.25
    assert Seen("seen").share(0.75) is None


def test_retained_is_a_share_of_what_the_dense_model_could_do():
    assert retained(EXACT, 0.8, 0.6) == pytest.approx(0.75)
    assert retained(WER, 0.2, 0.4) == pytest.approx(0.75)
    assert retained(WER, 0.5, 0.4) == pytest.approx(1.2)


def test_nothing_can_be_retained_of_nothing():
    assert retained(EXACT, 0.0, 0.3) is None
    assert retained(WER, 1.0, 0.3) is None
    assert retained(WER, 1.4, 0.3) is None


def test_nothing_is_said_of_figures_that_are_no_fractions():
    assert retained(Seen("seen"), 3.0, 2.0) is None


class Shouts(Words):
    """Words, of which those of a language count twice."""

    def parts(self, predictions, references):
        times = 2.0 if self.language == "b" else 1.0
        return [(times * right, times * words) for right, words in super().parts(predictions, references)]


def test_rows_are_scored_each_in_its_own_language():
    said, right, languages = ["x", "y z", "x"], [["x"], ["y q"], ["w"]], ["a", "b", "a"]
    rows = list(zip(said, right, languages, strict=True))
    alone = [Shouts("shouts", language).row_parts([text], [row])[0] for text, row, language in rows]
    metric = Shouts("shouts", "c")
    assert metric.row_parts(said, right, languages) == alone
    assert metric.score(said, right, languages) == metric.figure([sum(column) for column in zip(*alone, strict=True)])
    assert alone[1] != Shouts("shouts", "a").row_parts(said[1:2], right[1:2])[0]


def test_rows_are_normalized_each_in_its_own_language():
    by_language = {"a": str.upper, None: str.lower}.get
    for kind in (Words, Seen):
        metric = kind("any").after(str.title, by_language)
        metric.score(["x Y", "x Y"], [["p"], ["q"]], ["a", None])
        assert metric.in_language("a")._normalized(["x Y"], [["p"]]) == (["X Y"], [["P"]])
