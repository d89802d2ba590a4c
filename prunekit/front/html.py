"""A front as a page for people: quality over speed, the model to take, the table."""

from prunekit._support.templates import render
from prunekit.compare.html import NARROW, WIDE
from prunekit.compare.tables import workload_label
from prunekit.front.figures import Front, FrontModel
from prunekit.front.sentences import front_notes, front_title, selection_sentences
from prunekit.front.tables import front_columns, front_values, kept_text
from prunekit.report.axes import Scale
from prunekit.report.formatting import factor, figure
from prunekit.report.model_chart import DENSE_STYLE, ChartedModel, ModelChart, model_chart, point_style


def front_html(found: Front) -> str:
    """A page that needs nothing but itself."""
    values = {
        "title": front_title(found),
        "sentences": selection_sentences(found),
        "charts": [front_chart(found, *size) for size in (WIDE, NARROW)],
        "columns": front_columns(found),
        "table": list(front_values(found)),
        "links": [None, *(model.name for model in found.models)],
        "intervals": found.dense.test.interval is not None,
        "selected": found.selection is not None and found.selection.met,
        "rows": "test" if found.confirmed else "dev",
        "notes": front_notes(found),
    }
    return render("prunekit.front", "front.html.j2", values)


def front_chart(found: Front, width: int, height: int) -> ModelChart:
    """Every model by its score on test rows and its speed on the first workload; the one to take is filled."""
    dense = _charted(found, found.dense, *DENSE_STYLE)
    models = [_charted(found, model, *point_style(number)) for number, model in enumerate(found.models)]
    axis_y = found.metric if found.amount else f"{found.metric}, %"
    axis_x = f"speed-up of generate, {workload_label(found.dense.speeds[0].workload)}"
    return model_chart([dense, *models], Scale.around, (width, height), axis_x, axis_y)


def _charted(found: Front, model: FrontModel, colour: str, shape: str) -> ChartedModel:
    """A model with 95% of its resamples to either side, where they are known."""
    scale = 1 if found.amount else 100
    low, high = model.test.interval or (model.test.score, model.test.score)
    title = f"{model.name}: {figure(model.test.score, found.amount)}, {kept_text(model.test)} kept, at "
    return ChartedModel(
        label=model.name,
        title=title + factor(model.speedup),
        speedup=model.speedup,
        quality=scale * model.test.score,
        low=scale * low,
        high=scale * high,
        colour=colour,
        shape=shape,
        filled=found.selected in (None, model) or model == found.dense,
    )
