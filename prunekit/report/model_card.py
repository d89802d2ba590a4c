"""The model card that lies beside a pruned checkpoint: what it is, how good and how fast, how to load it."""

from collections.abc import Iterator, Sequence

from prunekit.report.data_facts import asked_facts, data_facts
from prunekit.report.formatting import count, factor, figure, percent, recovery_text, report_title, workload_text
from prunekit.report.report import Report

TEMPLATE = """---
library_name: transformers
tags: [prunekit, pruning, custom_code, {adapter}]
---
# {title}, pruned by prunekit

| | dense | pruned |
|---|---|---|
{rows}

Sparsity: encoder heads and channels {encoder}, non-embedding {non_embedding}, total {total}.
Layers kept: encoder {encoder_layers}, decoder {decoder_layers} (numbered as in the dense model). `plan.json` lists the
heads and channels kept.{recovery}

```python
from transformers import {auto}

model = {auto}.from_pretrained("this/directory"{flag})
```

{data}{warnings}{shapes} With prunekit installed,
`prunekit.from_pretrained("this/directory")` opens it too, ready to be pruned further.
"""

CUSTOM_CODE = "`config.json` holds the shapes; `modeling_prunekit.py` reads them and needs only torch and transformers."
STOCK = "It is a stock model of its architecture."


def model_card(report: Report, auto: str = "AutoModelForSeq2SeqLM", stock: bool = False) -> str:
    """Markdown with the report's figures; `auto` is the class of transformers that opens the model, `stock` or not."""
    return TEMPLATE.format(
        adapter=report.adapter,
        auto=auto,
        flag="" if stock else ", trust_remote_code=True",
        data=_data(report),
        warnings=_warnings(report),
        shapes=STOCK if stock else CUSTOM_CODE,
        title=report_title(report),
        rows="\n".join(_rows(report)),
        encoder=percent(report.sparsity.encoder),
        non_embedding=percent(report.sparsity.non_embedding),
        total=percent(report.sparsity.total),
        encoder_layers=", ".join(map(str, report.layers.encoder_kept)),
        recovery=f" Recovery: {recovery_text(report.recovery)}." if report.recovery else "",
        decoder_layers=", ".join(map(str, report.layers.decoder_kept)),
    )


def _data(report: Report) -> str:
    """What the model was given and how it is asked, with an empty line behind each; nothing where that is not known."""
    if report.data is None:
        return ""
    names, *rows = data_facts(report.data)
    lines = [_line(("data", *names[1:])), "|" + "---|" * len(names), *map(_line, rows)]
    asked = [f"- {name}: {_literal(text)}" for name, text in asked_facts(report.data)]
    return "\n".join([*lines, "", *asked, "", ""])


def _literal(text: str) -> str:
    """A text as it is, though pieces like ``</s>`` look like HTML."""
    return f"`{text}`" if "<" in text else text


def _line(cells: Sequence[str]) -> str:
    """A line of a Markdown table; pieces of a tokenizer may hold its bars."""
    return "| " + " | ".join(cell.strip().replace("|", "\\|") for cell in cells) + " |"


def _warnings(report: Report) -> str:
    """The run's warnings as a list with an empty line behind it; nothing where there were none."""
    sentences = report.data.warnings if report.data is not None else ()
    return "".join(["What the run warned of:\n\n", *(f"- {each}\n" for each in sentences), "\n"]) if sentences else ""


def _rows(report: Report) -> Iterator[str]:
    """The lines of the table."""
    yield f"| parameters | {count(report.parameters.dense)} | {count(report.parameters.pruned)} |"
    quality = report.quality
    if quality is not None:
        pairs = {name: (pair.dense, pair.pruned) for name, pair in quality.others.items()}
        for name, figures in {quality.metric: (quality.dense, quality.pruned), **pairs}.items():
            dense, pruned = (figure(value, name in quality.amounts) for value in figures)
            yield f"| {name} | {dense} | {pruned} |"
    for timing in report.latency.workloads if report.latency else ():
        speedup = factor(timing.speedup, timing.speedup_error)
        yield f"| speed, {workload_text(timing)} ({timing.device}) | 1x | {speedup} |"
