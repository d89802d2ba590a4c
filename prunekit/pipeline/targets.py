"""Targets that the teacher writes: what the dense model answers to the training rows, before anything is cut."""

import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from datasets import Dataset, concatenate_datasets

from prunekit._support.atomic import write_text
from prunekit._support.progress import StageProgress
from prunekit.data.encoded import EncodedDataset
from prunekit.data.processors import Processor
from prunekit.data.table import are_labelled, labelled, with_targets
from prunekit.errors import PrunekitError
from prunekit.learn.training.context import TrainingContext
from prunekit.measure.answer_filter import all_drop_reasons, count_reasons
from prunekit.measure.answer_log import AnswerLog, WrittenAnswer
from prunekit.measure.written_answers import write_answers
from prunekit.pipeline.evaluation import take_first
from prunekit.pipeline.state import RunState, encode_data
from prunekit.report.data_section import TargetsSection

log = logging.getLogger(__name__)

FILE = "targets.jsonl"
"""The file in a run directory with what the teacher wrote, the dropped answers among it."""


MUCH = 0.5
"""A share of the budget that is worth a warning if the answers alone took it."""


def write_targets(state: RunState) -> RunState:
    """Let the teacher write the targets of the training rows, if the recipe asks for it; the run then trains on them.

    The answers of a process that was killed are read back. Raises `PrunekitError` where no row is left to train on.
    """
    recovery = state.recipe.recovery
    if recovery.targets == "labels":
        return state
    answers, sizes = _written(state)
    task = state.dense.task
    reasons = all_drop_reasons(task, answers, recovery.filter, sizes)
    train = taught_table(task.train, answers, reasons, recovery.targets == "both")
    section = _told(state, reasons)
    if not len(train):
        raise PrunekitError(
            f"Of the teacher's {len(answers):,} answers none is left to train on ({section.spelled}); loosen "
            "recovery.filter, or give a teacher that can do the task."
        )
    write_text(state.directory.path / FILE, _lines(task.train, answers, reasons))
    return _training_on(state, train, section)


def _written(state: RunState) -> tuple[list[WrittenAnswer], list[float]]:
    """The teacher's answers to all training rows, and the sizes of their sources; the budget is charged for them."""
    context = state.dense
    state.directory.claim()
    answers = AnswerLog(state.directory.work / "answers.jsonl")
    scored = state.recipe.recovery.filter.least_score is not None
    with state.budget.running():
        encoded = context.processor.encode(context.task.train)
        tell = _saving(state)
        batch = state.recipe.measure.batch
        model = context.model
        found = write_answers(model, context.processor, encoded, context.generation, answers, batch, scored, tell)
    _warn_of_cost(state, len(found))
    return found, source_sizes(encoded, context.processor)


def _warn_of_cost(state: RunState, answers: int) -> None:
    """Say so where writing took much of a budget in seconds: nothing else has been charged to it yet."""
    limit = state.recipe.budget.cpu_seconds
    spent = state.budget.seconds
    if limit is not None and spent > MUCH * limit:
        log.warning(
            f"Writing {answers:,} answers took {spent:.1f} s, and budget.cpu_seconds is {limit:g}: little is left to "
            "train. Raise it, read fewer rows (task.limit), or write the answers once with prunekit label."
        )


def _saving(state: RunState) -> StageProgress:
    """The progress of the stage, which also keeps what was spent so far."""
    tell = state.listener("targets")

    def told(done: int, total: int) -> None:
        state.budget.save()
        if tell is not None:
            tell(done, total)

    return told


def _told(state: RunState, reasons: Sequence[Sequence[str]]) -> TargetsSection:
    flags = are_labelled(state.dense.task.train)
    section = TargetsSection(
        by=state.recipe.recovery.targets,
        rows=len(flags),
        labelled=sum(flags),
        used=sum(not each for each in reasons),
        dropped=count_reasons(reasons),
    )
    log.info("Training targets: %s.", section.spelled)
    return section


def _training_on(state: RunState, train: Dataset, section: TargetsSection) -> RunState:
    """The state whose training rows are these."""
    dense = replace(state.dense, task=replace(state.dense.task, train=train))
    pruned = replace(state.pruned, task=dense.task)
    data = encode_data(pruned, state.recipe, state.directory, state.progress, state.budget)
    found = None if state.found is None else state.found.model_copy(update={"targets": section})
    return replace(state, dense=dense, pruned=pruned, data=data, found=found)


def taught_table(
    train: Dataset, answers: Sequence[WrittenAnswer], reasons: Sequence[Sequence[str]], with_labels: bool
) -> Dataset:
    """The training rows with the answers that no reason drops; before them, if asked for, those that have a label."""
    kept = [number for number, each in enumerate(reasons) if not each]
    written = with_targets(train.select(kept), [answers[number].text for number in kept])
    return concatenate_datasets([labelled(train), written]) if with_labels else written


def source_sizes(encoded: EncodedDataset, processor: Processor) -> list[float]:
    """The tokens of every source, as cut; of recordings the seconds."""
    rate = getattr(processor, "rate", 1)
    return [length / rate for length in encoded.lengths]


def answer_columns(answer: WrittenAnswer, reasons: Sequence[str]) -> dict[str, Any]:
    """What a file says of an answer beside its text: score (if computed), tokens, ended, and why it was dropped."""
    score = {} if answer.score is None else {"score": answer.score}
    dropped = {"dropped": list(reasons)} if reasons else {}
    return {**score, "tokens": answer.tokens, "ended": answer.ended, **dropped}


def _lines(train: Dataset, answers: Sequence[WrittenAnswer], reasons: Sequence[Sequence[str]]) -> str:
    """One JSON object a training row: source, target, what `answer_columns` has, and the row's own label."""
    rows = zip(train["source"][:], train["references"][:], answers, reasons, strict=True)
    lines = []
    for source, right, answer, why in rows:
        own = {"label": right[0]} if right else {}
        row = {"source": source, "target": answer.text, **answer_columns(answer, why), **own}
        lines.append(json.dumps(row, ensure_ascii=False) + "\n")
    return "".join(lines)


def expected_training(state: RunState) -> EncodedDataset:
    """The training rows before the teacher has written their targets: those of the dev rows stand for them, in turn."""
    rows = state.data.training.train
    dev = state.data.training.dev.labels
    if state.recipe.recovery.targets == "labels":
        return rows
    labels = [dev[number % len(dev)] for number in range(len(rows))]
    return EncodedDataset(rows.sources, rows.lengths, labels, rows.source_side, rows.target_side, rows.askings)


def expected_examples(state: RunState) -> int:
    """How many examples an epoch will have, if no answer is dropped."""
    train = state.dense.task.train
    return len(train) + (len(labelled(train)) if state.recipe.recovery.targets == "both" else 0)


def share_to_write(state: RunState) -> float:
    """How many answers the teacher is to write beside those of a budget in seconds, over those to the test rows."""
    recipe = state.recipe
    if recipe.recovery.targets == "labels" or recipe.budget.cpu_seconds is not None:
        return 0.0
    task = state.dense.task
    return len(task.train) / len(take_first(task.test, recipe.measure.eval_examples))


def labelled_training(state: RunState) -> TrainingContext:
    """What the teacher's own phase trains on: the rows that have a label; raises `PrunekitError` where none has."""
    task = state.dense.task
    known = labelled(task.train)
    if known is task.train:
        return state.data.training
    if not len(known):
        raise PrunekitError(
            "The teacher is to be trained first (teacher.steps), but no training row has a label; leave teacher.steps "
            "out, or add rows with labels."
        )
    return replace(state.data.training, train=state.dense.processor.encode(known))
