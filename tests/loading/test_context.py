"""What a run works on: opened, and refused in one sentence where it does not fit."""

import json
import shutil

import pytest
import torch
from transformers import AutoModelForSeq2SeqLM, MT5Config, T5GemmaConfig

from prunekit import PrunekitError, PruningPlan, Recipe, prune
from prunekit.cut import checkpoint
from prunekit.loading.context import open_run_context
from prunekit.loading.resolve import resolve
from prunekit.loading.structure import adapter_for, open_structure
from prunekit_adapters.t5 import T5
from prunekit_adapters.t5gemma import T5Gemma


def test_a_model_with_files(t5_directory, on_files):
    context = open_run_context(resolve(on_files(t5_directory)))
    assert context.name == "t5"
    assert context.task.train["source"][:2] == ["a b c", "d e"]
    assert context.graph.size.whole == sum(p.numel() for p in context.model.parameters())
    assert context.processor.tokenizer("a")["input_ids"] == [3, 1]


def test_another_architecture_by_its_type(bart_directory, on_files):
    context = open_run_context(resolve(on_files(bart_directory)))
    assert context.name == "bart"
    assert context.graph.size.whole == sum(p.numel() for p in context.model.parameters())


def test_a_pruned_model_with_the_graph_of_the_original(t5_directory, on_files, letters, tmp_path):
    dense = open_run_context(resolve(on_files(t5_directory)))
    plan = PruningPlan({"decoder.layers": (0, 2), "encoder.1.self.heads": (1, 3)})
    checkpoint.save(prune(dense.model, plan, dense.adapter), tmp_path / "pruned", letters)
    context = open_run_context(resolve(on_files(tmp_path / "pruned")))
    stock = AutoModelForSeq2SeqLM.from_pretrained(t5_directory)
    assert checkpoint.plan_of(context.model) == plan
    assert context.name == "t5"
    assert context.graph.size.whole == sum(p.numel() for p in stock.parameters())
    assert context.graph.size.of(plan) == sum(p.numel() for p in context.model.parameters())
    structure = open_structure(str(tmp_path / "pruned"))
    assert structure.graph.size.whole == sum(p.numel() for p in context.model.parameters())


def test_a_pruned_model_whose_head_was_never_tied(t5_directory, on_files, letters, tmp_path):
    model = AutoModelForSeq2SeqLM.from_pretrained(t5_directory)
    model.lm_head.weight = torch.nn.Parameter(model.shared.weight.detach() + 1)
    model.config.tie_word_embeddings = False
    model.save_pretrained(tmp_path / "dense")
    letters.save_pretrained(tmp_path / "dense")
    dense = open_run_context(resolve(on_files(tmp_path / "dense")))
    whole, plan = sum(p.numel() for p in dense.model.parameters()), PruningPlan({"decoder.layers": (1,)})
    checkpoint.save(prune(dense.model, plan, dense.adapter), tmp_path / "pruned", letters)
    context = open_run_context(resolve(on_files(tmp_path / "pruned")))
    assert dense.graph.size.whole == context.graph.size.whole == whole
    assert context.graph.size.of(plan) == sum(p.numel() for p in context.model.parameters())


def test_files_are_taken_as_they_stand(t5_directory, on_files):
    data = on_files(t5_directory)
    assert resolve(data) == Recipe.parse(data)
    labelled = {**data, "task": {**data["task"], "name": "backwards"}}
    assert open_run_context(resolve(labelled)).task.name == "backwards"


def test_an_adapter_for_another_architecture(t5_directory, bart_directory, on_files):
    with pytest.raises(PrunekitError, match="'bart' does not fit a model of type 't5'; use --adapter t5"):
        open_run_context(resolve(on_files(t5_directory, adapter="bart")))
    with pytest.raises(PrunekitError, match="'t5' does not fit a model of type 'bart'; use --adapter bart"):
        open_run_context(resolve(on_files(bart_directory, adapter="t5")))
    assert adapter_for(MT5Config(), "mt5")[0] == "mt5"


def test_a_tokenizer_of_another_model(t5_directory, on_files, tmp_path, letters):
    directory = shutil.copytree(t5_directory, tmp_path / "copy")
    larger = type(letters)(tokenizer_object=letters.backend_tokenizer, pad_token="<pad>", eos_token="</s>")
    larger.add_tokens(["one", "two", "three", "four"])
    larger.save_pretrained(directory)
    with pytest.raises(PrunekitError, match="has 33 tokens, but the model's vocabulary only 32"):
        open_run_context(resolve(on_files(directory)))


def test_the_built_in_example_opens():
    context = open_run_context(resolve({}))
    assert len(context.task.train) > 100_000
    assert context.processor.tokenizer.decode(context.processor.tokenizer("speed")["input_ids"][:-1]) == "s p e e d"


def test_batches_hold_what_the_adapter_wants_beside_them(t5_directory, on_files, monkeypatch):
    def hints(self, config, batch):
        return {"decoders": batch["attention_mask"] * config.num_decoder_layers}

    monkeypatch.setattr(T5, "attention_hints", hints)
    context = open_run_context(resolve(on_files(t5_directory)))
    batch = context.processor.pad([[4, 5], [6]])
    assert batch["decoders"].tolist() == (batch["attention_mask"] * context.model.config.num_decoder_layers).tolist()


@pytest.mark.parametrize("key", ["pad_token_id", "decoder_start_token_id"])
def test_a_token_beyond_the_vocabulary_is_named_before_a_model_is_built(bart_directory, on_files, tmp_path, key):
    directory = shutil.copytree(bart_directory, tmp_path / "copy")
    config = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps({**config, key: 32}))
    with pytest.raises(PrunekitError, match=f"has the {key} 32, but a vocabulary of 32 tokens, from 0 to 31"):
        open_run_context(resolve(on_files(directory)))


def test_a_pruned_model_whose_config_lists_its_layers_opens_again(tmp_path, letters, on_files):
    """The skeleton that shows its positions is that of the original: T5Gemma's config has one entry for each layer."""
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "intermediate_size": 12, "head_dim": 6, "vocab_size": 32}
    sizes |= {"num_attention_heads": 4, "num_key_value_heads": 2, "query_pre_attn_scalar": 6}
    tokens = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 1, "decoder_start_token_id": 1}
    adapter = T5Gemma()
    model = adapter.build(T5GemmaConfig(encoder=sizes, decoder=sizes, vocab_size=32, **tokens), "cpu")
    plan = PruningPlan({"decoder.layers": (1,), "encoder.0.ffn": (0, 1)})
    checkpoint.save(prune(model, plan, adapter), tmp_path / "model", letters)
    context = open_run_context(resolve(on_files(tmp_path / "model")))
    assert len(context.model.model.decoder.layers) == 1
