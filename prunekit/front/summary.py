"""Puts the figures of a front together, from the reports of its runs and what was measured beside them."""

from collections.abc import Mapping, Sequence
from typing import Any

from prunekit.errors import PrunekitError
from prunekit.front.figures import Front, FrontModel, IntervalScore, reported_score
from prunekit.front.measuring import Measured
from prunekit.front.selection import Aim, select_model
from prunekit.latency.timing import Speed
from prunekit.pipeline.start import Start
from prunekit.recipe import Recipe
from prunekit.report.report import Report
from prunekit.report.sections import QualitySection


def front_of(recipe: Recipe, runs: Mapping[str, Start], dense: Any, measured: Measured, aim: Aim) -> Front:
    """The front of these runs, with the model that `aim` asks for; `dense` holds the dense model's own figures."""
    models = [_pruned(name, start.report, measured) for name, start in runs.items()]
    report = next(iter(runs.values())).report
    quality = _quality(report)
    return Front(
        adapter=report.adapter,
        strategy=recipe.strategy,
        task=report.task,
        seed=recipe.seed,
        metric=quality.metric,
        higher_is_better=quality.higher_is_better,
        amount=quality.metric in quality.amounts,
        confirmed=dense["confirmed"],
        dense=_dense(report, IntervalScore.model_validate(dense["dev"]), models[0].speeds),
        models=models,
        environment=measured.environment,
        selection=select_model(models, aim),
    )


def _pruned(name: str, report: Report, measured: Measured) -> FrontModel:
    return FrontModel(
        name=name,
        decoder_layers=len(report.layers.decoder_kept),
        encoder_sparsity=report.sparsity.encoder,
        dev=measured.dev[name],
        test=reported_score(_quality(report), "pruned"),
        speeds=list(measured.speeds[name]),
        parameters=report.parameters.pruned,
        cost=report.spent.in_all,
    )


def _dense(report: Report, dev: IntervalScore, speeds: Sequence[Speed]) -> FrontModel:
    return FrontModel(
        name="dense",
        decoder_layers=report.layers.decoder_dense,
        encoder_sparsity=0.0,
        dev=dev,
        test=reported_score(_quality(report), "dense"),
        speeds=[Speed(workload=speed.workload, speedup=1.0, wall_speedup=1.0) for speed in speeds],
        parameters=report.parameters.dense,
    )


def _quality(report: Report) -> QualitySection:
    if report.quality is None:
        raise PrunekitError("A run of the front has no test rows in its report; give some with --test.")
    return report.quality
