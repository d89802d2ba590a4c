"""``prunekit inspect --tree``: what stands in the tree against the model's own parameters and modules."""

import re
from collections import Counter

import pytest
from transformers import AutoModelForSeq2SeqLM, BartConfig, MoonshineConfig

from prunekit import PruningPlan, plugins, prune
from prunekit.commands.console import OUT
from prunekit.cut import checkpoint

GUIDE = re.compile(r"^[│├└─ ]*")


@pytest.fixture
def tree(prunekit, monkeypatch):
    """The tree of a model as (depth, text), in lines so long that nothing is wrapped."""

    def lines(*words):
        monkeypatch.setattr(OUT, "_width", 2000)
        result = prunekit("inspect", "--tree", *words)
        assert result.exit_code == 0, result.stderr
        shown = [line.rstrip() for line in result.stdout.splitlines() if line.strip()]
        return [(len(GUIDE.match(line)[0]) // 4, GUIDE.sub("", line)) for line in shown]

    return lines


@pytest.fixture(params=["t5_directory", "mt5_directory", "bart_directory"])
def directory(request):
    return request.getfixturevalue(request.param)


def below(lines, start):
    """What stands under the only line that starts with `start`."""
    (at,) = [i for i, (_, text) in enumerate(lines) if text.startswith(start)]
    depth = lines[at][0]
    end = next((i for i in range(at + 1, len(lines)) if lines[i][0] <= depth), len(lines))
    return lines[at + 1 : end]


def named(text):
    """The parameters in a line: ``a.b: c.weight, d.weight; e.weight`` names a.b.c.weight, a.b.d.weight and e.weight."""
    text = re.sub(r"^(in no group of the layer: |\d+ \S+ of )", "", text)
    for owner, names in (part.split(": ") if ": " in part else ("", part) for part in text.split("; ")):
        for name in names.split(", "):
            if name.endswith((".weight", ".bias")):
                yield f"{owner}.{name}".lstrip(".")


def names_below(lines, start):
    return Counter(name for _, text in below(lines, start) for name in named(text))


def test_a_layer_names_each_of_its_parameters_once(tree, directory):
    model = AutoModelForSeq2SeqLM.from_pretrained(directory)
    lines = tree(directory)
    stacks = [name for name, _ in model.named_modules() if re.fullmatch(r"(model\.)?..coder\.(block|layers)", name)]
    assert len(stacks) == 2
    for path in stacks:
        last = len(model.get_submodule(path)) - 1  # T5's first layer also has the bias table, which no layer owns
        one = [name for name, _ in model.get_submodule(f"{path}.{last}").named_parameters()]
        assert names_below(lines, f"layers 0-{last}: {path}.0-{last}, ") == Counter(one)


def test_all_names_each_parameter_of_the_model_once(tree, directory):
    model = AutoModelForSeq2SeqLM.from_pretrained(directory)
    lines = tree(directory, "--all")
    first_stream = next(i for i, (depth, text) in enumerate(lines) if depth == 1 and text.startswith("vocabulary"))
    found, prefix = Counter(), ""
    for depth, text in lines[:first_stream]:
        if layer := re.match(r"layer \d+: (\S+), ", text):
            prefix = layer[1] + "."
        elif depth == 2:
            found.update([text.split(",")[0]])
        elif prefix:
            found.update(prefix + name for name in named(text))
    assert found == Counter(name for name, _ in model.named_parameters())


def test_sizes_rows_and_columns(tree, t5_directory):
    model = AutoModelForSeq2SeqLM.from_pretrained(t5_directory)
    lines = tree(t5_directory)
    layer = sum(p.numel() for p in model.decoder.block[1].parameters())
    assert lines[0] == (0, f"t5 (T5, adapter t5): {sum(p.numel() for p in model.parameters()):,} parameters")
    encoder = sum(p.numel() for name, p in model.encoder.named_parameters() if "embed" not in name)
    assert (1, f"encoder: {encoder:,} parameters, 2 units in encoder.layers") in lines
    assert (2, f"layers 0-2: decoder.block.0-2, {layer:,} parameters each") in lines
    assert below(below(lines, "decoder: "), "cross.heads: 4 units of 256 parameters") == [
        (4, "4 rows of layer.1.EncDecAttention: k.weight, q.weight, v.weight"),
        (4, "4 columns of layer.1.EncDecAttention: o.weight"),
    ]


def test_a_gated_matrix_gives_two_rows_a_unit(tree, tmp_path):
    sizes = {"hidden_size": 16, "intermediate_size": 24, "vocab_size": 32}
    counts = ("num_hidden_layers", "num_attention_heads")
    MoonshineConfig(
        **sizes, **{f"{stack}_{count}": 2 for stack in ("encoder", "decoder") for count in counts}
    ).save_pretrained(tmp_path)
    decoder = below(tree(tmp_path), "decoder: ")
    gated = below(decoder, "ffn: 24 units of ")
    assert (4, "2 rows of mlp: fc1.bias, fc1.weight") in gated  # fc1 holds gate and value: 48 rows
    assert (4, "1 column of mlp: fc2.weight") in gated


def test_tied_names_stand_under_the_first_one_and_nowhere_else(tree, directory):
    model = AutoModelForSeq2SeqLM.from_pretrained(directory)
    table = model.get_input_embeddings().weight
    first, *others = [name for name, p in model.named_parameters(remove_duplicate=False) if p is table]
    lines = [text for _, text in tree(directory)]
    assert f"{first}, also {', '.join(others)}" in lines
    for other in others:
        assert sum(text.count(other) for text in lines) == 1


def test_what_runs_through_the_model_is_counted_by_module(tree, bart_directory):
    model = AutoModelForSeq2SeqLM.from_pretrained(bart_directory)
    lines = tree(bart_directory)
    assert below(lines, "vocabulary: 32 units of 16 parameters") == [(2, "1 row of model.shared.weight")]
    hidden = below(lines, "hidden: 16 units of ")
    assert (2, "1 column of model.decoder.embed_positions.weight, model.shared.weight") in hidden
    # Cross-attention reads its keys and values from the encoder, so they are cut with the encoder's dimensions.
    at = hidden.index((2, "model.decoder.layers.0-1"))
    assert hidden[at + 2] == (3, "1 column of each of 4 q_proj, 2 fc1, 2 k_proj, 2 v_proj")
    inner = below(hidden, "encoder.hidden: 16 units of ")
    assert below(inner, "model.decoder.layers.0-1") == [(4, "1 column of each of 2 k_proj, 2 v_proj")]
    (rows, columns) = (text for _, text in below(inner, "model.encoder.layers.0-1"))
    modules = Counter(name.rpartition(".")[2] for name, _ in model.model.encoder.layers.named_modules())
    assert counts(columns) == {name: modules[name] for name in ("q_proj", "k_proj", "v_proj", "fc1")}
    writers = ("out_proj", "fc2", "self_attn_layer_norm", "final_layer_norm")
    assert counts(rows) == {name: modules[name] for name in writers}


def counts(text):
    """``{"fc1": 2}`` for ``... 2 fc1``."""
    return {name: int(count) for count, name in re.findall(r"(\d+) ([a-z]\w+\d?)(?:,|$)", text)}


def test_layers_that_differ_stand_apart_under_both_numbers(tree, t5_directory, tmp_path):
    model = AutoModelForSeq2SeqLM.from_pretrained(t5_directory)
    plan = PruningPlan({"decoder.layers": (0, 2), "encoder.1.self.heads": (3,), "encoder.0.ffn": ()})
    prune(model, plan, plugins.load(plugins.ADAPTERS, "t5")())
    checkpoint.save(model, tmp_path / "pruned")
    lines = tree(tmp_path / "pruned")
    encoder = below(lines, "encoder: ")
    assert (3, "ffn: all units removed") in below(encoder, "layer 0: encoder.block.0, ")
    assert (3, "self.heads: 1 unit of 256 parameters") in below(encoder, "layer 1: encoder.block.1, ")
    assert below(lines, "decoder: ")[0][1].startswith("layers 0, 2: decoder.block.0-1, ")


def test_a_large_model_fits_a_terminal(prunekit, monkeypatch, tmp_path):
    BartConfig().save_pretrained(tmp_path)  # twelve layers on either side, as bart-large
    monkeypatch.setattr(OUT, "_width", 100)
    lines = prunekit("inspect", tmp_path, "--tree").stdout.splitlines()
    assert 40 < len(lines) < 80
    assert max(map(len, lines)) <= 100
