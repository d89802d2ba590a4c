"""What `prunekit compare` found, beside the speed of the same shapes here and now."""

import copy
from pathlib import Path

import pytest
import torch
from cases import describe, one_thread

from prunekit import PruningPlan, prune
from prunekit.compare.records import Record
from prunekit.latency.workload import generate_fixed
from prunekit.loading.context import open_run_context
from prunekit.loading.resolve import resolve
from prunekit.recipe import Recipe, Workload

PLACE = Path(__file__).parents[1] / "examples/g2p/records"
RECORDS = sorted(path for path in PLACE.glob("*-0.json"))
WORK = Workload(batch=1, source=9, new_tokens=9)


@pytest.fixture(scope="module")
def context():
    one_thread()
    return open_run_context(resolve(Recipe().model_dump(exclude_unset=True)))


@pytest.mark.skipif(not RECORDS, reason="no run of examples/g2p/compare.yaml is recorded")
@pytest.mark.parametrize("path", [None, *RECORDS], ids=lambda path: path.stem if path else "dense")
def test_quality(benchmark, context, path):
    record = Record.model_validate_json(path.read_text()) if path else None
    plan = PruningPlan(record.plan) if record else PruningPlan()
    model = prune(copy.deepcopy(context.model), plan, context.adapter).eval()
    ids = torch.randint(3, 30, (1, WORK.source))
    benchmark.group = f"what a comparison found on g2p, {WORK.spelled}"
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    benchmark.pedantic(generate_fixed, (model, inputs, WORK), rounds=5, warmup_rounds=1)
    quality = record.report.quality if record else None
    describe(benchmark, model, path.stem if path else "dense", quality=quality.pruned if quality else None)
