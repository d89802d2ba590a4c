"""Progress of a run: one bar per stage in a terminal, and ten lines per stage elsewhere."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column

from prunekit.commands.console import ERR

HIDDEN = ("epoch", "grad_norm", "learning_rate", "step", "total_flos")
LINES_PER_STAGE = 10
"""Where the output is no terminal."""


def figures_text(figures: Mapping[str, float]) -> str:
    """``loss 0.432  encoder_sparsity 0.281``"""
    shown = {name: value for name, value in figures.items() if name not in HIDDEN and not name.startswith("train_")}
    return "  ".join(f"{name} {value:.3f}" for name, value in shown.items() if isinstance(value, int | float))


class Display:
    """A context manager, called with a stage, the number of steps done, their total, and the latest figures.

    Example: ``learn ━━━━━━━━ 500/1500 0:01:22 loss 0.432  encoder_sparsity 0.281``, with the remaining time.
    """

    def __init__(self) -> None:
        self.bars = Progress(
            TextColumn("{task.description:<13}"),
            BarColumn(bar_width=16),
            MofNCompleteColumn(),
            TimeRemainingColumn(elapsed_when_finished=True),
            TextColumn("[dim]{task.fields[figures]}", table_column=Column(ratio=1, no_wrap=True)),
            console=ERR,
            expand=True,
        )
        self.stages: dict[str, TaskID] = {}
        self.printed: dict[str, int] = {}

    def __enter__(self) -> "Display":
        _hide_bars_except_downloads()
        if ERR.is_terminal:
            self.bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if ERR.is_terminal:
            self.bars.stop()

    def __call__(self, stage: str, done: int, total: int, figures: Mapping[str, float]) -> None:
        """Advance the stage's bar, or print a line after each further tenth."""
        text = figures_text(figures)
        if ERR.is_terminal:
            if stage not in self.stages:
                self.stages[stage] = self.bars.add_task(stage, figures=text)
            self.bars.update(self.stages[stage], completed=done, total=total, figures=text)
            return
        tenth = done * LINES_PER_STAGE // max(total, 1)
        if tenth != self.printed.get(stage, -1):
            self.printed[stage] = tenth
            ERR.print(f"{stage}: {done}/{total}  {text}".rstrip(), soft_wrap=True, markup=False)


def _hide_bars_except_downloads() -> None:
    """Hide the bars of transformers for weights and shards; it hides those for downloads too, so show these again."""
    from huggingface_hub.utils.tqdm import enable_progress_bars
    from transformers.utils import logging

    bars: Any = logging
    bars.disable_progress_bar()
    enable_progress_bars()
