"""A model labels the rows of a file: its answers beside the rows' own columns, filtered, in a new file of rows."""

import hashlib
import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import PreTrainedModel

from prunekit._support.atomic import atomic_write
from prunekit._support.progress import Progress, counting
from prunekit.data.encoded import EncodedDataset
from prunekit.data.row_files import MalformedRow, read_rows
from prunekit.data.tasks import for_labelling
from prunekit.errors import PrunekitError
from prunekit.loading.context import RunContext, open_run_context
from prunekit.measure.answer_filter import all_drop_reasons
from prunekit.measure.answer_log import AnswerLog, WrittenAnswer
from prunekit.measure.written_answers import write_answers
from prunekit.pipeline.targets import answer_columns, source_sizes
from prunekit.pipeline.work_directory import WorkDirectory
from prunekit.recipe import Recipe, TaskSection

log = logging.getLogger(__name__)

OWN_LABEL = "label"
"""The column that keeps the label which a row had before."""

COLUMNS = ("score", "tokens", "ended", "dropped", OWN_LABEL)
"""The columns that are written beside the answer."""


@dataclass(frozen=True)
class Labelling:
    """What a labelling came to: for each row that was read its number in the file, and why its answer was dropped."""

    numbers: tuple[int, ...]
    reasons: tuple[tuple[str, ...], ...]
    skipped: int

    @property
    def kept(self) -> int:
        """How many rows were labelled."""
        return sum(not each for each in self.reasons)

    def dropped(self) -> dict[str, list[int]]:
        """The numbers of the dropped rows by reason, the most frequent first; a row may have several."""
        found: dict[str, list[int]] = {}
        for number, each in zip(self.numbers, self.reasons, strict=True):
            for reason in each:
                found.setdefault(reason, []).append(number)
        return dict(sorted(found.items(), key=lambda pair: -len(pair[1])))


def dropped_path(output: Path) -> Path:
    """The file of the dropped rows. Example: ``labels.dropped.jsonl`` for ``labels.jsonl``."""
    return output.with_name(f"{output.stem}.dropped{output.suffix}")


def label_file(recipe: Recipe, output: Path, progress: Progress | None = None) -> Labelling:
    """Let the recipe's model answer the rows of ``task.train``, and write them with their answers to `output`.

    Rows whose answers are dropped stand in `dropped_path`, with the reasons. Killed at any moment, the same call goes
    on where it stopped, and both files are in the end those of an undisturbed one. Raises `PrunekitError` for an output
    that exists, and for whatever cannot be read.
    """
    work = WorkDirectory(output, dropped_path(output))
    work.check()
    _check_columns(recipe.task)
    context = open_run_context(recipe, for_labelling)
    rows = context.task.train
    encoded = context.processor.encode(rows)
    _warn_of_cuts(encoded)
    with work.in_use(_asked(recipe, context)):
        answers = _answers(recipe, context, encoded, work, progress)
        sizes = source_sizes(encoded, context.processor)
        reasons = all_drop_reasons(context.task, answers, recipe.recovery.filter, sizes)
        _write(recipe.task, context.task.modality == "audio", rows, answers, reasons, output)
    return Labelling(tuple(rows["number"][:]), tuple(reasons), context.task.skipped.get("train", 0))


def _answers(
    recipe: Recipe, context: RunContext, encoded: EncodedDataset, work: WorkDirectory, progress: Progress | None
) -> list[WrittenAnswer]:
    tell = counting(progress, "answers")
    answers = AnswerLog(work.path / "answers.jsonl")
    batch = recipe.measure.batch
    return write_answers(context.model, context.processor, encoded, context.generation, answers, batch, progress=tell)


