"""The export hook: an outsider's adapter says in a few lines which of CTranslate2's loaders reads its architecture."""

import ast
import json
from pathlib import Path

import pytest
import torch
from transformers import SeamlessM4TConfig
from typer.testing import CliRunner

from prunekit import PrunekitError, plugins
from prunekit.cli import app
from prunekit.conformance import ModelUnderTest
from prunekit.cut import checkpoint
from prunekit.export import to_ctranslate2
from prunekit.export.ctranslate2_parity import check_ctranslate2
from prunekit.testing.models import BART_SIZES
from prunekit_adapters.bart import Bart
from prunekit_adapters.t5 import T5

ctranslate2 = pytest.importorskip("ctranslate2")

ROOT = Path(__file__).parents[2]
ADAPTER = ROOT / "examples/plugin/src/my_package/adapter.py"
HOOK = '''

def ctranslate2(self, model, loaders):
    """SeamlessM4T's text half is an M2M-100 under other names."""
    parts = (model.text_encoder, model.text_decoder)
    for part in (model, *parts):
        part.config.d_model = model.config.hidden_size
    for layer in [layer for part in parts for layer in part.layers]:
        layer.fc1, layer.fc2, layer.final_layer_norm = layer.ffn.fc1, layer.ffn.fc2, layer.ffn_layer_norm
    for layer in model.text_decoder.layers:
        layer.encoder_attn, layer.encoder_attn_layer_norm = layer.cross_attention, layer.cross_attention_layer_norm
    model.model = SimpleNamespace(encoder=parts[0], decoder=parts[1])
    return loaders["M2M100Config"]


Seamless.ctranslate2 = ctranslate2
'''


@pytest.fixture
def outsider(install):
    """The adapter of ``examples/plugin``, which prunekit does not know by itself, with the hook; and a model of it."""
    install("seamless_m4t", "from types import SimpleNamespace\n" + ADAPTER.read_text() + HOOK)
    sizes = {key: size for key, size in BART_SIZES.items() if key != "d_model"} | {"hidden_size": 32, "vocab_size": 60}
    special = {"pad_token_id": 1, "bos_token_id": 2, "eos_token_id": 3, "decoder_start_token_id": 2}
    adapter = plugins.load(plugins.ADAPTERS, "seamless_m4t")()
    return ModelUnderTest.tiny(adapter, SeamlessM4TConfig(**sizes, **special), torch.float32)


@pytest.mark.parametrize("narrow", [(), ("encoder.hidden",)], ids=["full", "narrow encoder"])
def test_an_outsiders_family_is_exported(outsider, words, ragged, tmp_path, narrow):
    small = outsider.cut(ragged(outsider.graph, narrow)).eval()
    checkpoint.save(small, tmp_path / "small", words(outsider.config))
    command = ["export", str(tmp_path / "small"), "--to", "ctranslate2", "--output", str(tmp_path / "out")]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.stderr
    assert "equal for 16 of 16 inputs" in " ".join(done.stdout.split())
    (result,) = ctranslate2.Translator(str(tmp_path / "out")).translate_batch(
        [["w5", "w6", "w7"]], beam_size=1, max_decoding_length=9
    )
    answer = small.generate(input_ids=torch.tensor([[5, 6, 7]]), max_new_tokens=9)[0].tolist()[1:]
    said = answer[: answer.index(3)] if 3 in answer else answer
    assert result.hypotheses[0] == [f"w{token}" for token in said]


class Mistaken(Bart):
    """An adapter that takes BART, whose layers end with a norm, for one whose layers begin with it."""

    def ctranslate2(self, model, loaders):
        loader = super().ctranslate2(model, loaders)
        model.config.normalize_before = True
        for part in (model.get_encoder(), model.get_decoder()):
            part.layer_norm = torch.nn.LayerNorm(model.config.d_model)
        return loader


def test_a_hook_that_is_wrong_is_found(case, words, tmp_path):
    bart = case("bart")
    vocabulary = to_ctranslate2.export_ctranslate2(
        bart.model, Mistaken(), bart.graph, words(bart.config), tmp_path, "float32"
    )
    with pytest.raises(PrunekitError, match="differs from the pruned one"):
        check_ctranslate2(bart.model, bart.adapter, tmp_path, vocabulary, exact=True)


class Refusing(T5):
    """An adapter of a family that the engine cannot run."""

    def ctranslate2(self, model, loaders):
        return None


class WithItsOwn(T5):
    """An adapter with a loader of its own, which starts sources with a token."""

    def ctranslate2(self, model, loaders):
        from ctranslate2.converters.transformers import T5Loader

        class Loader(T5Loader):
            def set_config(self, config, model, tokenizer):
                super().set_config(config, model, tokenizer)
                config.add_source_bos = True

        return Loader()


def test_a_loader_of_ones_own_and_none(case, words, tmp_path):
    t5 = case("t5")
    to_ctranslate2.export_ctranslate2(t5.model, WithItsOwn(), t5.graph, words(t5.config), tmp_path / "own", "float32")
    assert json.loads((tmp_path / "own/config.json").read_text())["add_source_bos"] is True
    with pytest.raises(PrunekitError, match=r"no export of models with a T5Config to CTranslate2; try --to plain"):
        to_ctranslate2.export_ctranslate2(
            t5.model, Refusing(), t5.graph, words(t5.config), tmp_path / "none", "float32"
        )
    assert not (tmp_path / "none").exists()


def test_no_adapter_brings_the_engine_in_before_it_is_needed():
    files = list((ROOT / "adapters").rglob("*.py"))
    assert len(files) > 10
    for path in files:
        names = [alias.name for node in ast.parse(path.read_text()).body for alias in getattr(node, "names", ())]
        modules = [getattr(node, "module", None) or "" for node in ast.parse(path.read_text()).body]
        assert not [name for name in (*names, *modules) if name.startswith("ctranslate2")]
