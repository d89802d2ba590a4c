"""The sparsity target over the steps of a training."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SparsitySchedule:
    """Rises linearly from 0 to `target` within `warmup` steps, then stays constant.

    Example: target 0.3 with 100 steps of warm-up is 0.15 at step 50 and 0.3 from step 100 on. Without warm-up the whole
    target applies from the start.
    """

    target: float
    warmup: int = 0

    def at(self, step: int) -> float:
        """The target at an optimizer step, counted from 0."""
        return self.target if step >= self.warmup else self.target * step / self.warmup
