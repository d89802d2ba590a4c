"""What the engine itself costs: finding groups, cutting, masks, saving and opening; and torch-pruning beside it."""

import copy

import pytest
import torch
from cases import FAMILIES, describe

import prunekit
from prunekit import PruningPlan, discover, prune
from prunekit.cut import checkpoint
from prunekit.find.groups import Kind, width_groups
from prunekit.learn.masking.masks import masked

ROUNDS = {"rounds": 3, "warmup_rounds": 1}


@pytest.mark.parametrize("family", FAMILIES)
def test_discover(benchmark, bench, family):
    """Finding the groups, from the config alone."""
    one = bench(family)
    benchmark.group = "discover"
    graph = benchmark.pedantic(discover, (one.adapter, one.config), **ROUNDS)
    assert len(graph.groups) == len(one.graph.groups)
    describe(benchmark, one.model, family)


@pytest.mark.parametrize("family", FAMILIES)
def test_cut(benchmark, bench, family):
    """Surgery on a copy that is made beforehand."""
    one = bench(family)
    benchmark.group = "cut"
    small = benchmark.pedantic(
        prune, setup=lambda: ((copy.deepcopy(one.model), one.plan("nash"), one.adapter), {}), rounds=ROUNDS["rounds"]
    )
    describe(benchmark, small, family)


@pytest.mark.parametrize("way", ["dense", "masked"])
@pytest.mark.parametrize("family", FAMILIES)
def test_masks(benchmark, bench, family, way):
    """A forward pass with and without masks over half of the encoder."""
    one = bench(family)
    inputs = dict(one.adapter.encoder_inputs(one.config, 8)) | {"labels": torch.randint(3, 4000, (8, 32))}
    kept = {g.name: g.ids[::2] for g in width_groups(one.graph.groups, "encoder")} if way == "masked" else {}
    benchmark.group = f"masks {family}"
    with masked(one.model, one.graph.groups, PruningPlan(kept)), torch.inference_mode():
        benchmark.pedantic(lambda: one.model(**inputs), **ROUNDS)
    describe(benchmark, one.model, way)


@pytest.mark.parametrize("way", ["save", "open"])
def test_files(benchmark, bench, way, tmp_path):
    """A pruned T5 to disk and back."""
    one = bench("t5")
    small = one.cut("nash").cpu()
    benchmark.group = "files"
    checkpoint.save(small, tmp_path / "model")
    if way == "save":
        places = iter(range(100))
        benchmark.pedantic(lambda: checkpoint.save(small, tmp_path / f"{next(places)}"), **ROUNDS)
    else:
        again = benchmark.pedantic(prunekit.from_pretrained, (tmp_path / "model",), **ROUNDS)
        assert again.num_parameters() == small.num_parameters()
    describe(benchmark, small, way)


@pytest.mark.parametrize("way", ["prunekit", "torch-pruning"])
def test_peers(benchmark, bench, way):
    """Half of the encoder's channels taken from the same T5, by prunekit and by torch-pruning's own pruner."""
    import torch_pruning

    one = bench("t5")
    benchmark.group = "half of the encoder's channels"
    ids = torch.randint(3, 4000, (1, 8))
    example = {"input_ids": ids, "decoder_input_ids": ids}
    channels = [g for g in width_groups(one.graph.groups, "encoder") if g.kind is Kind.FFN]

    def theirs(model):
        firsts = {block.layer[-1].DenseReluDense.wi: 0.5 for block in model.encoder.block}
        others = [m for m in model.modules() if isinstance(m, torch.nn.Linear) and m not in firsts]
        pruner = torch_pruning.pruner.MagnitudePruner(
            model,
            example,
            importance=torch_pruning.importance.MagnitudeImportance(p=2),
            pruning_ratio=0.0,
            pruning_ratio_dict=firsts,
            ignored_layers=[m for m in others if m is model.lm_head],
            output_transform=lambda out: out.logits,
        )
        pruner.step()
        return model

    def ours(model):
        return prune(model, PruningPlan({g.name: g.ids[::2] for g in channels}), one.adapter)

    work = ours if way == "prunekit" else theirs
    small = benchmark.pedantic(work, setup=lambda: ((copy.deepcopy(one.model),), {}), rounds=ROUNDS["rounds"])
    keys = {"max_new_tokens": 8, "do_sample": False}
    try:
        answers = small.generate(input_ids=ids, **keys).shape[1]
    except Exception as error:
        answers = f"{type(error).__name__}"
    describe(benchmark, small, way, generates=str(answers))
