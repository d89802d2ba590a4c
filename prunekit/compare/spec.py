"""A comparison as data, and the cells that it asks for: one ordinary run per variant, budget and seed."""

import copy
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pydantic import Field, field_validator

from prunekit._support.suggest import hint
from prunekit.errors import PrunekitError
from prunekit.loading.resolve import resolve
from prunekit.recipe import BudgetSection, Recipe, Section, over, read_yaml

DENSE = "dense"
"""The dense model as it is: a row of the table without a run of its own."""

DENSE_CONTINUED = "dense-further"
"""The control that is always there: the dense model trained with the recovery section at the same budget."""

UNCUT = "uncut.json"
"""A plan that keeps everything, for the control."""

ANSWERS = "dense.jsonl"
"""What the dense model answers to the test rows; asked once for all cells."""

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")


class VariantSection(Section):
    """One way to prune, as keys that lie over the base recipe; see `Comparison`."""

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

    `base` is a run's recipe. A variant lays its keys over it; `seeds` and `budgets` of its own replace the common ones
    (``budgets: []`` runs it once as its recipe stands). ``shape_of: other`` cuts the dense model at once to the shape
    that another variant came to, ``from_scratch: other`` trains that shape from random weights. `baselines` name the
    variants that the others must beat; the first variant that is none is the recommended one. Example: 6 variants,
    3 seeds and 2 budgets make 36 runs, and 6 of the control.
    """

    name: str = "comparison"
    base: dict[str, Any]
    variants: dict[str, VariantSection]
    baselines: tuple[str, ...] = ()
    seeds: tuple[int, ...] = Field((0,), min_length=1)
    budgets: tuple[BudgetSection, ...] = ()
    output: str = "outputs/comparison"
    records: str | None = Field(None, description="where a small file stays of every run; else in the output")
    keep_models: bool = Field(False, description="keep the cells' checkpoints")

    @field_validator("variants", mode="before")
    @classmethod
    def _nothing_said(cls, variants: Any) -> Any:
        """A variant with an empty body is the base as it is."""
        if not isinstance(variants, dict):
            return variants
        return {name: {} if keys is None else keys for name, keys in variants.items()}

    @classmethod
    def load(cls, path: Path, output: str | None = None) -> "Comparison":
        """Read a YAML file; `base` may be the name of another, beside it. Raises `PrunekitError` in one sentence.

        With an `output` of its own it knows nothing of the records that the file names: all is made anew there.
        """
        data = read_yaml(path)
        if isinstance(data.get("base"), str):
            data["base"] = read_yaml(path.parent / data["base"])
        return cls.parse({"name": path.stem, **data, **({"output": output, "records": None} if output else {})})

    @classmethod
    def parse(cls, data: Any) -> Self:
        """Validate parsed YAML, and that every variant that is named is there."""
        return super().parse(data)._checked()

    def _checked(self) -> Self:
        for name, variant in self.variants.items():
            if name == DENSE or not _NAME.fullmatch(name):
                raise PrunekitError(
                    f"A variant cannot be called {name!r}; use letters, digits, dots and dashes, and leave {DENSE!r} "
                    "to the dense model, which is always there."
                )
            other = variant.shape
            if variant.shape_of is not None and variant.from_scratch is not None:
                raise PrunekitError(f"{name!r} takes its shape from two variants; leave out shape_of or from_scratch.")
            if other is not None and (other not in self.variants or other == name):
                raise PrunekitError(f"{name!r} has the shape of {other!r}, but {_unknown(other, self.variants)}")
            if other is not None and (first := self.variants[other].shape) is not None:
                raise PrunekitError(f"{other!r} has itself the shape of {first!r}; let {name!r} name that one.")
        for name in self.baselines:
            if name not in self.named:
                raise PrunekitError(f"{name!r} is to be a baseline, but {_unknown(name, self.named)}")
        names = [cell.name for cell in self.cells()]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise PrunekitError(f"Two runs would be called {twice!r}; name every seed and every budget once.")
        return self

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
        """Where the records of the runs lie, which is all that the tables are made of."""
        return self.directory / "records" if self.records is None else Path(self.records)

    def chosen(self, variants: Sequence[str] = (), budgets: Sequence[str] = ()) -> list["Trial"]:
        """The runs of these variants at the budgets of these labels; all where none are named.

        Raises `PrunekitError` for a name or a label that is none.
        """
        labels = list(dict.fromkeys(trial_label(cell.budget) for cell in self.cells()))
        for what, names, known in (("variant", variants, self.named), ("budget", budgets, labels)):
            for name in names:
                if name not in known:
                    raise PrunekitError(f"{name!r} is to be run, but {_unknown(name, known, what)}")
        return [
            cell
            for cell in self.cells()
            if cell.variant in (variants or self.named) and trial_label(cell.budget) in (budgets or labels)
        ]

    def seeds_of(self, variant: str) -> tuple[int, ...]:
        """A variant's own seeds, or the common ones."""
        return self.named[variant].seeds or self.seeds

    def budgets_of(self, variant: str) -> tuple[BudgetSection | None, ...]:
        """A variant's own budgets, or the common ones; a single None where it runs as its recipe stands."""
        own = self.named[variant].budgets
        return (self.budgets if own is None else own) or (None,)

    def cells(self) -> list["Trial"]:
        """All runs, seed by seed, a variant before those that take its shape."""
        found = [
            Trial(variant, budget, seed)
            for variant in self.named
            for budget in self.budgets_of(variant)
            for seed in self.seeds_of(variant)
        ]

        def turn(cell: Trial) -> tuple[int, bool]:
            needed = self.needed(cell)
            return (cell.seed, False) if needed is None else (max(cell.seed, needed.seed), True)

        return sorted(found, key=turn)

    def needed(self, cell: "Trial") -> "Trial | None":
        """The cell whose shape this one takes: of the same budget and seed, where that was run."""
        other = self.named[cell.variant].shape
        if other is None:
            return None
        seeds, budgets = self.seeds_of(other), self.budgets_of(other)
        seed = cell.seed if cell.seed in seeds else seeds[0]
        return Trial(other, cell.budget if cell.budget in budgets else budgets[0], seed)


