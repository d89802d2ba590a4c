"""The table of a front: column names and cells, the same in the terminal, in Markdown and on the page."""

from collections.abc import Iterator

from prunekit.compare.tables import workload_label
from prunekit.front.figures import Front, FrontModel, IntervalScore
from prunekit.report.formatting import count, factor, figure, percent


def front_columns(found: Front) -> list[str]:
    """The names of the columns; dev rows decide, test rows confirm."""
    speeds = [f"speed, {workload_label(speed.workload)}" for speed in found.dense.speeds]
    test = "test" if found.confirmed else "again"
    return [
        "model",
        f"{found.metric}, dev",
        "kept",
        test,
        "kept",
        *speeds,
        "parameters",
        f"{clock_name(found)}-seconds",
    ]


def front_values(found: Front) -> Iterator[list[str]]:
    """The cells of the table, the dense model first; seconds are all that were spent up to a model."""
    for model in (found.dense, *found.models):
        yield [
            model_label(found, model),
            figure(model.dev.score, found.amount),
            kept_text(model.dev),
            figure(model.test.score, found.amount),
            kept_text(model.test),
            *(factor(speed.speedup, speed.error) for speed in model.speeds),
            count(model.parameters),
            count(round(model.cost.cpu_seconds)),
        ]


def model_label(found: Front, model: FrontModel) -> str:
    """A model's name, with what was removed of the encoder, and whether it is the one to take."""
    notes = [f"encoder -{model.encoder_sparsity:.0%}"] if model.encoder_sparsity else []
    notes += ["take this"] if found.selection and found.selection.met and found.selected == model else []
    return f"{model.name} ({', '.join(notes)})" if notes else model.name


def kept_text(score: IntervalScore) -> str:
    """``98.4%``; empty where it cannot be told."""
    return "" if score.kept is None else percent(score.kept)


def clock_name(found: Front) -> str:
    """What counted the seconds: ``CPU``, or ``GPU`` for other devices by the clock on the wall."""
    return "CPU" if found.models[0].cost.device == "cpu" else "GPU"
