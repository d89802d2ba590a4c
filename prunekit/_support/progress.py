"""How far work has come: the functions that long work calls, so that a command can draw a bar."""

from collections.abc import Callable, Mapping

Progress = Callable[[str, int, int, Mapping[str, float]], None]
"""Called with the stage, how much of it is done, of how much, and the latest figures."""

StageProgress = Callable[[int, int], None]
"""Called with how much of one stage is done, and of how much."""


def counting(progress: Progress | None, stage: str) -> StageProgress | None:
    """The progress of one stage that has no figures to show; None where nobody listens."""
    return None if progress is None else lambda done, total: progress(stage, done, total, {})
