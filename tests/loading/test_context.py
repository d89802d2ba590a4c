"""What a command works on: chosen, completed by the task, and refused in one sentence where it does not fit."""

import shutil

import pytest
import torch
from transformers import AutoModelForSeq2SeqLM, MT5Config, NllbMoeConfig, T5Config

from prunekit import PrunekitError, PruningPlan, Recipe, prune
from prunekit.cut import checkpoint
from prunekit.loading.context import open_run_context
from prunekit.loading.device import device_of
from prunekit.loading.resolve import resolve
from prunekit.loading.structure import adapter_for, open_structure


def on_files(model, pairs, **keys):
    columns = {"source": "a", "target": "b", "metric": "exact_match"}
    return {"model": str(model), "task": {"train": str(pairs), "eval": str(pairs), **columns}, **keys}


def test_a_model_with_files(t5_directory, pairs):
    context = open_run_context(resolve(on_files(t5_directory, pairs)))
    assert context.name == "t5"
    assert context.task.train["source"][:2] == ["a b c", "d e"]
    assert context.graph.size.whole == sum(p.numel() for p in context.model.parameters())
    assert context.processor.tokenizer("a")["input_ids"] == [3, 1]


def test_another_architecture_by_its_type(bart_directory, pairs):
    context = open_run_context(resolve(on_files(bart_directory, pairs)))
    assert context.name == "bart"
    assert context.graph.size.whole == sum(p.numel() for p in context.model.parameters())


def test_a_pruned_model_with_the_graph_of_the_original(t5_directory, pairs, letters, tmp_path):
    dense = open_run_context(resolve(on_files(t5_directory, pairs)))
    plan = PruningPlan({"decoder.layers": (0, 2), "encoder.1.self.heads": (1, 3)})
    checkpoint.save(prune(dense.model, plan, dense.adapter), tmp_path / "pruned", letters)
    context = open_run_context(resolve(on_files(tmp_path / "pruned", pairs)))
    stock = AutoModelForSeq2SeqLM.from_pretrained(t5_directory)
    assert checkpoint.plan_of(context.model) == plan
    assert context.name == "t5"
    assert context.graph.size.whole == sum(p.numel() for p in stock.parameters())
    assert context.graph.size.of(plan) == sum(p.numel() for p in context.model.parameters())
    structure = open_structure(str(tmp_path / "pruned"))
    assert structure.graph.size.whole == sum(p.numel() for p in context.model.parameters())


def test_a_pruned_model_whose_head_was_never_tied(t5_directory, pairs, letters, tmp_path):
    model = AutoModelForSeq2SeqLM.from_pretrained(t5_directory)
    model.lm_head.weight = torch.nn.Parameter(model.shared.weight.detach() + 1)
    model.config.tie_word_embeddings = False
    model.save_pretrained(tmp_path / "dense")
    letters.save_pretrained(tmp_path / "dense")
    dense = open_run_context(resolve(on_files(tmp_path / "dense", pairs)))
    whole, plan = sum(p.numel() for p in dense.model.parameters()), PruningPlan({"decoder.layers": (1,)})
    checkpoint.save(prune(dense.model, plan, dense.adapter), tmp_path / "pruned", letters)
    context = open_run_context(resolve(on_files(tmp_path / "pruned", pairs)))
    assert dense.graph.size.whole == context.graph.size.whole == whole
    assert context.graph.size.of(plan) == sum(p.numel() for p in context.model.parameters())


def test_the_built_in_example_without_a_word():
    recipe = resolve({})
    assert (recipe.adapter, recipe.task.name, recipe.model) == ("t5", "g2p", None)
    assert recipe == resolve({"adapter": "t5"}) == resolve({"task": {"name": "g2p"}})


def test_resolving_twice_changes_nothing():
    recipe = resolve({"seed": 3, "training": {"batch": 7}})
    assert resolve(recipe.model_dump(mode="json")) == recipe
    assert resolve(recipe.model_dump(exclude_unset=True)) == recipe


def test_the_users_keys_win_over_the_tasks_and_leave_the_others():
    plain, mine = resolve({}), resolve({"task": {"source_length": 9}, "training": {"learning_rate": 0.5}})
    assert (mine.task.source_length, mine.training.learning_rate) == (9, 0.5)
    assert mine.task.target_length == plain.task.target_length == 40
    assert mine.training.batch == plain.training.batch != Recipe().training.batch
    assert mine.measure == plain.measure != Recipe().measure


