"""Speed as the target: search the largest shape that is fast enough when it is cut and timed."""

from collections.abc import Callable, Sequence

from prunekit.errors import PrunekitError
from prunekit.latency.shapes import Shape, Shapes

TRIES = 4
"""How many shapes are cut and timed for one target at most."""

SLACK = 0.02
"""A shape may be this much slower than the target, relatively, since measurements are no more precise than that."""


def search_shape(
    shapes: Shapes, speedup: float, measured: Callable[[Shape], float], sparsities: Sequence[float] | None = None
) -> tuple[Shape, float]:
    """The largest shape that is as fast as that by measurement, and how fast it is.

    The cost model proposes, `measured` says how fast the proposal is, and what the model had overlooked corrects the
    next proposal. Raises `PrunekitError` where even the smallest shape is too slow.
    """
    tried: dict[Shape, float] = {}
    aim = speedup
    while len(tried) < TRIES:
        try:
            shape = shapes.least(aim, sparsities)
        except PrunekitError:
            if not tried:
                raise
            shape = shapes.fastest(sparsities)
        if shape in tried:
            break
        tried[shape] = measured(shape)
        aim = speedup * shape.speedup / tried[shape]
    enough = [shape for shape, found in tried.items() if found >= (1 - SLACK) * speedup]
    if not enough:
        most = max(tried, key=lambda shape: tried[shape])
        raise PrunekitError(shapes.limit(speedup, most, tried[most]))
    shape = max(enough, key=lambda shape: shape.parameters)
    return shape, tried[shape]
