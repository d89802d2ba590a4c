"""The model card that lies beside a pruned checkpoint: what it is, what it costs, how to load it."""

from prunekit.report.formatting import count, factor, figure, percent, workload
from prunekit.report.report import Report, report_title

TEMPLATE = """---
library_name: transformers
tags: [prunekit, pruning, custom_code, {adapter}]
---
# {title}, pruned by prunekit

| | dense | pruned |
|---|---|---|
{rows}

Sparsity: encoder heads and channels {encoder}, non-embedding {non_embedding}, total {total}.
Layers left: encoder {encoder_layers}, decoder {decoder_layers} (numbers of the dense model). `plan.json` says which
heads and channels stay.

```python
from transformers import {auto}

model = {auto}.from_pretrained("this/directory"{flag})
```

{shapes} With prunekit installed,
`prunekit.from_pretrained("this/directory")` opens it too, ready to be pruned further.
"""

CODE = "The shapes stand in `config.json`; `modeling_prunekit.py` reads them and needs torch and transformers alone."
STOCK = "It is a stock model of its architecture."


def card(report: Report, auto: str = "AutoModelForSeq2SeqLM", stock: bool = False) -> str:
    """Markdown with the report's figures; `auto` is the class of transformers that opens the model, `stock` or not."""
    return TEMPLATE.format(
        adapter=report.adapter,
        auto=auto,
        flag="" if stock else ", trust_remote_code=True",
        shapes=STOCK if stock else CODE,
        title=report_title(report),
        rows="\n".join(_rows(report)),
        encoder=percent(report.sparsity.encoder),
        non_embedding=percent(report.sparsity.non_embedding),
        total=percent(report.sparsity.total),
        encoder_layers=", ".join(map(str, report.layers.encoder_kept)),
        decoder_layers=", ".join(map(str, report.layers.decoder_kept)),
    )


def _rows(report: Report) -> list[str]:
    rows = [f"| parameters | {count(report.parameters.dense)} | {count(report.parameters.pruned)} |"]
    if (quality := report.quality) is not None:
        rows.append(f"| {quality.metric} | {figure(quality.dense)} | {figure(quality.pruned)} |")
        rows += [f"| {name} | {figure(pair.dense)} | {figure(pair.pruned)} |" for name, pair in quality.others.items()]
    for timing in report.latency.workloads if report.latency else ():
        rows.append(
            f"| speed, {workload(timing)} ({timing.device}) | 1x | {factor(timing.speedup, timing.speedup_error)} |"
        )
    return rows
