"""What the look before the work found, as rows of text: for the terminal, the page and the model card."""

from collections.abc import Iterator, Mapping

from prunekit.report.data_section import DataSection, DatasetSection, SideSection
from prunekit.report.forecast_section import ForecastSection, ShapeForecast
from prunekit.report.formatting import count, factor, figure, file_size, percent, rough_time

LISTED = 5
"""How many languages are named."""

_Row = tuple[str, ...]


def data_facts(found: DataSection) -> list[_Row]:
    """Rows, lengths, cuts and unknown tokens of every set; the first row names the sets."""
    sets = {name: part for name, part in _sets(found) if part is not None}
    parts = list(sets.values())
    rows: list[_Row] = [("", *sets), ("rows", *(count(part.rows) for part in parts))]
    if any(part.skipped for part in parts):
        rows.append(("  left out", *(count(part.skipped) for part in parts)))
    if any(part.unlabelled for part in parts):
        rows.append(("  without a label", *(count(part.unlabelled) for part in parts)))
    if any(part.looked_at for part in parts):
        rows.append(("  looked at, by chance", *(count(part.looked_at or part.rows) for part in parts)))
    rows += _side_rows("source", [part.sources for part in parts])
    rows += _side_rows("target", [part.targets for part in parts])
    return rows


def asked_facts(found: DataSection) -> list[_Row]:
    """How the model is asked and how well the dense one answers: a fact and a text a row."""
    return list(_asked(found))


def forecast_facts(forecast: ForecastSection) -> list[_Row]:
    """What a run will come to: a fact and a text a row."""
    return list(_expected(forecast))


def _sets(found: DataSection) -> Iterator[tuple[str, DatasetSection | None]]:
    yield "train", found.train
    yield "dev" if found.test is not None else "dev and test", found.dev
    yield "test", found.test


def _side_rows(noun: str, sides: list[SideSection | None]) -> Iterator[_Row]:
    """Lengths, cuts and unknown tokens of one side; nothing for recordings."""
    known = [side for side in sides if side is not None]
    if not known:
        return
    yield f"{noun} tokens: median", *(_cell(side, "median") for side in sides)
    yield "  95% have at most", *(_cell(side, "p95") for side in sides)
    yield "  longest", *(_cell(side, "longest") for side in sides)
    limit = known[0].limit
    if limit is not None:
        yield f"  cut to {limit:,} (task.{noun}_length)", *(_cell(side, "cut") for side in sides)
    yield "  unknown tokens", *("" if side is None else percent(side.unknown) for side in sides)


def _cell(side: SideSection | None, name: str) -> str:
    return "" if side is None else count(getattr(side, name))


def _asked(found: DataSection) -> Iterator[_Row]:
    languages = [language or "?" for language in (found.source_language, found.target_language)]
    if languages != ["?", "?"]:
        yield "languages", " to ".join(languages)
    if found.dev.languages:
        yield "asked row by row", _counted(found.dev.languages)
    if found.targets is not None:
        yield "training targets", found.targets.spelled
    yield "labels begin with", _pieces(found.labels_begin_with) or "nothing in common"
    yield "answers begin with", _pieces(found.asked_with)
    lost = found.lost_targets
    if lost is not None:
        yield "targets that survive", f"{lost.looked_at - lost.lost:,} of {lost.looked_at:,} dev targets"
    loss = found.first_token_loss
    if loss is not None:
        yield "dense loss per token", f"{loss.first:.2f} on the first of a label, {loss.others:.2f} on the others"
    if found.dense is not None:
        score = figure(found.dense.score, not found.dense.fraction)
        yield f"dense {found.dense.metric}", f"{score} on {found.dense.rows:,} dev rows"


def _counted(languages: Mapping[str, int]) -> str:
    """The most frequent languages with their rows. Example: ``90 rows en to de, 10 rows en to fr``."""
    ranked = sorted(languages.items(), key=lambda pair: -pair[1])
    more = f", and {len(ranked) - LISTED} more" if len(ranked) > LISTED else ""
    return ", ".join(f"{rows:,} rows {name}" for name, rows in ranked[:LISTED]) + more


def _pieces(pieces: tuple[str, ...]) -> str:
    return " ".join(pieces)


def _expected(forecast: ForecastSection) -> Iterator[_Row]:
    shape = forecast.shape
    if shape is None:
        yield "removed", "only learning can tell"
    else:
        yield from _removed(shape)
    steps = "as many as the budget allows" if forecast.steps is None else count(forecast.steps)
    yield "training steps", steps
    if forecast.seconds is not None:
        yield "time", f"about {rough_time(forecast.seconds)} for training and evaluation on this machine"
    yield "disk", f"up to {file_size(forecast.disk)} of {file_size(forecast.free)} that are free"


def _removed(shape: ShapeForecast) -> Iterator[_Row]:
    kept = f"{count(shape.parameters)} of {count(shape.dense_parameters)} parameters"
    yield "will be kept", f"{kept} ({percent(shape.removed)} are removed)"
    yield "  encoder layers", f"{shape.encoder_layers} of {shape.dense_encoder_layers}"
    yield "  decoder layers", f"{shape.decoder_layers} of {shape.dense_decoder_layers}"
    if shape.speedup is not None and shape.workload is not None:
        yield "expected speed", f"{factor(shape.speedup)} at {shape.workload.spelled}"
