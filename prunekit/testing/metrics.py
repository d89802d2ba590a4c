"""The kit for metrics: a suite of checks that an outsider's test file uses in three lines."""

import json
import math
from collections.abc import Sequence
from typing import ClassVar

import pytest

from prunekit.data.metrics.metric import Metric, SummedMetric
from prunekit.testing.public_door import private_imports

SENTENCES = (
    "the cat sat on the mat all day",
    "a dog ran to the old house by the river",
    "birds sing at dawn when the sun comes up",
    "nobody knew where the keys had been left",
    "it rained for a week and then it stopped",
)


class MetricSuite:
    """What every metric must hold.

    A test file of three lines is enough:

        class TestLengthRatio(MetricSuite):
            metric = LengthRatio("length_ratio")

    `texts` are answers that differ from each other, of the kind that the metric compares; give at least three of your
    own if it does not score sentences. Each check is a method, and its message says what to change.
    """

    metric: ClassVar[Metric]
    texts: ClassVar[Sequence[str]] = SENTENCES
    tolerance: ClassVar[float] = 1e-9
    """How far two ways to the same figure may differ."""

    def test_it_is_documented(self) -> None:
        """Its class has a docstring of its own, whose first line is listed."""
        assert "__doc__" in vars(type(self.metric)), "describe the metric in its class docstring"
        assert (type(self.metric).__doc__ or "").strip(), "describe the metric in its class docstring"

    def test_it_imports_only_the_public_door(self) -> None:
        """What `prunekit` itself does not export may change from one version to the next."""
        if type(self.metric).__module__.startswith("prunekit."):
            pytest.skip("it is part of prunekit")
        private = private_imports(type(self.metric))
        assert not private, f"import these from `prunekit` itself, or do without them: {private}"

    def test_a_recipe_can_name_it(self) -> None:
        """Recipes name several metrics by commas."""
        assert self.metric.name, "give the metric the name of its entry point"
        assert "," not in self.metric.name, "a name must have no comma"
        assert self.metric.name == self.metric.name.strip(), "a name must have no blanks around it"

    def test_it_is_made_from_its_name_and_a_language(self) -> None:
        """Prunekit makes it with the name of its entry point and the target language, which may be None."""
        for language in (None, "de"):
            made = type(self.metric)(self.metric.name, language)
            assert (made.name, made.language) == (self.metric.name, language), "keep the name and the language"
            assert self._close(made.score(self.texts, self._exact), self._best), "identical texts must score best"

    def test_identical_texts_are_best(self) -> None:
        """1 for a score, 0 for an error rate; a figure that is no fraction is at least better than for wrong texts."""
        if self.metric.fraction:
            perfect = 1.0 if self.metric.higher_is_better else 0.0
            assert self._close(self._best, perfect), f"identical texts must score {perfect:g}, not {self._best}"
        for text in self.texts:
            alone = self.metric.score([text], [[text]])
            assert not self._better(self._wrong, alone), (
                "each identical text alone must not score worse than wrong ones"
            )

    def test_wrong_texts_are_worse(self) -> None:
        """The direction that `higher_is_better` names, and a difference that is seen."""
        assert not self._close(self._wrong, self._best), "wrong texts must not score like identical ones"
        direction = "higher" if self.metric.higher_is_better else "lower"
        assert self._better(self._best, self._wrong), f"{direction} must be better, as higher_is_better says"

    def test_figures_are_in_range(self) -> None:
        """A fraction is at least 0, and a score at most 1; error rates may pass 1."""
        for predictions in (self.texts, self._rotated, self._halves, self._nothing):
            figure = self.metric.score(predictions, self._exact)
            assert math.isfinite(figure), f"a figure must be finite, not {figure}"
            if self.metric.fraction:
                most = 1 + self.tolerance if self.metric.higher_is_better else math.inf
                assert -self.tolerance <= figure <= most, f"{figure} is out of range; set fraction = False if meant"

    def test_empty_answers_are_worst(self) -> None:
        """A model that says nothing must not be rewarded, and an empty reference must not break the metric."""
        silent = self.metric.score(self._nothing, self._exact)
        assert not self._close(silent, self._best), "empty answers must not score like identical texts"
        assert self._better(self._best, silent), "empty answers must score worse than identical texts"
        both = self.metric.score(["", self.texts[0]], [[""], [self.texts[0]]])
        assert math.isfinite(both), "an empty reference must give a finite figure"

    def test_any_of_several_references_is_right(self) -> None:
        """An answer that equals one of its references is right, wherever that reference stands."""
        for place in (0, 1):
            several = [[other] for other in self._rotated]
            for row, text in zip(several, self.texts, strict=True):
                row.insert(place, text)
            figure = self.metric.score(self.texts, several)
            assert self._close(figure, self._best), "an answer that equals one of its references must score best"
        ragged = [[text] * (1 + place % 3) for place, text in enumerate(self.texts)]
        assert self._close(self.metric.score(self.texts, ragged), self._best), "rows may differ in references"

    def test_order_does_not_matter(self) -> None:
        """The figure is of a set of answers."""
        once = self.metric.score(self._mixed, self._exact)
        again = self.metric.score(self._mixed[::-1], self._exact[::-1])
        assert self._close(once, again), f"the figure must not depend on the order: {once} and {again}"

    def test_it_is_deterministic(self) -> None:
        """The same texts have the same figure."""
        figures = [self.metric.score(self._mixed, self._exact) for _ in range(3)]
        assert figures[0] == figures[1] == figures[2], f"the same texts must score the same: {figures}"

    def test_figures_are_plain_numbers(self) -> None:
        """Reports are JSON."""
        figure = self.metric.score(self._mixed, self._exact)
        assert isinstance(figure, float | int), f"return a float, not {type(figure).__name__}"
        assert json.loads(json.dumps(figure)) == figure, "a figure must survive JSON"

    def test_parts_add_up(self) -> None:
        """A `SummedMetric`'s parts are one row's own, and their sums give the figure of any choice of rows."""
        if not isinstance(self.metric, SummedMetric):
            pytest.skip("it is no SummedMetric")
        parts = self.metric.row_parts(self._mixed, self._exact)
        assert len(parts) == len(self.texts), "give one tuple of parts for each row"
        assert len({len(row) for row in parts}) == 1, "all rows must have the same number of parts"
        for start in range(len(parts)):
            alone = self.metric.row_parts(self._mixed[start:], self._exact[start:])
            assert [tuple(row) for row in alone] == [tuple(row) for row in parts[start:]], (
                "parts must not depend on others"
            )
            totals = [sum(part) for part in zip(*parts[start:], strict=True)]
            figure = self.metric.score(self._mixed[start:], self._exact[start:])
            assert self._close(self.metric.figure(totals), figure), "the sums of the parts must give the figure"

    @property
    def _exact(self) -> list[list[str]]:
        return [[text] for text in self.texts]

    @property
    def _rotated(self) -> list[str]:
        """Every answer belongs to the next reference."""
        return [*self.texts[1:], self.texts[0]]

    @property
    def _halves(self) -> list[str]:
        return [text[: len(text) // 2] for text in self.texts]

    @property
    def _nothing(self) -> list[str]:
        return [""] * len(self.texts)

    @property
    def _mixed(self) -> list[str]:
        """Right answers, cut ones, and one of another row, in turn."""
        kinds = (list(self.texts), self._halves, self._rotated)
        return [kinds[place % len(kinds)][place] for place in range(len(self.texts))]

    @property
    def _best(self) -> float:
        return self.metric.score(self.texts, self._exact)

    @property
    def _wrong(self) -> float:
        return self.metric.score(self._rotated, self._exact)

    def _better(self, one: float, other: float) -> bool:
        return one > other if self.metric.higher_is_better else one < other

    def _close(self, one: float, other: float) -> bool:
        return math.isclose(one, other, rel_tol=self.tolerance, abs_tol=self.tolerance)
