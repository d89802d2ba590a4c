"""What a look at the data found before any training: lengths, cuts, unknown tokens, targets that do not survive."""

from collections.abc import Iterator

import numpy as np
from pydantic import Field

from prunekit._support.frozen import FrozenModel
from prunekit.data.asking import alike
from prunekit.data.encoded import EncodedDataset, Side
from prunekit.report.forecast_section import ForecastSection

MANY_UNKNOWN = 0.001
"""A share of unknown tokens that is worth a warning."""


class SideSection(FrozenModel):
    """The sources or the targets of a set of rows. Lengths are in tokens, before any row was cut to `limit`."""

    limit: int | None
    cut: int
    median: int
    p95: int
    longest: int
    unknown: float

    @classmethod
    def of(cls, side: Side) -> "SideSection":
        """`unknown` is the share of tokens that stand for what the tokenizer does not know."""
        lengths = np.array(side.lengths or [0])
        median, p95 = np.percentile(lengths, [50, 95])
        return cls(
            limit=side.limit,
            cut=side.cut,
            median=round(float(median)),
            p95=round(float(p95)),
            longest=int(lengths.max()),
            unknown=side.unknown / max(1, int(lengths.sum())),
        )


class DatasetSection(FrozenModel):
    """One set of rows. Sources are None where the model reads audio, whose length is no number of tokens.

    `looked_at` is the number of rows that all other figures are of, where that is a sample; None where it is all.
    `skipped` rows could not be used and were left out, before the `rows` that are; `unlabelled` ones have no target.
    `languages` counts the rows by how they are asked, where they have languages of their own. Example:
    ``{"eng_Latn to deu_Latn": 90}``.
    """

    rows: int
    looked_at: int | None = None
    skipped: int = 0
    unlabelled: int = 0
    languages: dict[str, int] = Field(default_factory=dict)
    sources: SideSection | None
    targets: SideSection

    @classmethod
    def of(cls, encoded: EncodedDataset, rows: int | None = None, skipped: int = 0) -> "DatasetSection":
        """As a processor encoded it, all or a sample of so many `rows`, after so many were `skipped`."""
        count = len(encoded)
        return cls(
            rows=count if rows is None else rows,
            looked_at=None if rows in (None, count) else count,
            skipped=skipped,
            unlabelled=0 if encoded.target_side.limit is None else count - len(encoded.target_side.lengths),
            languages={asking.spelled: len(numbers) for asking, numbers in alike(encoded.askings or ()).items()},
            sources=SideSection.of(encoded.source_side) if encoded.source_side.lengths else None,
            targets=SideSection.of(encoded.target_side),
        )

    def complaints(self, name: str) -> Iterator[str]:
        """What was cut or unknown, each as one sentence with the setting's name."""
        looked_at = self.looked_at or self.rows
        for noun, side in (("sources", self.sources), ("targets", self.targets)):
            if side is None:
                continue
            if side.cut:
                yield (
                    f"{side.cut:,} of {looked_at:,} {noun} of the {name} rows are cut to task.{noun[:-1]}_length "
                    f"({side.limit} tokens): the longest has {side.longest:,}."
                )
            if side.unknown > MANY_UNKNOWN:
                yield f"{side.unknown:.1%} of the tokens in the {noun} of the {name} rows are unknown to the tokenizer."


class LostTargets(FrozenModel):
    """Targets that are another text once they were encoded and decoded. Example: accents that a tokenizer drops."""

    looked_at: int
    lost: int
    example: tuple[str, str] | None = None


class FirstTokenLoss(FrozenModel):
    """The dense model's loss on the first label token, beside that on all others, in nats."""

    first: float
    others: float


class SampleScore(FrozenModel):
    """The dense model's headline score on some dev rows. Example: ``exact_match`` of 0.66 on 256 rows."""

    metric: str
    score: float
    fraction: bool
    rows: int


class TargetsSection(FrozenModel):
    """Training targets that the teacher writes: of `rows` rows, of which some are `labelled`.

    `by` is the recipe's ``recovery.targets``. `used` of the answers are trained on, `dropped` counts the others by the
    filter's keys, where one answer may have several; both are None before they are written. Example: of 40,000 rows
    38,200 answers are used, and ``{"unended": 1700, "least_score": 300}`` are dropped.
    """

    by: str
    rows: int
    labelled: int
    used: int | None = None
    dropped: dict[str, int] | None = None

    @property
    def spelled(self) -> str:
        """In words, for reports."""
        labels = f" and {self.labelled:,} labels" if self.by == "both" else ""
        if self.used is None:
            return f"{self.rows:,} answers, which the teacher is to write{labels and ','}{labels}"
        why = "; ".join(f"{reason} {count:,}" for reason, count in (self.dropped or {}).items())
        return f"{self.used:,} of the teacher's {self.rows:,} answers{labels}" + (f"; dropped: {why}" if why else "")


class DataSection(FrozenModel):
    """`report.json`'s ``data``: what the look before the work found. `warnings` are the sentences that the user saw.

    Among them are the abilities that the cut took.

    `labels_begin_with` and `asked_with` are pieces of the tokenizer: what every label begins with, and what the model
    is made to begin its answers with. `dense` and `forecast` say how good the dense model is and what the run will come
    to, where a run lies ahead.
    """

    train: DatasetSection | None
    dev: DatasetSection
    test: DatasetSection | None
    source_language: str | None = None
    target_language: str | None = None
    labels_begin_with: tuple[str, ...] = ()
    asked_with: tuple[str, ...] = ()
    lost_targets: LostTargets | None = None
    first_token_loss: FirstTokenLoss | None = None
    targets: TargetsSection | None = None
    dense: SampleScore | None = None
    forecast: ForecastSection | None = None
    warnings: tuple[str, ...] = ()
