"""The suite for metrics finds every planted fault, and passes what is right."""

import numpy as np
import pytest

from prunekit import Metric, SummedMetric
from prunekit.testing import MetricSuite


class Overlap(SummedMetric):
    """The share of a reference's words that the answer has in its place."""

    def parts(self, predictions, references):
        return [self.best(text.split(), row) for text, row in zip(predictions, references, strict=True)]

    def best(self, words, row):
        found = [(sum(a == b for a, b in zip(words, text.split(), strict=False)), len(text.split())) for text in row]
        return max(found, key=lambda pair: pair[0] / max(pair[1], 1))


class Edits(Metric):
    """Words out of place, on average: no fraction, and fewer are better."""

    higher_is_better = False
    fraction = False

    def corpus(self, predictions, references):
        wrong = (
            min(abs(len(text.split()) - len(other.split())) + (text != other) for other in row)
            for text, row in zip(predictions, references, strict=True)
        )
        return sum(wrong) / len(predictions)


class Undocumented(Overlap):
    pass


class Forgetful(Overlap):
    """Knows no language."""

    def __init__(self, name, language=None):
        super().__init__(name)


class Fussy(Overlap):
    """Refuses languages other than English."""

    def parts(self, predictions, references):
        right = 0.0 if self.language == "de" else 1.0
        return [(right * part, count) for part, count in super().parts(predictions, references)]


class Percent(Overlap):
    """Gives percent, not fractions."""

    def figure(self, totals):
        return 100 * super().figure(totals)


class Upside(Overlap):
    """Says that lower is better."""

    higher_is_better = False


class Constant(Overlap):
    """Likes everything."""

    def parts(self, predictions, references):
        return [(1.0, 1.0) for _ in predictions]


class Signed(Overlap):
    """Goes below 0 for wrong answers."""

    def figure(self, totals):
        return 2 * super().figure(totals) - 1


class Silent(Overlap):
    """Counts nothing as right."""

    def parts(self, predictions, references):
        pairs = zip(predictions, super().parts(predictions, references), strict=True)
        return [(part if text else (1.0, 1.0)) for text, part in pairs]


class Fragile(Overlap):
    """Divides by the words of a reference."""

    def corpus(self, predictions, references):
        return sum(part / count for part, count in self.parts(predictions, references)) / len(predictions)


class Single(Overlap):
    """Reads the first reference alone."""

    def best(self, words, row):
        return super().best(words, row[:1])


class Last(Overlap):
    """Reads the last reference alone."""

    def best(self, words, row):
        return super().best(words, row[-1:])


class Rectangular(Overlap):
    """Needs equally many references in all of its rows."""

    def parts(self, predictions, references):
        return super().parts(predictions, [[*column] for column in zip(*zip(*references, strict=True), strict=True)])


class Ordered(Overlap):
    """Weighs later answers more."""

    def corpus(self, predictions, references):
        pairs = enumerate(self.parts(predictions, references), 1)
        return sum(weight * part / count for weight, (part, count) in pairs) / sum(range(len(predictions) + 1))


class Moody(Overlap):
    """Draws from a generator that nobody seeded."""

    def corpus(self, predictions, references):
        figure = super().corpus(predictions, references)
        return figure if figure in (0, 1) else figure * GENERATOR.uniform(0.9, 1)


GENERATOR = np.random.default_rng(0)


class Strange(Overlap):
    """Gives an array."""

    def corpus(self, predictions, references):
        return np.array(super().corpus(predictions, references))


class Averaged(Overlap):
    """Scores the mean of its rows, but sums over all words."""

    def corpus(self, predictions, references):
        parts = self.parts(predictions, references)
        return sum(part / max(count, 1) for part, count in parts) / len(parts)


class Entangled(Overlap):
    """Rows know of other rows."""

    def parts(self, predictions, references):
        parts = super().parts(predictions, references)
        return [(part / parts[0][1], count / parts[0][1]) for part, count in parts]


class Short(Overlap):
    """Leaves out rows without a right word."""

    def parts(self, predictions, references):
        return [(part, count) for part, count in super().parts(predictions, references) if part]


def suite(given):
    """The suite of an outsider's three lines, as an object whose checks can be called."""

    class TestIt(MetricSuite):
        metric = given

    return TestIt()


PLANTED = [
    (Undocumented("it"), "test_it_is_documented"),
    (Overlap(""), "test_a_recipe_can_name_it"),
    (Overlap("a,b"), "test_a_recipe_can_name_it"),
    (Overlap(" it"), "test_a_recipe_can_name_it"),
    (Forgetful("it"), "test_it_is_made_from_its_name_and_a_language"),
    (Fussy("it"), "test_it_is_made_from_its_name_and_a_language"),
    (Percent("it"), "test_identical_texts_are_best"),
    (Upside("it"), "test_identical_texts_are_best"),
    (Upside("it"), "test_wrong_texts_are_worse"),
    (Constant("it"), "test_wrong_texts_are_worse"),
    (Percent("it"), "test_figures_are_in_range"),
    (Signed("it"), "test_figures_are_in_range"),
    (Silent("it"), "test_empty_answers_are_worst"),
    (Single("it"), "test_any_of_several_references_is_right"),
    (Last("it"), "test_any_of_several_references_is_right"),
    (Ordered("it"), "test_order_does_not_matter"),
    (Moody("it"), "test_it_is_deterministic"),
    (Strange("it"), "test_figures_are_plain_numbers"),
    (Averaged("it"), "test_parts_add_up"),
    (Entangled("it"), "test_parts_add_up"),
    (Short("it"), "test_parts_add_up"),
]


@pytest.mark.parametrize(("wrong", "name"), PLANTED, ids=lambda value: getattr(type(value), "__name__", value))
def test_a_planted_fault_is_found(wrong, name):
    with pytest.raises(AssertionError):
        getattr(suite(wrong), name)()


@pytest.mark.parametrize(
    ("wrong", "name", "error"),
    [
        (Fragile("it"), "test_empty_answers_are_worst", ZeroDivisionError),
        (Rectangular("it"), "test_any_of_several_references_is_right", ValueError),
    ],
)
def test_what_breaks_a_metric_is_asked_of_it(wrong, name, error):
    with pytest.raises(error):
        getattr(suite(wrong), name)()


def test_private_imports_are_found(tmp_path, monkeypatch):
    (tmp_path / "a_private_metric.py").write_text(
        "from prunekit import Metric\nfrom prunekit.data import metrics\n"
        "class Private(Metric):\n    def corpus(self, predictions, references): return 0.0\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    from a_private_metric import Private

    with pytest.raises(AssertionError, match=r"\['prunekit.data.metrics'\]"):
        suite(Private("it")).test_it_imports_only_the_public_door()


@pytest.mark.parametrize("right", [Overlap("overlap"), Edits("edits")], ids=lambda metric: metric.name)
def test_a_right_metric_passes_every_check(right):
    made = suite(right)
    names = [name for name in dir(made) if name.startswith("test_")]
    assert len(names) == 13
    for name in names:
        if name == "test_parts_add_up" and not isinstance(right, SummedMetric):
            with pytest.raises(pytest.skip.Exception, match="no SummedMetric"):
                getattr(made, name)()
        else:
            getattr(made, name)()


def test_every_check_says_what_it_is_about():
    assert [name for name, check in vars(MetricSuite).items() if name.startswith("test_") and not check.__doc__] == []


def test_every_check_finds_a_fault():
    found = {name for _, name in PLANTED} | {"test_it_imports_only_the_public_door"}
    assert {name for name in vars(MetricSuite) if name.startswith("test_")} == found