def _check_columns(section: TaskSection) -> None:
    """Raise `PrunekitError` where the first row has a column that is to be written, or holds its recording itself."""
    rows = read_rows(str(section.train), ("train",), section.streaming)
    row = next((each for each in rows if not isinstance(each, MalformedRow)), {})
    if section.target in COLUMNS:
        raise PrunekitError(
            f"The answers cannot be written to the column {section.target!r}, which has a meaning of its own beside "
            "them; rename that column, and name another with --target (task.target)."
        )
    taken = [name for name in COLUMNS if name in row]
    if taken:
        raise PrunekitError(
            f"{section.train!r} has the column {taken[0]!r}, which is written for every answer; rename or remove it."
        )
    if row.get(f"{section.source}.bytes") or row.get(f"{section.source}.array"):
        raise PrunekitError(
            f"{section.train!r} holds the recordings themselves, and rows with labels name files; write them as files, "
            "or let the run's own teacher label them (recovery.targets=teacher)."
        )


def _warn_of_cuts(encoded: EncodedDataset) -> None:
    side = encoded.source_side
    if side.cut:
        log.warning(f"{side.cut:,} of {len(encoded):,} sources are cut to task.source_length ({side.limit} tokens).")


def _asked(recipe: Recipe, context: RunContext) -> str:
    """What the answers depend on, in one text: settings, rows and weights. The filter may change meanwhile."""
    keys = recipe.model_dump(mode="json", include={"task", "generation", "dtype"})
    digest = hashlib.blake2b(digest_size=16)
    rows = context.task.train
    for column in sorted({*rows.column_names} - {"target", "references", "recording"}):
        digest.update(json.dumps(rows[column][:]).encode())
    return json.dumps({**keys, "batch": recipe.measure.batch, "rows": digest.hexdigest(), **_weights(context.model)})


def _weights(model: PreTrainedModel) -> dict[str, str]:
    digest = hashlib.blake2b(digest_size=16)
    for name, values in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(values.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return {"weights": digest.hexdigest()}


def _write(
    section: TaskSection,
    audio: bool,
    rows: Dataset,
    answers: Sequence[WrittenAnswer],
    reasons: Sequence[Sequence[str]],
    output: Path,
) -> None:
    """Write both files, that of the dropped rows first, and only if there are any."""
    recordings = rows["source"][:] if audio else [None] * len(rows)

    def some(with_reasons: bool) -> Iterator[dict[str, Any]]:
        own = _own_rows(section, rows["number"][:])
        for row, recording, answer, why in zip(own, recordings, answers, reasons, strict=True):
            if bool(why) == with_reasons:
                yield _labelled_row(section, row, recording, answer, why, output.parent)

    dropped_path(output).unlink(missing_ok=True)  # by the limits of a labelling that was killed
    if any(reasons):
        _write_jsonl(dropped_path(output), some(True))
    _write_jsonl(output, some(False))


def _write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    with atomic_write(path) as draft, draft.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows)


def _own_rows(section: TaskSection, numbers: Sequence[int]) -> Iterator[Mapping[str, Any]]:
    """The columns of the rows with these numbers, which ascend, as they stand in the file."""
    rows = enumerate(islice(read_rows(str(section.train), ("train",), section.streaming), section.limit), 1)
    wanted = iter(numbers)
    number = next(wanted, None)
    for at, row in rows:
        if at == number:
            assert not isinstance(row, MalformedRow)
            yield row
            number = next(wanted, None)


def _labelled_row(
    section: TaskSection,
    row: Mapping[str, Any],
    recording: str | None,
    answer: WrittenAnswer,
    reasons: Sequence[str],
    folder: Path,
) -> dict[str, Any]:
    """A row's own columns, with its recording by the path from `folder`, and with the answer as its target."""
    source = str(section.source)
    target = str(section.target)
    full = {name: value for name, value in row.items() if not isinstance(value, bytes)}
    if recording is not None:
        full = {name: value for name, value in full.items() if not name.startswith(f"{source}.")}
        full[source] = os.path.relpath(recording, folder)
    own = {OWN_LABEL: row[target]} if row.get(target) else {}
    return {**full, target: answer.text, **answer_columns(answer, reasons), **own}
