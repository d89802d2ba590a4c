"""What a run's log says about its trainings: the losses and the sparsities, step by step."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Entry = Mapping[str, Any]
"""A line of ``log.jsonl``. Example: ``{"phase": "learn", "step": 20, "loss": 0.31, "encoder_sparsity": 0.12}``."""


@dataclass
class Training:
    """One training of a run: the phase that it belongs to and what was logged, each step once."""

    phase: str
    entries: list[Entry] = field(default_factory=list)
    ended: bool = False

    @property
    def steps(self) -> int:
        """How many steps it had, as far as is known."""
        return int(self.entries[-1]["step"]) if self.entries else 0

    def add(self, entry: Entry) -> None:
        """The next line of the log; one that goes back is a resumed run's, and stands for what it repeats."""
        if "train_runtime" in entry:
            self.ended = True
            return
        while self.entries and self.entries[-1]["step"] >= entry["step"]:
            self.entries.pop()
        self.entries.append(entry)

    def points(self, name: str) -> list[tuple[float, float]]:
        """The steps at which a figure was logged, and the figure."""
        return [(entry["step"], entry[name]) for entry in self.entries if _finite(entry.get(name))]


def trainings(journal: Path) -> list[Training]:
    """The trainings in a ``log.jsonl``, in their order; none where there is no such file."""
    found: list[Training] = []
    for entry in _entries(journal):
        if not found or found[-1].ended or found[-1].phase != entry["phase"]:
            found.append(Training(entry["phase"]))
        found[-1].add(entry)
    return [training for training in found if training.entries]


def phases(journal: Path) -> set[str]:
    """The phases of a run that trained anything, however little."""
    return {entry["phase"] for entry in _entries(journal)}


def _entries(journal: Path) -> Iterator[Entry]:
    """The lines that are whole, of a log that is there; a run that was killed may have left half of one."""
    for line in journal.read_text(encoding="utf-8").split("\n") if journal.is_file() else ():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and isinstance(entry.get("phase"), str) and _finite(entry.get("step")):
            yield entry


def _finite(value: Any) -> bool:
    """Whether this is a number that can be drawn; a loss that ran away cannot."""
    return isinstance(value, int | float) and value - value == 0
