"""The specification of a comparison: variants, baselines, seeds and budgets, as data that is checked when read."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

from pydantic import Field, field_validator

from prunekit._support.section import Section
from prunekit._support.suggest import hint
from prunekit._support.yaml_file import read_yaml
from prunekit.compare.trial import Trial
from prunekit.errors import PrunekitError
from prunekit.recipe import BudgetSection

DENSE = "dense"
"""The dense model as it is: a row of the table without a run of its own."""

DENSE_CONTINUED = "dense-further"
"""The control that is always there: the dense model trained with the recovery section at the same budget."""

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")


class VariantSection(Section):
    """One way to prune, as keys that override those of the base recipe; see `Comparison`."""

    strategy: str | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    plan: str | None = None
    recovery: dict[str, Any] = Field(default_factory=dict)
    training: dict[str, Any] = Field(default_factory=dict)
    round_to: int | None = None
    shape_of: str | None = Field(None, description="the variant whose pruned shape is cut at once and then trained")
    from_scratch: str | None = Field(None, description="the variant whose pruned shape is trained from random weights")
    seeds: tuple[int, ...] | None = Field(None, min_length=1, description="instead of the comparison's")
    budgets: tuple[BudgetSection, ...] | None = Field(None, description="instead of the comparison's; [] for none")

    @property
    def keys(self) -> dict[str, Any]:
        """The keys of a run's recipe among them."""
        return self.model_dump(exclude_unset=True, exclude={"shape_of", "from_scratch", "seeds", "budgets"})

    @property
    def shape(self) -> str | None:
        """The variant that this one takes its shape from."""
        return self.shape_of or self.from_scratch


class Comparison(Section):
    """Variants of one run, each at every budget with every seed.

    `base` is a run's recipe, whose keys a variant overrides; `seeds` and `budgets` of a variant replace the common ones
    (``budgets: []`` runs it once with its own recipe). ``shape_of: other`` cuts the dense model at once to the shape
    that another variant found, ``from_scratch: other`` trains that shape from random weights. `baselines` name the
    variants that the others must beat; the first other variant is the recommended one. Example: 6 variants, 3 seeds and
    2 budgets make 36 runs, and 6 of the control.
    """

    name: str = "comparison"
    base: dict[str, Any]
    variants: dict[str, VariantSection]
    baselines: tuple[str, ...] = ()
    seeds: tuple[int, ...] = Field((0,), min_length=1)
    budgets: tuple[BudgetSection, ...] = ()
    output: str = "outputs/comparison"
    records: str | None = Field(None, description="directory for a small file of every run; else in the output")
    keep_models: bool = Field(False, description="keep the checkpoints of the runs")

    @field_validator("variants", mode="before")
    @classmethod
    def _empty_bodies(cls, variants: Any) -> Any:
        """A variant with an empty body is the base, unchanged."""
        if not isinstance(variants, dict):
            return variants
        return {name: {} if keys is None else keys for name, keys in variants.items()}

    @classmethod
    def load(cls, path: Path, output: str | None = None) -> "Comparison":
        """Read a YAML file; `base` may be the name of another, beside it. Raises `PrunekitError` in one sentence.

        With an `output` of its own the records that the file names are ignored, and everything is run again there.
        """
        data = read_yaml(path)
        if isinstance(data.get("base"), str):
            data["base"] = read_yaml(path.parent / data["base"])
        return cls.parse({"name": path.stem, **data, **({"output": output, "records": None} if output else {})})

    @classmethod
    def parse(cls, data: Any) -> Self:
        """Validate parsed YAML, and that every variant that is named exists."""
        comparison = super().parse(data)
        if comparison.base.get("start") is not None:
            raise PrunekitError(
                "The base of a comparison starts from an earlier run (start), but all its runs begin with the dense "
                "model, so that their budgets are all that they cost; leave start out."
            )
        for name, variant in comparison.variants.items():
            _check_variant(name, variant, comparison.variants)
        for name in comparison.baselines:
            if name not in comparison.named:
                raise PrunekitError(f"{name!r} is to be a baseline, but {unknown_name(name, comparison.named)}")
        names = [trial.name for trial in comparison.trials()]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise PrunekitError(f"Two runs would be called {twice!r}; name every seed and every budget once.")
        return comparison

    @property
    def named(self) -> dict[str, VariantSection]:
        """The variants with the control, which comes last unless the recipe names it itself."""
        return {**self.variants, DENSE_CONTINUED: self.variants.get(DENSE_CONTINUED, VariantSection())}

    @property
    def recommended(self) -> str:
        """The first variant that is no baseline."""
        return next((name for name in self.named if name not in self.baselines), next(iter(self.named)))

    @property
    def directory(self) -> Path:
        """Where everything is written."""
        return Path(self.output)

    @property
    def archive(self) -> Path:
        """The directory of the runs' records, which are all that the tables need."""
        return self.directory / "records" if self.records is None else Path(self.records)

    def seeds_of(self, variant: str) -> tuple[int, ...]:
        """A variant's own seeds, or the common ones."""
        return self.named[variant].seeds or self.seeds

    def budgets_of(self, variant: str) -> tuple[BudgetSection | None, ...]:
        """A variant's own budgets, or the common ones; a single None where its recipe runs without one."""
        own = self.named[variant].budgets
        return (self.budgets if own is None else own) or (None,)

    def trials(self) -> list[Trial]:
        """All runs, variant by variant; `grid.ordered_trials` has them in the order of running."""
        return [
            Trial(variant, budget, seed)
            for variant in self.named
            for budget in self.budgets_of(variant)
            for seed in self.seeds_of(variant)
        ]


def _check_variant(name: str, variant: VariantSection, variants: dict[str, VariantSection]) -> None:
    """Raise `PrunekitError` for a name that cannot be used, and for a shape that cannot be taken."""
    if name == DENSE or not _NAME.fullmatch(name):
        raise PrunekitError(
            f"A variant cannot be called {name!r}; use letters, digits, dots and dashes, and leave {DENSE!r} "
            "to the dense model, which is always there."
        )
    if variant.shape_of is not None and variant.from_scratch is not None:
        raise PrunekitError(f"{name!r} takes its shape from two variants; leave out shape_of or from_scratch.")
    other = variant.shape
    if other is None:
        return
    if other not in variants or other == name:
        raise PrunekitError(f"{name!r} has the shape of {other!r}, but {unknown_name(other, variants)}")
    first = variants[other].shape
    if first is not None:
        raise PrunekitError(f"{other!r} has itself the shape of {first!r}; let {name!r} name that one.")


def unknown_name(name: str, known: Iterable[str], what: str = "variant") -> str:
    """The end of a sentence on a name that nothing has, with the nearest that there is."""
    return f"there is no {what} of that name; {hint(name, known)}"
