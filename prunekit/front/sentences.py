"""What a front says in sentences: its title, which model to take and why, how to read the table."""

from prunekit.compare.sentences import environment_sentence
from prunekit.front.figures import Front, FrontModel, IntervalScore, Selection
from prunekit.front.tables import clock_name
from prunekit.report.formatting import count, factor, figure, percent, span


def front_title(found: Front) -> str:
    """``The front of nash on g2p (t5)``"""
    task = f" on {found.task}" if found.task else ""
    return f"The front of {found.strategy}{task} ({found.adapter})"


def selection_sentences(found: Front) -> list[str]:
    """Which model to take, as dev rows decide, and what test rows say of it; nothing where none was asked for."""
    model = found.selected
    selection = found.selection
    if model is None or selection is None:
        return []
    cost = f"{count(round(model.cost.cpu_seconds))} {clock_name(found)}-seconds"
    speed = f"{factor(model.speedup, model.speeds[0].error)} the speed"
    return [
        f"{_verb(selection, model)}: {speed}, and on dev {_score(found, model.dev)}. It cost {cost} in all.",
        _confirmation(found, model, selection),
        *_advice(selection, model),
    ]


def _verb(selection: Selection, model: FrontModel) -> str:
    if selection.keep is not None:
        if selection.met:
            return f"{model.name} is the fastest model that keeps {_share(selection.keep)} on dev"
        return f"No model keeps {_share(selection.keep)} on dev; {model.name} keeps most"
    if selection.met:
        return f"{model.name} keeps most of the models that are {selection.speedup:g} times as fast"
    return f"No model is {selection.speedup:g} times as fast; {model.name} is the fastest"


def _confirmation(found: Front, model: FrontModel, selection: Selection) -> str:
    if not found.confirmed:
        return "The test rows are the dev rows, so nothing confirms this; give others with --test."
    short = selection.met and selection.keep is not None and (model.test.kept or 0.0) < selection.keep
    missed = f", which is less than the {_share(selection.keep or 0.0)} asked for" if short else ""
    return f"On test rows, which had no part in that, {_score(found, model.test)}{missed}."


def _advice(selection: Selection, model: FrontModel) -> list[str]:
    """What to do where no model is as asked."""
    if selection.met:
        return []
    if selection.keep is None:
        return [f"Ask for less with --target-speedup, or remove more: the last step kept {_layers(model)}."]
    return ["Give a larger budget, ask for less with --keep, or begin with a step that removes less (--layers)."]


def _layers(model: FrontModel) -> str:
    return "1 decoder layer" if model.decoder_layers == 1 else f"{model.decoder_layers} decoder layers"


def _score(found: Front, score: IntervalScore) -> str:
    """``98.4% kept (64.10%, 95% of resamples 62.9-65.3%)``"""
    interval = "" if score.interval is None else f", 95% of resamples {span(score.interval, found.amount)}"
    kept = "an unknown share" if score.kept is None else percent(score.kept)
    return f"{kept} kept ({found.metric} {figure(score.score, found.amount)}{interval})"


def _share(share: float) -> str:
    """A share as it was asked for: 98%, 97.5%."""
    return f"{100 * share:g}%"


def front_notes(found: Front) -> list[str]:
    """How to read the table, and on which machine speeds were measured."""
    better = "higher" if found.higher_is_better else "lower"
    clock = clock_name(found)
    return [
        f"{found.metric} on {count(found.dense.dev.examples)} dev rows, by which a model is selected, and on "
        f"{count(found.dense.test.examples)} {'test rows' if found.confirmed else 'of the same'}; {better} is better. "
        "Kept: share of the dense model's. Every model starts from the recovered weights of the one above it. Speed: "
        "end-to-end generate, the dense model and all others interleaved in one process, with the standard error. "
        f"{clock}-seconds: all that learning and recovery spent up to a model, with the steps before it; evaluation is "
        "not counted. One seed: what another one would change is not included.",
        f"Speeds measured on {environment_sentence(found.environment)}.",
    ]
