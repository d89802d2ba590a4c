"""Which model of a front to take: decided on dev rows, and told on test rows, which had no part in it."""

from collections.abc import Sequence
from dataclasses import dataclass

from prunekit.errors import PrunekitError
from prunekit.front.figures import FrontModel, Selection


@dataclass(frozen=True)
class Aim:
    """What is asked of a model: to keep a share of the dense model's quality, or to be so many times as fast.

    Raises `PrunekitError` for both at once, and for what cannot be.
    """

    keep: float | None = None
    speedup: float | None = None

    def __post_init__(self) -> None:
        if self.keep is not None and self.speedup is not None:
            raise PrunekitError(
                "--keep names the fastest model that is good enough, --target-speedup the best that is fast enough; "
                "give one of them."
            )
        if self.keep is not None and not 0 < self.keep <= 2:
            raise PrunekitError(f"--keep takes a share of the dense model's quality such as 0.98, not {self.keep:g}.")
        if self.speedup is not None and not self.speedup > 0:
            raise PrunekitError(f"--target-speedup takes a factor such as 3, not {self.speedup:g}.")


def select_model(models: Sequence[FrontModel], aim: Aim) -> Selection | None:
    """The fastest of the models whose dev score keeps the share, or of those fast enough the best; None without an aim.

    Where none is good or fast enough, the one that keeps most, or the fastest.
    """
    if aim.keep is not None:
        good = [model for model in models if _kept(model) >= aim.keep]
        best = max(good, key=lambda model: model.speedup) if good else max(models, key=_kept)
        return Selection(model=best.name, met=bool(good), keep=aim.keep)
    if aim.speedup is not None:
        fast = [model for model in models if model.speedup >= aim.speedup]
        best = max(fast, key=_kept) if fast else max(models, key=lambda model: model.speedup)
        return Selection(model=best.name, met=bool(fast), speedup=aim.speedup)
    return None


def _kept(model: FrontModel) -> float:
    """The share of the dense model's quality on dev rows; less than any where it is unknown."""
    return float("-inf") if model.dev.kept is None else model.dev.kept