def test_a_tasks_options_are_for_its_strategy_only(monkeypatch):
    monkeypatch.setattr("prunekit.data.g2p.task.G2P.defaults", {"options": {"decoder_layers": 2}})
    assert resolve({}).options == resolve({"strategy": "nash"}).options == {"decoder_layers": 2}
    assert resolve({"options": {"steps": 1}}).options == {"decoder_layers": 2, "steps": 1}
    assert resolve({"strategy": "uniform"}).options == {}
    assert resolve({"options": {"preset": "code-faithful"}}).options == {"preset": "code-faithful"}


def test_files_are_taken_as_they_stand(t5_directory, pairs):
    data = on_files(t5_directory, pairs)
    assert resolve(data) == Recipe.parse(data)
    labelled = {**data, "task": {**data["task"], "name": "backwards"}}
    assert open_run_context(resolve(labelled)).task.name == "backwards"


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"adapter": "bart"}, r"'bart' has no built-in example \(adapters with one: t5\)"),
        ({"adapter": "brat"}, "no adapter 'brat'; did you mean 'bart'"),
        ({"task": {"name": "g2q"}}, "no task 'g2q'; did you mean 'g2p'|no task 'g2q'; there is only g2p"),
        ({"adapter": "bart", "task": {"name": "g2p"}}, "brings a model for the adapter 't5', not for 'bart'"),
        ({"tasc": {}}, "no key 'tasc' here; did you mean 'task'"),
        ({"task": "g2p"}, "task: Input should be a valid dictionary"),
    ],
)
def test_recipes_that_cannot_be_resolved(data, sentence):
    with pytest.raises(PrunekitError, match=sentence):
        resolve(data)


def test_data_without_a_model(pairs):
    data = on_files("-", pairs)
    del data["model"]
    with pytest.raises(PrunekitError, match="Say which model to prune with --model"):
        open_run_context(resolve(data))


def test_a_model_without_data(t5_directory):
    with pytest.raises(PrunekitError, match=r"Say what the model is for: --task with one of asr, g2p, or --train"):
        open_run_context(resolve({"model": str(t5_directory)}))


def test_a_task_with_data_of_its_own_and_files(t5_directory, pairs):
    data = on_files(t5_directory, pairs)
    data["task"]["name"] = "g2p"
    with pytest.raises(PrunekitError, match="'g2p' brings its own data"):
        open_run_context(resolve(data))


def test_an_adapter_for_another_architecture(t5_directory, bart_directory, pairs):
    with pytest.raises(PrunekitError, match="'bart' does not fit a model of type 't5'; use --adapter t5"):
        open_run_context(resolve(on_files(t5_directory, pairs, adapter="bart")))
    with pytest.raises(PrunekitError, match="'t5' does not fit a model of type 'bart'; use --adapter bart"):
        open_run_context(resolve(on_files(bart_directory, pairs, adapter="t5")))
    assert adapter_for(MT5Config(), "mt5")[0] == "mt5"


def test_an_architecture_without_an_adapter():
    with pytest.raises(PrunekitError, match=r"no adapter for models of type 'nllb-moe' \(`prunekit list adapters`"):
        adapter_for(NllbMoeConfig(), None)
    with pytest.raises(PrunekitError, match="'t5' does not fit a model of type 'nllb-moe'; there is none for it yet"):
        adapter_for(NllbMoeConfig(), "t5")


def test_a_tokenizer_of_another_model(t5_directory, pairs, tmp_path, letters):
    directory = shutil.copytree(t5_directory, tmp_path / "copy")
    larger = type(letters)(tokenizer_object=letters.backend_tokenizer, pad_token="<pad>", eos_token="</s>")
    larger.add_tokens(["one", "two", "three", "four"])
    larger.save_pretrained(directory)
    with pytest.raises(PrunekitError, match="has 33 tokens, but the model's vocabulary only 32"):
        open_run_context(resolve(on_files(directory, pairs)))


def test_devices():
    assert device_of("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
    assert device_of("cpu") == "cpu"
    for name in ("gpu", "meta", "cuda:99"):
        with pytest.raises(PrunekitError, match=f"The device '{name}' cannot be used here"):
            device_of(name)


def test_a_structure_needs_no_weights(tmp_path):
    T5Config(d_model=4096, d_ff=16384, num_heads=64, num_layers=24).save_pretrained(tmp_path)
    structure = open_structure(str(tmp_path))
    groups = {group.name: len(group) for group in structure.graph.groups}
    assert groups["decoder.23.cross.heads"] == 64
    assert structure.graph.size.whole > 4e9


def test_the_built_in_example_opens():
    context = open_run_context(resolve({}))
    assert len(context.task.train) > 100_000
    assert context.processor.tokenizer.decode(context.processor.tokenizer("speed")["input_ids"][:-1]) == "s p e e d"
