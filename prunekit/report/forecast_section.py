"""What a run will come to, as far as that is known before any work: what is removed, speed, time and disk."""

from collections.abc import Iterator

from prunekit._support.frozen import FrozenModel
from prunekit.recipe import Workload


class ShapeForecast(FrozenModel):
    """How large the pruned model will be. Example: 2 of 8 decoder layers, 1,479,936 of 3,950,336 parameters.

    Which units are kept is learnt later. `speedup` was timed on a copy of that size, on `workload`; both are None where
    nothing was timed.
    """

    encoder_layers: int
    dense_encoder_layers: int
    decoder_layers: int
    dense_decoder_layers: int
    parameters: int
    dense_parameters: int
    workload: Workload | None = None
    speedup: float | None = None

    @property
    def removed(self) -> float:
        """The share of all parameters that is removed."""
        return 1 - self.parameters / max(1, self.dense_parameters)


class ForecastSection(FrozenModel):
    """What a run will come to. `shape` is None where only learning can tell.

    `steps` are training steps in all, None where a budget decides; `seconds` are wall seconds of training and
    evaluation by a few timed steps and answers, None where none were timed. `disk` counts the bytes that a run needs at
    most: the model, and two checkpoints while the second one is written; `free` are those that there are.
    """

    shape: ShapeForecast | None
    steps: int | None
    seconds: float | None
    disk: int
    free: int

    def complaints(self) -> Iterator[str]:
        """What will not suffice, as one sentence."""
        if self.disk > self.free:
            yield (
                f"The run needs up to {self.disk / 1e9:.3f} GB on the disk of its output directory, where "
                f"{self.free / 1e9:.3f} GB are free."
            )
