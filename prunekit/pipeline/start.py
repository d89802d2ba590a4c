"""The run that another one starts from: its pruned model, which is pruned on; dense model and task are the same."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from prunekit.cut.checkpoint import plan_in, plan_of
from prunekit.cut.token_ids import vocabulary_group
from prunekit.errors import PrunekitError
from prunekit.find.plan import PruningPlan
from prunekit.loading.context import RunContext
from prunekit.loading.pretrained import open_config, open_model
from prunekit.loading.task import model_of
from prunekit.pipeline.run_directory import is_complete_run
from prunekit.recipe import Recipe, VocabularySection
from prunekit.report.report import Report

FREE = frozenset(("train", "limit", "skip", "streaming", "source_length", "target_length"))
"""Keys of the task that may differ from those of the run that is started from: its training rows may be others."""


@dataclass(frozen=True)
class Start:
    """A finished run in a directory: which units its model kept, in the original's numbers, and what it reported.

    Example: ``outputs/six`` kept six of twelve decoder layers; a run that starts there and keeps three removes three.
    """

    path: Path
    plan: PruningPlan
    report: Report

    def open_model(self, context: RunContext, recipe: Recipe) -> PreTrainedModel:
        """The run's model, as `recipe` asks for it, on the device of `context`."""
        directory = self.path / "model"
        config = open_config(directory, recipe.trust_remote_code)
        dtype = getattr(torch, recipe.dtype)
        return open_model(directory, config, context.adapter, dtype, context.device, recipe.trust_remote_code)

    def add_cost(self, report: Report) -> Report:
        """The report of the run that started here, with what had been spent before."""
        return report.model_copy(update={"spent": report.spent.model_copy(update={"before": self.report.spent})})


def open_start(recipe: Recipe, context: RunContext) -> Start | None:
    """The run that `recipe` starts from, if it does; `context` is that of its dense model.

    Raises `PrunekitError` where there is no finished run, or one on another dense model, on another task, or with
    tokens that this one would not keep.
    """
    if recipe.start is None:
        return None
    start = read_start(Path(recipe.start))
    earlier = Recipe.load(start.path / "recipe.yaml")
    _check_dense(recipe, earlier, start, context)
    _check_task(recipe, earlier, start)
    _check_tokens(recipe, earlier, start, context)
    if recipe.target.speedup is not None:
        raise PrunekitError(
            "A run that starts from another one cannot aim at a speed (target.speedup), which is found on the dense "
            "model; say what to keep, with the strategy's options, or leave out start."
        )
    return start


def read_start(path: Path) -> Start:
    """The finished run in a directory; raises `PrunekitError` where there is none, or its files do not agree."""
    files = ("recipe.yaml", "plan.json", "report.json", "model/config.json")
    missing = [name for name in files if not (path / name).is_file()]
    if missing or not is_complete_run(path):
        why = f"it has no {missing[0]}" if missing else "the run there is not finished"
        raise PrunekitError(
            f"No run can start from {str(path)!r} (start): {why}; give the directory of a finished run, with its model."
        )
    plan = PruningPlan.load(path / "plan.json")
    if plan != (plan_in(open_config(path / "model")) or PruningPlan()):
        raise PrunekitError(f"The model in {str(path / 'model')!r} is not the one of the plan.json beside it.")
    return Start(path, plan, Report.load(path / "report.json"))


def _check_dense(recipe: Recipe, earlier: Recipe, start: Start, context: RunContext) -> None:
    if recipe.teacher.steps or earlier.teacher.steps:
        raise PrunekitError(
            "A run whose dense model is trained first (teacher.steps) has a dense model of its own, so it neither "
            "starts from another run nor is started from; fine-tune the model before, and leave teacher.steps out."
        )
    ours = _located(model_of(recipe))
    theirs = _located(model_of(earlier))
    if ours != theirs or start.report.adapter != context.name:
        raise PrunekitError(
            f"The run in {str(start.path)!r} pruned another dense model ({theirs!r}, adapter {start.report.adapter}) "
            f"than this one ({ours!r}, adapter {context.name}); start from a run on the same model."
        )
    before = plan_of(context.model) or PruningPlan()
    start.plan.validate(context.graph.groups)
    if before.then(start.plan) != start.plan:
        raise PrunekitError(
            f"The run in {str(start.path)!r} kept units that the dense model {ours!r} does not have any more; "
            "start from a run on the same model."
        )


def _check_task(recipe: Recipe, earlier: Recipe, start: Start) -> None:
    sections = [recipe.task.model_dump(exclude=set(FREE)), earlier.task.model_dump(exclude=set(FREE))]
    ours, theirs = ({key: _located(value) for key, value in section.items()} for section in sections)
    different = next((key for key in ours if ours[key] != theirs[key]), None)
    if different is not None:
        raise PrunekitError(
            f"The run in {str(start.path)!r} was on another task: its task.{different} is {theirs[different]!r}, this "
            f"one's is {ours[different]!r}; only the training rows, and how long rows may be, can change."
        )


def _check_tokens(recipe: Recipe, earlier: Recipe, start: Start, context: RunContext) -> None:
    if recipe.vocabulary not in (VocabularySection(), earlier.vocabulary):
        raise PrunekitError(
            f"The run in {str(start.path)!r} kept its own choice of tokens, and a run that starts from it keeps the "
            "same; leave out vocabulary, or remove tokens in the first run."
        )
    tokens = vocabulary_group(context.graph.groups)
    given = start.plan.then(PruningPlan.load(recipe.plan) if recipe.plan else PruningPlan())
    if tokens is not None and given.of(tokens) != start.plan.of(tokens):
        raise PrunekitError(
            f"The plan {recipe.plan!r} removes tokens that the run in {str(start.path)!r} kept; remove tokens in "
            "the first run."
        )


def _located(value: Any) -> Any:
    """A file or directory by its whole path, so that it is the same however it is named; anything else as it is."""
    return str(Path(value).resolve()) if isinstance(value, str) and value and Path(value).exists() else value
