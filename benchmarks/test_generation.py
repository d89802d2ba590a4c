"""`generate_fixed` of dense and pruned models side by side, and the other ways to make it fast."""

import copy

import pytest
import torch
from cases import FAMILIES, SHAPES, describe, word_tokenizer

from prunekit import fast_generate
from prunekit.latency.workload import generate_fixed
from prunekit.recipe import Workload

WORKLOADS = (Workload(batch=1, source=64, new_tokens=16), Workload(batch=8, source=64, new_tokens=16))
ROUNDS = {"rounds": 5, "warmup_rounds": 1}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda work: f"batch{work.batch}")
@pytest.mark.parametrize("family", FAMILIES)
def test_generate(benchmark, bench, family, workload, shape):
    one = bench(family)
    model = one.cut(shape)
    inputs = one.inputs(workload)
    benchmark.group = f"generate {family}, {workload.spelled}"
    tokens = benchmark.pedantic(generate_fixed, (model, inputs, workload), **ROUNDS)  # ends when the device has
    assert tokens.shape == (workload.batch, workload.new_tokens + 1)
    describe(benchmark, model, shape, tokens=workload.batch * workload.new_tokens)


@pytest.mark.parametrize("way", ["dense", "fast_generate"])
@pytest.mark.parametrize("family", ["t5", "bart"])
def test_beams(benchmark, bench, family, way):
    """Stock beam search against the cache that all beams share."""
    one = bench(family)
    workload = Workload(batch=4, source=256, new_tokens=8, beams=4)
    model = one.cut("dense")
    inputs = one.inputs(workload)
    keys = {"num_beams": 4, "max_new_tokens": 8, "min_new_tokens": 8, "do_sample": False}
    benchmark.group = f"beams {family}, {workload.spelled}"

    def work():
        tokens = fast_generate(model, **inputs, **keys) if way != "dense" else model.generate(**inputs, **keys)
        if tokens.is_cuda:
            torch.cuda.synchronize()
        return tokens

    tokens = benchmark.pedantic(work, **ROUNDS)
    assert torch.equal(tokens, model.generate(**inputs, **keys))
    describe(benchmark, model, way)


@pytest.mark.parametrize("engine", ["dense", "ctranslate2", "ctranslate2 int8", "ctranslate2 nash"])
def test_ctranslate2(benchmark, bench, engine, tmp_path):
    """Another engine on the same dense T5, and on the pruned one."""
    ctranslate2 = pytest.importorskip("ctranslate2")
    from prunekit.export import to_ctranslate2

    one = bench("t5")
    workload = WORKLOADS[0]
    model = one.cut("nash" if "nash" in engine else "dense")
    inputs = one.inputs(workload)
    benchmark.group = f"engines t5, {workload.spelled}"
    describe(benchmark, model, engine)
    if engine == "dense":
        benchmark.pedantic(generate_fixed, (model, inputs, workload), **ROUNDS)
        return
    kind = "int8" if "int8" in engine else "float32"
    names = to_ctranslate2.export_ctranslate2(
        copy.deepcopy(model).cpu(),
        one.adapter,
        one.graph,
        word_tokenizer(one.config.vocab_size),
        tmp_path / "ct2",
        kind,
    )
    translator = ctranslate2.Translator(str(tmp_path / "ct2"), intra_threads=1, compute_type=kind)
    source = [[names[token] for token in row] for row in inputs["input_ids"].tolist()]
    keys = {"beam_size": 1, "max_decoding_length": 16, "min_decoding_length": 16}
    benchmark.pedantic(lambda: translator.translate_batch(source, **keys), **ROUNDS)
