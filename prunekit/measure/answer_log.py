"""Answers that a model writes to rows, kept in a file batch by batch, so that a killed process loses one at most."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class WrittenAnswer:
    """A model's answer to one row. Example: ``WrittenAnswer("S P IY D", True, 8, -0.02)``.

    `ended` says whether the model ended it by itself. `tokens` are those of the text as a target, with its end and
    without what stands before every answer (languages, prompts, a start). `score` is the mean log-probability of these
    tokens in nats, teacher-forced; None where it was not computed.
    """

    text: str
    ended: bool
    tokens: int
    score: float | None = None


class AnswerLog:
    """A file of JSON lines, each with the answers of a whole batch by their rows' numbers from 0.

    Example: a process that is killed in its seventh batch leaves six lines and perhaps half of another, which `load`
    takes off. Floats are read back bit by bit. The directory must exist, and belong to this process.
    """

    def __init__(self, path: Path):
        self.path = path

    def load(self) -> dict[int, WrittenAnswer]:
        """The answers so far; what was only half written is removed."""
        if not self.path.exists():
            return {}
        found: dict[int, WrittenAnswer] = {}
        whole = 0
        with self.path.open("rb") as file:
            for line in file:
                batch = _parsed(line)
                if batch is None:
                    break
                found.update(batch)
                whole += len(line)
        os.truncate(self.path, whole)
        return found

    def add(self, batch: Mapping[int, WrittenAnswer]) -> None:
        """Append the answers of a batch."""
        line = json.dumps({number: asdict(answer) for number, answer in batch.items()}, ensure_ascii=False)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def _parsed(line: bytes) -> dict[int, WrittenAnswer] | None:
    """The batch of a line; None for one that was not written to its end."""
    if not line.endswith(b"\n"):
        return None
    try:
        return {int(number): WrittenAnswer(**answer) for number, answer in json.loads(line).items()}
    except (ValueError, TypeError, AttributeError):  # a crash of the whole machine leaves blocks of zeros
        return None
