"""Metrics by the names that recipes use."""

from prunekit.data.metrics.metric import Metric
from prunekit.errors import PrunekitError
from prunekit.plugins import METRICS, load, names


def open_metrics(listed: str | None, language: str | None = None) -> tuple[Metric, ...]:
    """The metrics of a list like ``bleu,chrf``, the headline first, for references in a language.

    Raises `PrunekitError` in one sentence where the list is empty, or a name is unknown, broken or there twice.
    """
    if listed is None:
        raise PrunekitError(f"Say how to score with --metric (task.metric); there are {', '.join(names(METRICS))}.")
    asked = [name.strip() for name in listed.split(",")]
    if len(set(asked)) < len(asked):
        raise PrunekitError(f"The metrics {listed!r} name one of them twice; name each once, the headline first.")
    return tuple(open_metric(name, language) for name in asked)


def open_metric(name: str, language: str | None = None) -> Metric:
    """The metric called `name`, of an installed plugin; raises `PrunekitError` where there is none that works."""
    return load(METRICS, name)(name, language)