def _unknown(name: Any, known: Iterable[str], what: str = "variant") -> str:
    return f"there is no {what} of that name; {hint(str(name), known)}"


@dataclass(frozen=True)
class Trial:
    """One run of a comparison. Example: ``Cell("nash", BudgetSection(cpu_seconds=600), 0)``, in ``nash-600cpu-0``."""

    variant: str
    budget: BudgetSection | None
    seed: int

    @property
    def name(self) -> str:
        """What its directory is called."""
        return f"{self.variant}-{trial_label(self.budget)}-{self.seed}"


def trial_label(budget: BudgetSection | None) -> str:
    """``600cpu``, ``200000ex``, both, or ``asis`` without a budget."""
    if budget is None:
        return "asis"
    parts = (budget.cpu_seconds and f"{budget.cpu_seconds:g}cpu", budget.examples and f"{budget.examples}ex")
    return "-".join(part for part in parts if part) or "asis"


def trial_recipe(comparison: Comparison, cell: Trial) -> Recipe:
    """The whole recipe of a cell's run; resolving it needs no model."""
    variant, base = comparison.named[cell.variant], copy.deepcopy(comparison.base)
    usual = base.get("strategy", Recipe.model_fields["strategy"].default)
    if variant.strategy not in (None, usual):
        base.pop("options", None)  # they belong to the base's strategy
    above: dict[str, Any] = {**variant.keys, "seed": cell.seed, "output": str(trial_directory(comparison, cell))}
    above["budget"] = cell.budget.model_dump() if cell.budget else {}
    needed = comparison.needed(cell)
    if cell.variant == DENSE_CONTINUED:
        above["plan"] = str(comparison.directory / UNCUT)
    elif needed is not None:
        above["plan"] = str(sidecar_path(comparison, needed, "plan.json"))
        if variant.from_scratch is not None:
            above["recovery"] = {**above.get("recovery", {}), "weights": "random"}
    if above.get("plan") is not None:
        above["target"] = {"speedup": None}  # a plan says itself what stays
    recipe = resolve(over(base, above))
    if recipe.teacher.steps:  # every cell has a dense model of its own
        return recipe
    answers = {"dense_predictions": str(comparison.directory / ANSWERS)}
    return recipe.model_copy(update={"measure": recipe.measure.model_copy(update=answers)})


def trial_directory(comparison: Comparison, cell: Trial) -> Path:
    """The directory of a cell's run."""
    return comparison.directory / "cells" / cell.name


def sidecar_path(comparison: Comparison, cell: Trial, kind: str) -> Path:
    """A file of a cell that lies beside its directory. Example: the ``plan.json`` that cells of its shape read."""
    place = trial_directory(comparison, cell)
    return place.with_name(f"{place.name}.{kind}")
