"""The line that every run follows, from recipe to report."""

import copy

from transformers import PreTrainedModel

from prunekit._support.atomic import write_text
from prunekit._support.progress import Progress
from prunekit.cut import checkpoint
from prunekit.cut.surgery import cut
from prunekit.find.adapter import Adapter
from prunekit.find.graph import discover
from prunekit.find.plan import PruningPlan
from prunekit.loading.context import open_run_context, open_strategy
from prunekit.loading.pretrained import original_of
from prunekit.loading.resolve import resolve
from prunekit.pipeline.evaluation import evaluate_run, report_on
from prunekit.pipeline.run_directory import RunDirectory
from prunekit.pipeline.stages import Line
from prunekit.pipeline.target import resolve_target
from prunekit.recipe import Recipe
from prunekit.report.model_card import card
from prunekit.report.report import Report


def run(recipe: Recipe, progress: Progress | None = None) -> Report:
    """Prune as `recipe` says and write the result into its output directory.

    Leaves ``recipe.yaml``, ``plan.json``, ``model/``, ``report.json``, ``report.html``, ``predictions.jsonl`` and
    ``log.jsonl`` there; a budget stands in that recipe as the steps of recovery that it came to, so that repeating it
    repeats the run. Raises `PrunekitError` for anything that cannot work, before the directory is touched where that
    can be known.
    """
    recipe = resolve(recipe.model_dump(exclude_unset=True))
    place = RunDirectory(recipe)
    place.check()
    with place.stage("find"):
        strategy = None if recipe.plan else open_strategy(recipe)
        context = open_run_context(recipe)
        if (aim := resolve_target(recipe, context, strategy, place, progress)) is not None:
            recipe = aim.recipe
            strategy = open_strategy(recipe)
        line = Line(recipe, context, strategy, place, progress)
        line.check()
    with place.stage("learn"):
        line.teach()
    with place.stage("cut"):
        line.thin()
    with place.stage("learn"):
        upfront = line.upfront()
    with place.stage("cut"):
        line.cut(upfront)
    with place.stage("learn"):
        learned = line.learn()
    place.open()
    with place.stage("cut"):
        line.cut(learned)
    with place.stage("recover"):
        line.recover()
    with place.stage("measure"):
        verdict = evaluate_run(line.dense, line.model, line.context, line.live, recipe, line.listener)
    report = report_on(verdict, line.context, line.recipe, line.done, line.equivalence, place.seconds(), line.ledger)
    if aim is not None:
        report = aim.told(report, line.done)
    write_text(place.directory / "plan.json", line.done.to_json())
    text = card(report, *checkpoint.opener(line.model))
    checkpoint.save(line.model, place.directory / "model", line.live.processor, text)
    verdict.predictions.write(place.directory / "predictions.jsonl")
    report.write(place.directory)
    place.close(line.recipe)
    return report


def prune(model: PreTrainedModel, plan: PruningPlan, adapter: Adapter) -> PreTrainedModel:
    """Cut `model` to `plan` in place and return it: surgery alone, without training, data or files.

    `adapter` describes the architecture. Example: ``prune(model, PruningPlan({"decoder.layers": (0, 11)}), T5())``.
    """
    original = original_of(model, adapter)
    config = copy.deepcopy(original.config)
    return cut(model, plan, adapter, discover(adapter, config, original), config, checkpoint.plan_of(model))
