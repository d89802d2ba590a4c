"""``prunekit inspect``: the figures of the table against the model's own parameters."""

import json
import subprocess
import sys

import networkx as nx
import pytest
from transformers import AutoModelForSeq2SeqLM, T5Config

from prunekit import PruningPlan, plugins, prune
from prunekit.cut import checkpoint


def cells(result, label):
    """The row that starts with `label`, without the label, thousands' commas removed."""
    line = next(line for line in result.stdout.splitlines() if line.startswith(label))
    return line.removeprefix(label).replace(",", "").split()


def test_equal_layers_share_a_row(prunekit, t5_directory):
    model = AutoModelForSeq2SeqLM.from_pretrained(t5_directory)
    whole = sum(p.numel() for p in model.parameters())
    result = prunekit("inspect", t5_directory)
    assert result.exit_code == 0, result.stderr
    assert f"{whole:,} parameters" in result.stdout
    head = 4 * 4 * 16  # q, k, v and o: 4 rows or columns of 16
    assert cells(result, "encoder self.heads") == ["0-1", "4", f"{head}", f"{8 * head}", *ending(8 * head, whole)]
    channel = 2 * 16  # a row of wi and a column of wo
    assert cells(result, "decoder ffn")[:4] == ["0-2", "24", f"{channel}", f"{3 * 24 * channel}"]
    layer = sum(p.numel() for name, p in model.decoder.block[1].named_parameters())
    assert cells(result, "decoder.layers")[:3] == ["3", f"{layer}", f"{3 * layer}"]
    assert cells(result, "vocabulary")[:3] == ["32", "16", f"{32 * 16}"]
    assert "kept whole" not in result.stdout
    assert (
        "tied to shared.weight: encoder.embed_tokens.weight, decoder.embed_tokens.weight, lm_head.weight"
        in result.stdout
    )


def ending(weight, whole):
    return [f"{weight / whole:.1%}", "k", "q", "v", "|", "o"]


def test_every_group_on_demand(prunekit, t5_directory):
    lines = prunekit("inspect", t5_directory, "--all").stdout.splitlines()
    heads = [line.split()[0] for line in lines if line.split()[:1] and line.split()[0].endswith(".heads")]
    assert heads == [
        "encoder.0.self.heads",
        "encoder.1.self.heads",
        *(f"decoder.{n}.{kind}.heads" for n in range(3) for kind in ("self", "cross")),
    ]


def test_a_large_model_from_its_config_alone(prunekit, tmp_path):
    sizes = {"d_model": 4096, "d_ff": 10240, "num_heads": 64, "num_layers": 24}
    T5Config(vocab_size=32128, **sizes, feed_forward_proj="gated-gelu").save_pretrained(tmp_path)
    result = prunekit("inspect", tmp_path)
    assert result.exit_code == 0, result.stderr
    untied = 11_135_332_352  # as Google counts T5 v1.1 XXL; by its config, transformers ties the head
    assert f"t5 (T5, adapter t5): {untied - 32128 * 4096:,} parameters" in result.stdout
    assert cells(result, "encoder ffn")[:3] == ["0-23", "10240", f"{3 * 4096}"]
    assert "wi_0 wi_1 | wo" in result.stdout
    assert len(result.stdout.splitlines()) < 20


def test_a_pruned_model_as_it_is_now(prunekit, t5_directory, tmp_path):
    model = AutoModelForSeq2SeqLM.from_pretrained(t5_directory)
    plan = PruningPlan({"encoder.1.self.heads": (0,), "decoder.layers": (0, 2), "encoder.0.ffn": tuple(range(8))})
    prune(model, plan, plugins.load(plugins.ADAPTERS, "t5")())
    checkpoint.save(model, tmp_path / "pruned")
    result = prunekit("inspect", tmp_path / "pruned")
    assert f"{sum(p.numel() for p in model.parameters()):,} parameters" in result.stdout
    lines = [line.split()[:4] for line in result.stdout.splitlines() if line.startswith("encoder self.heads")]
    assert lines == [["encoder", "self.heads", "0", "4"], ["encoder", "self.heads", "1", "1"]]
    assert cells(result, "decoder.layers")[0] == "2"


MODULES = """
import sys
from prunekit.cli import main
sys.argv = ["prunekit", "inspect", sys.argv[1]]
try:
    main()
finally:
    print(*sorted(name for name in sys.modules if "." not in name or "trainer" in name), file=sys.stderr)
"""
BASELINE = """
import sys
from transformers import T5ForConditionalGeneration
print(*sorted(name for name in sys.modules if "." not in name or "trainer" in name), file=sys.stderr)
"""


@pytest.mark.parametrize("pruned", [True, pytest.param(False, marks=pytest.mark.full)])
def test_nothing_that_trains_is_imported(t5_directory, tmp_path, pruned):
    directory = tmp_path / "pruned" if pruned else t5_directory
    if pruned:
        model = AutoModelForSeq2SeqLM.from_pretrained(t5_directory)
        prune(model, PruningPlan({"encoder.1.self.heads": (0,)}), plugins.load(plugins.ADAPTERS, "t5")())
        checkpoint.save(model, directory)

    def modules(code):
        words = [sys.executable, "-c", code, directory]
        done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=120)
        return set(done.stderr.splitlines()[-1].split())

    imported = modules(MODULES)
    trains = {name for name in imported if name.startswith("transformers.trainer")}
    assert trains | imported & {"datasets", "pandas"} == set()
    assert "accelerate" in modules(BASELINE) or "accelerate" not in imported
    assert {"torch", "prunekit", "prunekit_adapters"} <= imported


@pytest.mark.parametrize("suffix", ["json", "graphml"])
def test_the_graph_is_exported_beside_the_table(prunekit, t5_directory, tmp_path, suffix):
    file = tmp_path / f"t5.{suffix}"
    result = prunekit("inspect", t5_directory, "--export", file)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == prunekit("inspect", t5_directory).stdout
    written = file.read_text()
    graph = nx.parse_graphml(written) if suffix == "graphml" else nx.node_link_graph(json.loads(written), edges="edges")
    assert graph.nodes["shared.weight[0]"] == {"size": 32, "group": "vocabulary", "part": "embedding"}
    assert f"{len(graph)} parameter dimensions, {len(graph.edges)} couplings" in result.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("nowhere/at/all",), "There is no model directory"),
        (("T5", "--adapter", "bart"), "'bart' does not fit a model of type 't5'; use --adapter t5."),
        (("T5", "--adapter", "brat"), "did you mean 'bart'"),
        (("EMPTY",), "it has no readable config.json"),
        (("T5", "--export", "t5.svg"), "name a file that ends in .graphml"),
    ],
)
def test_what_cannot_be_inspected(prunekit, t5_directory, tmp_path, words, sentence):
    places = {"T5": t5_directory, "EMPTY": tmp_path}
    result = prunekit("inspect", *(places.get(word, word) for word in words))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: ")
    assert sentence in result.stderr
