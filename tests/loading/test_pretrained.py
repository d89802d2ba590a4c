"""Models from directories and the hub: what is opened is what was saved, and what cannot be is one sentence."""

import json
import shutil
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSeq2SeqLM, ByT5Tokenizer, GPT2Config, T5Config, T5ForConditionalGeneration

from prunekit import PrunekitError, plugins
from prunekit.loading.pretrained import located, open_config, open_model, open_tokenizer

T5 = plugins.load(plugins.ADAPTERS, "t5")()


@pytest.fixture
def copied(t5_directory, tmp_path):
    """A copy of the T5 to damage."""
    return shutil.copytree(t5_directory, tmp_path / "copy")


def opened(directory):
    return open_model(directory, open_config(directory), T5)


def logits(model):
    ids = torch.tensor([[3, 4, 5, 1]])
    with torch.no_grad():
        return model(input_ids=ids, decoder_input_ids=ids).logits


def test_an_opened_model_is_the_saved_one(t5_directory):
    stock = AutoModelForSeq2SeqLM.from_pretrained(t5_directory).eval()
    assert torch.equal(logits(opened(t5_directory)), logits(stock))


def test_half_precision_is_opened_as_asked(tmp_path, t5_directory):
    stock = AutoModelForSeq2SeqLM.from_pretrained(t5_directory).half()
    stock.save_pretrained(tmp_path)
    model = opened(tmp_path)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert torch.equal(model.shared.weight, stock.shared.weight.float())


def test_a_decoder_deeper_than_the_encoder_generates(t5_directory):
    config = json.loads((t5_directory / "config.json").read_text())
    assert config["num_decoder_layers"] > config["num_layers"]
    assert "decoder_layers" not in config
    model = opened(t5_directory)
    ids = torch.tensor([[3, 4, 5, 1]])
    cached, plain = (model.generate(ids, max_new_tokens=5, use_cache=use) for use in (True, False))
    assert torch.equal(cached, plain)


def test_a_place_that_is_no_directory():
    for place in ("./nowhere", "/no/where/at/all", "too/many/parts", __file__):
        with pytest.raises(PrunekitError, match="There is no model directory"):
            located(place)


def test_a_hub_id_without_a_network(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(PrunekitError, match="'org/nothing' is neither a directory here nor a model that the hub gives"):
        located("org/nothing")


def test_a_directory_without_a_config(tmp_path):
    with pytest.raises(PrunekitError, match=r"not a model directory: it has no readable config\.json"):
        open_config(tmp_path)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", r"is not valid JSON"),
        ("[]", "does not hold a model's config"),
        ('{"model_type": "no-such-type"}', "cannot be used: .*no-such-type"),
        ('{"d_model": 8}', "cannot be used: .*model_type"),
    ],
)
def test_a_config_that_is_none(tmp_path, text, sentence):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(PrunekitError, match=sentence):
        open_config(tmp_path)


def test_a_decoder_only_model(tmp_path):
    GPT2Config(n_layer=1).save_pretrained(tmp_path)
    with pytest.raises(PrunekitError, match="is a 'gpt2' model, which has no encoder and decoder"):
        open_config(tmp_path)


def test_weights_that_are_cut_short(copied):
    weights = copied / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:2000])
    with pytest.raises(PrunekitError, match="damaged or cut short"):
        opened(copied)


def test_weights_that_are_no_weights(copied):
    (copied / "model.safetensors").write_bytes(b"not at all")
    with pytest.raises(PrunekitError, match="damaged or cut short"):
        opened(copied)


def test_weights_of_another_shape(copied):
    T5Config.from_pretrained(copied, d_model=8).save_pretrained(copied)
    with pytest.raises(PrunekitError, match=r"The weights in '.*copy' (cannot be loaded|do not fit their config)"):
        opened(copied)


@pytest.fixture
def pickled(copied):
    """The same weights as a pickle, as older models have them."""
    state = AutoModelForSeq2SeqLM.from_pretrained(copied).state_dict()
    (copied / "model.safetensors").unlink()
    torch.save(state, copied / "pytorch_model.bin")
    return copied


