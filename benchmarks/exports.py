"""How fast each export is: a T5-base cut as NASH does, with and without a smaller vocabulary, by engine.

    OMP_NUM_THREADS=1 python benchmarks/exports.py --write docs/results.md

Random weights of the shapes of T5-base and mT5-base; decoder 12 to 3 layers, half of the encoder's heads and channels;
batch 1, 128 tokens in, 32 out, one thread. All of a family are interleaved; CPU seconds for a whole generation, the
speed ± its standard error, and the speed that the cost model predicts. Speed does not depend on the weights' values;
quality does: int8's is that of the built-in example.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import ctranslate2
import torch
from cases import T5_BASE, one_thread, publish, script, word_tokenizer
from transformers import MT5Config, PretrainedConfig, PreTrainedModel, T5Config

from prunekit import Adapter, PruningPlan, discover, prune_to_size_uniform
from prunekit.cut.surgery import cut_copy
from prunekit.export import to_ctranslate2
from prunekit.find.graph import DependencyGraph
from prunekit.find.groups import width_groups
from prunekit.latency.calibration import calibrate
from prunekit.latency.clocks import ProcessClock
from prunekit.latency.interleave import interleave
from prunekit.latency.workload import generate_fixed, random_text
from prunekit.loading.context import open_run_context
from prunekit.loading.resolve import resolve
from prunekit.measure.quality import generate_answers, score_answers
from prunekit.recipe import Recipe, Workload
from prunekit.report.formatting import factor
from prunekit_adapters.mt5 import MT5
from prunekit_adapters.t5 import T5

WORK = Workload(batch=1, source=128, new_tokens=32)
EXAMPLES = 1000


def plan_of(graph: DependencyGraph, tokens: int | None, cut: bool = True) -> PruningPlan:
    """Three of twelve decoder layers, half of the encoder's heads and channels, and the first so many tokens."""
    plan = PruningPlan({"vocabulary": tuple(range(tokens))} if tokens else {})
    if not cut:
        return plan
    groups = width_groups(graph.groups, "encoder")
    size = graph.prunable_size("encoder")
    chance = torch.Generator().manual_seed(0)
    scores = {g.name: torch.rand(len(g), generator=chance) for g in groups}
    half = prune_to_size_uniform(groups, scores, size, size.whole / 2, round_to=8)
    return plan.then(PruningPlan({"decoder.layers": (0, 5, 11)})).then(half)


def translator(
    model: PreTrainedModel, adapter: Adapter, graph: DependencyGraph, place: Path, kind: str
) -> Callable[[], object]:
    """One generation by CTranslate2."""
    names = to_ctranslate2.export_ctranslate2(
        model, adapter, graph, word_tokenizer(model.config.vocab_size), place, kind
    )
    engine = ctranslate2.Translator(str(place), device="cpu", inter_threads=1, intra_threads=1)
    row = [names[token] for token in random_text((model,), WORK, 0)["input_ids"][0].tolist()]
    length = {"min_decoding_length": WORK.new_tokens, "max_decoding_length": WORK.new_tokens}
    return lambda: engine.translate_batch([row], beam_size=1, **length)


def ways(
    adapter: Adapter, config: PretrainedConfig, tokens: int, engines: bool, place: Path
) -> tuple[dict[str, Callable[[], object]], dict[str, float]]:
    """Every way to generate, by name, the dense model of transformers first; and the speeds that are predicted."""
    torch.manual_seed(0)
    dense = adapter.fresh(config).eval()
    graph = discover(adapter, config, dense)
    shapes = {
        "dense": plan_of(graph, None, cut=False),
        f"dense, {tokens:,} tokens": plan_of(graph, tokens, cut=False),
        "pruned": plan_of(graph, None),
        f"pruned, {tokens:,} tokens": plan_of(graph, tokens),
    }
    cost = calibrate(dense, adapter, graph, WORK)
    predicted = {f"{shape} | transformers": cost.speedup(plan) for shape, plan in shapes.items()}
    found: dict[str, Callable[[], object]] = {}
    for shape, plan in shapes.items():
        small = cut_copy(dense, plan, adapter, graph)
        inputs = random_text((small,), WORK, 0)
        found[f"{shape} | transformers"] = lambda small=small, inputs=inputs: generate_fixed(small, inputs, WORK)
        for kind in ("float32", "int8") if engines else ():
            directory = place / f"{len(found)}"
            found[f"{shape} | CTranslate2 {kind}"] = translator(small, adapter, graph, directory, kind)
    return found, predicted


def quality(place: Path) -> list[str]:
    """The built-in example's words right, in transformers and by CTranslate2 in both precisions."""
    context = open_run_context(resolve(Recipe().model_dump(exclude_unset=True)))
    rows = context.task.test.select(range(EXAMPLES))
    tokenizer = context.processor.tokenizer
    metrics = context.task.metrics
    said = {"transformers": generate_answers(context.model, context.processor, rows, {}, 256)[0]}
    sources = [context.processor.encode(rows)[n]["source"] for n in range(EXAMPLES)]
    for kind in ("float32", "int8"):
        names = to_ctranslate2.export_ctranslate2(
            context.model, context.adapter, context.graph, tokenizer, place / kind, kind
        )
        engine = ctranslate2.Translator(str(place / kind), device="cpu", intra_threads=1)
        made = engine.translate_batch([[names[n] for n in row] for row in sources], beam_size=1, max_decoding_length=40)
        ids = [tokenizer.convert_tokens_to_ids(result.hypotheses[0]) for result in made]
        said[f"CTranslate2 {kind}"] = [tokenizer.decode(row, skip_special_tokens=True).strip() for row in ids]
    head = metrics[0].name
    return [f"| {name} | {score_answers(answers, rows, metrics).scores[head]:.1%} |" for name, answers in said.items()]


def main() -> None:
    asked = script(__doc__, repeats=5).parse_args()
    one_thread()
    t5 = T5Config(vocab_size=32128, **T5_BASE)
    mt5 = MT5Config(vocab_size=250112, **(T5_BASE | {"d_ff": 2048}))
    lines = []
    for adapter, config, tokens, engines in ((T5(), t5, 8_192, True), (MT5(), mt5, 16_384, False)):
        with tempfile.TemporaryDirectory() as place:
            found, predicted = ways(adapter, config, tokens, engines, Path(place))
            for way in found.values():
                way()  # warms up
            times = interleave(found, asked.repeats, ProcessClock())  # CTranslate2 works on threads of its own
        lines += ["", f"| {config.model_type}-base | engine | CPU ms | speed | predicted |", "|---|---|---:|---:|---:|"]
        first = next(iter(found))
        for name in found:
            guess = factor(predicted[name]) if name in predicted else ""
            speed = factor(times.ratio(first, name), times.error(first, name)) if name != first else factor(1)
            lines.append(f"| {name} | {1000 * times.seconds(name):,.0f} | {speed} | {guess} |")
    with tempfile.TemporaryDirectory() as place:
        lines += [
            "",
            f"| built-in example, dense, {EXAMPLES:,} words | words right |",
            "|---|---|",
            *quality(Path(place)),
        ]
    publish(lines, "exports", asked.write)


if __name__ == "__main__":
    main()
