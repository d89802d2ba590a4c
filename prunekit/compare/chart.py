"""Quality over speed of a comparison: where every variant stands, with its spread, in coordinates for an SVG."""

from prunekit.compare.figures import Summary, Table, TableRow
from prunekit.compare.tables import mean_and_spread, variant_name
from prunekit.report.axes import Scale
from prunekit.report.formatting import factor
from prunekit.report.model_chart import DENSE_STYLE, ChartedModel, ModelChart, model_chart, point_style


def quality_chart(summary: Summary, table: Table, width: int, height: int) -> ModelChart | None:
    """Every variant of a table by its quality and its speed-up on the first workload; None without timings."""
    if not all(row.speeds for row in (summary.dense, *table.rows)):
        return None
    amount = summary.metric in summary.amounts
    dense = _model(summary.dense, amount, *DENSE_STYLE)
    variants = [_model(row, amount, *point_style(number)) for number, row in enumerate(table.rows)]
    axis_y = summary.metric if amount else f"{summary.metric}, %"
    axis_x = f"speed-up of generate, batch {summary.dense.speeds[0].workload.batch}"
    return model_chart([dense, *variants], Scale.around, (width, height), axis_x, axis_y)


def _model(row: TableRow, amount: bool, colour: str, shape: str) -> ChartedModel:
    """A row with one standard deviation to either side; baselines are hollow."""
    scale = 1 if amount else 100
    quality = scale * row.quality.mean
    deviation = scale * (row.quality.deviation or 0)
    speedup = row.speeds[0].speedup
    title = f"{variant_name(row)}: {mean_and_spread(row.quality, amount)} at {factor(speedup)}"
    low = quality - deviation
    high = quality + deviation
    return ChartedModel(row.variant, title, speedup, quality, low, high, colour, shape, filled=not row.baseline)