def test_pickled_weights_are_the_same_weights(pickled, t5_directory):
    assert torch.equal(logits(opened(pickled)), logits(opened(t5_directory)))


def test_pickled_shards_are_the_same_weights(pickled, t5_directory):
    state = torch.load(pickled / "pytorch_model.bin", weights_only=True)
    names = sorted(state)
    shards = {"pytorch_model-00001-of-00002.bin": names[:20], "pytorch_model-00002-of-00002.bin": names[20:]}
    for shard, part in shards.items():
        torch.save({name: state[name] for name in part}, pickled / shard)
    of = {name: shard for shard, part in shards.items() for name in part}
    (pickled / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {}, "weight_map": of}))
    (pickled / "pytorch_model.bin").unlink()
    assert torch.equal(logits(opened(pickled)), logits(opened(t5_directory)))


class Code:
    """What a pickle can do when it is opened: here, leave a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_code_in_a_pickle_is_never_run(pickled, tmp_path):
    state = torch.load(pickled / "pytorch_model.bin", weights_only=True)
    torch.save({**state, "extra": Code(tmp_path / "run")}, pickled / "pytorch_model.bin")
    with pytest.raises(PrunekitError, match=r"pytorch_model\.bin' cannot be loaded"):
        opened(pickled)
    assert not (tmp_path / "run").exists()


HELD = {
    "a model": (lambda state: Code(Path("nowhere")), "what is pickled there is more than tensors by name"),
    "a checkpoint": (lambda state: {"state_dict": state, "epoch": 3}, "pickled there is a dict with state_dict, epoch"),
    "a list": (lambda state: [1, 2], "pickled there is a list, not tensors by name"),
}


@pytest.mark.parametrize("kind", HELD)
def test_what_is_pickled_in_place_of_weights_is_told_in_one_sentence(pickled, kind):
    held, sentence = HELD[kind]
    torch.save(held(torch.load(pickled / "pytorch_model.bin", weights_only=True)), pickled / "pytorch_model.bin")
    with pytest.raises(PrunekitError, match=rf"pytorch_model\.bin' cannot be loaded: {sentence}") as refused:
        opened(pickled)
    assert "weights_only" not in str(refused.value)


@pytest.mark.parametrize("data", [b"version https://git-lfs.github.com/spec/v1\n", None])
def test_a_pickle_that_is_none_or_half_of_one(pickled, data):
    file = pickled / "pytorch_model.bin"
    file.write_bytes(data or file.read_bytes()[:3000])
    with pytest.raises(PrunekitError, match=r"pytorch_model\.bin' cannot be loaded: the file is damaged"):
        opened(pickled)


@pytest.mark.parametrize("prefix", ["_orig_mod.", "module.", "module._orig_mod."])
@pytest.mark.parametrize("kind", ["safetensors", "pickle"])
def test_the_prefixes_of_wrappers_are_taken_off_and_told(copied, t5_directory, prefix, kind, caplog):
    state = load_file(copied / "model.safetensors")
    (copied / "model.safetensors").unlink()
    wrapped = {prefix + name: value for name, value in state.items()}
    if kind == "pickle":
        torch.save(wrapped, copied / "pytorch_model.bin")
    else:
        save_file(wrapped, copied / "model.safetensors", metadata={"format": "pt"})
    with caplog.at_level("INFO"):
        model = opened(copied)
    assert torch.equal(logits(model), logits(opened(t5_directory)))
    assert f"begin with {prefix}" in caplog.text


def lora(directory, model, **more):
    """The files that peft leaves for an adapter of rank 2 on every q and v."""
    directory.mkdir(exist_ok=True)
    torch.manual_seed(1)
    tensors = {}
    for name, layer in model.named_modules():
        if name.endswith((".q", ".v")):
            rows, columns = layer.weight.shape
            tensors[f"base_model.model.{name}.lora_A.weight"] = torch.randn(2, columns)
            tensors[f"base_model.model.{name}.lora_B.weight"] = torch.randn(rows, 2)
    save_file(tensors, directory / "adapter_model.safetensors", metadata={"format": "pt"})
    config = {"peft_type": "LORA", "task_type": "SEQ_2_SEQ_LM", "r": 2, "lora_alpha": 16, "target_modules": ["q", "v"]}
    (directory / "adapter_config.json").write_text(json.dumps({**config, "inference_mode": True, **more}))
    return tensors


def test_an_adapter_beside_weights_is_never_applied(copied, t5_directory, monkeypatch):
    lora(copied, opened(t5_directory), base_model_name_or_path=str(t5_directory))
    monkeypatch.setattr("transformers.utils.is_peft_available", lambda: True)
    model = opened(copied)
    assert torch.equal(logits(model), logits(opened(t5_directory)))
    assert model.name_or_path == str(copied)


def test_an_adapter_alone_is_refused_where_peft_is_not_installed(tmp_path, t5_directory, monkeypatch):
    lora(tmp_path / "alone", opened(t5_directory), base_model_name_or_path=str(t5_directory))
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(PrunekitError, match=r"holds a LoRA adapter .* install peft"):
        open_config(tmp_path / "alone")


def test_an_adapter_alone_is_merged_into_its_base_model(tmp_path, t5_directory):
    pytest.importorskip("peft")
    base = opened(t5_directory)
    tensors = lora(tmp_path / "alone", base, base_model_name_or_path=str(t5_directory))
    model = opened(tmp_path / "alone")
    for name, parameter in base.named_parameters():
        own = f"base_model.model.{name.removesuffix('.weight')}"
        added = 0
        if f"{own}.lora_A.weight" in tensors:  # W + alpha / r * B A
            added = 8 * tensors[f"{own}.lora_B.weight"] @ tensors[f"{own}.lora_A.weight"]
        torch.testing.assert_close(model.get_parameter(name), parameter + added)
    assert len(open_tokenizer(tmp_path / "alone")) == 29


def test_a_base_model_that_is_not_there_is_named_with_its_adapter(tmp_path, t5_directory):
    pytest.importorskip("peft")
    lora(tmp_path / "alone", opened(t5_directory), base_model_name_or_path="./nowhere")
    with pytest.raises(PrunekitError, match=r"The LoRA adapter in .*alone' needs its base model\. .*'\./nowhere'"):
        open_config(tmp_path / "alone")


def test_no_weights(copied):
    (copied / "model.safetensors").unlink()
    with pytest.raises(PrunekitError, match="holds no weights"):
        opened(copied)


def test_no_tokenizer_is_never_invented(copied):
    for path in copied.glob("*token*"):
        path.unlink()
    with pytest.raises(PrunekitError, match="holds no tokenizer"):
        open_tokenizer(copied)


def test_a_tokenizer_that_is_damaged(copied):
    (copied / "tokenizer.json").write_text("{}")
    with pytest.raises(PrunekitError, match=r"The tokenizer in '.*' cannot be used"):
        open_tokenizer(copied)


def test_a_tokenizer_without_files_of_its_own(copied):
    for path in copied.glob("*token*"):
        path.unlink()
    ByT5Tokenizer().save_pretrained(copied)
    assert open_tokenizer(copied)("a")["input_ids"] == [ord("a") + 3, 1]


def test_a_tokenizer_that_cannot_pad(copied, letters):
    settings = copied / "tokenizer_config.json"
    kept = {key: value for key, value in json.loads(settings.read_text()).items() if key != "pad_token"}
    settings.write_text(json.dumps(kept))
    with pytest.raises(PrunekitError, match="has no padding token"):
        open_tokenizer(copied)


def test_untied_weights_stay_untied(tmp_path, t5_directory):
    torch.manual_seed(1)
    config = T5Config.from_pretrained(t5_directory, tie_word_embeddings=False)
    saved = T5ForConditionalGeneration(config)
    saved.save_pretrained(tmp_path)
    model = opened(tmp_path)
    assert torch.equal(model.lm_head.weight, saved.lm_head.weight)
    assert not torch.equal(model.lm_head.weight, model.shared.weight)
