"""Models from directories and the hub: what is opened is what was saved, and what cannot be is one sentence."""

import json
import shutil

import pytest
import torch
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


def test_pickled_weights_are_refused_unread(copied):
    (copied / "model.safetensors").unlink()
    (copied / "pytorch_model.bin").write_bytes(b"never opened")
    with pytest.raises(PrunekitError, match=r"are pickled \(pytorch_model\.bin\)"):
        opened(copied)


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
