"""Where models come from: a directory or the hub, opened piece by piece, or one sentence on why not."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from transformers import (
    AutoConfig,
    AutoFeatureExtractor,
    AutoTokenizer,
    GenerationConfig,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from prunekit.cut import checkpoint
from prunekit.cut.ties import untie_like
from prunekit.cut.weight_files import weight_files
from prunekit.data.tokenizer_files import has_tokenizer
from prunekit.errors import PrunekitError, one_line
from prunekit.find.adapter import Adapter
from prunekit.find.graph import DependencyGraph, discover
from prunekit.loading.lora import base_model_of, is_adapter_alone, merged

CONFIG = ("config.json",)
EVERYTHING = ("*.json", "*.safetensors", "*.model", "*.spm", "*.txt", "*.tiktoken", "*.jinja", "*.py")
"""The files of a hub repository that are fetched first."""

PICKLED_WEIGHTS = ("pytorch_model*.bin", "pytorch_model*.bin.index.json")
"""Fetched only where a repository has no others: they are large, and slower to open."""

PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")

_HUB_ID = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")


def located(place: str, files: Sequence[str] = EVERYTHING) -> Path:
    """The directory `place`, or else the files of the hub repository of that name, from the cache where they are."""
    path = Path(place).expanduser()
    if path.is_dir():
        return path
    if path.exists() or not _HUB_ID.fullmatch(place):
        raise PrunekitError(
            f"There is no model directory {place!r}; give one that holds a config.json, or a hub id like org/name."
        )
    try:
        found = _fetched(place, files)
        if files == EVERYTHING and weight_files(found) is None:
            found = _fetched(place, (*files, *PICKLED_WEIGHTS))
        return found
    except Exception as error:  # the hub's client and its transport raise some twenty types
        raise PrunekitError(
            f"{place!r} is neither a directory here nor a model that the hub gives: {one_line(error, 300)}"
        ) from error


def _fetched(name: str, patterns: Sequence[str]) -> Path:
    """The files of a hub repository whose names match."""
    return Path(snapshot_download(name, allow_patterns=list(patterns), ignore_patterns=["*/*"]))


def open_config(directory: Path, trust_remote_code: bool = False) -> PretrainedConfig:
    """The config in a model directory, dense or pruned; raises `PrunekitError` unless it is an encoder-decoder's."""
    if is_adapter_alone(directory):
        return open_config(_base_directory(directory), trust_remote_code)
    if checkpoint.is_pruned(directory):
        return checkpoint.load_config(directory)
    try:
        config: PretrainedConfig = AutoConfig.from_pretrained(directory, trust_remote_code=trust_remote_code)
    except Exception as error:  # an unknown model type is a ValueError, a broken value may be anything
        raise PrunekitError(f"The config in {str(directory)!r} cannot be used: {one_line(error, 300)}") from error
    if not config.is_encoder_decoder:
        raise PrunekitError(
            f"{str(directory)!r} is a {config.model_type!r} model, which has no encoder and decoder; "
            "prunekit prunes encoder-decoder models like t5, mt5 and bart."
        )
    return config


def open_model(
    directory: Path,
    config: PretrainedConfig,
    adapter: Adapter,
    dtype: torch.dtype = torch.float32,
    device: str = "cpu",
    trust_remote_code: bool = False,
) -> PreTrainedModel:
    """The model in a directory, dense or pruned, in evaluation mode; every weight is read, and no code is run.

    A LoRA adapter that lies alone is merged into its base model, where peft is installed.
    """
    if is_adapter_alone(directory):
        base = open_model(_base_directory(directory), config, adapter, dtype, device, trust_remote_code)
        return merged(base, directory)
    if weight_files(directory) is None:
        raise PrunekitError(_no_weights(directory))
    if checkpoint.is_pruned(directory):
        model = checkpoint.from_pretrained(directory, dtype)
    else:
        options: dict[str, Any] = {"trust_remote_code": True} if trust_remote_code else {}
        model = checkpoint.load_weights(
            adapter.auto_class, directory, config=_complete(config, adapter), dtype=dtype, **options
        )
    moved: Any = model
    return moved.to(device)  # type: ignore[no-any-return]


def _complete(config: PretrainedConfig, adapter: Adapter) -> PretrainedConfig:
    """The config with every name that the adapter knows for a stack's depth.

    `generate` reads T5's under one that its config leaves out, and fails where the decoder is the deeper stack.
    """
    for stack in adapter.stacks(config):
        for key in stack.depth[1:]:
            if not hasattr(config, key):
                setattr(config, key, getattr(config, stack.depth[0]))
    return config


def original_of(model: PreTrainedModel, adapter: Adapter) -> PreTrainedModel:
    """The original of a pruned model, without weights, on `meta`; `model` itself if it never was pruned.

    What is tied is told by the live model, not by its config: T5 v1.1 has a head of its own, whatever its config says.
    """
    config = checkpoint.dense_config(model.config)
    if config is model.config:
        return model
    original = adapter.build(config)
    untie_like(original, model)
    return original


def graph_of(model: PreTrainedModel, adapter: Adapter) -> DependencyGraph:
    """The groups and couplings of a model as it was before any pruning."""
    original = original_of(model, adapter)
    return discover(adapter, original.config, original)


def _base_directory(directory: Path) -> Path:
    """The base model of the adapter that a directory holds alone."""
    base = base_model_of(directory)
    try:
        return located(base)
    except PrunekitError as error:
        raise PrunekitError(f"The LoRA adapter in {str(directory)!r} needs its base model. {error}") from error


def _no_weights(directory: Path) -> str:
    pickle = next(_matching(directory, PICKLES), None)
    if pickle:
        return (
            f"{str(directory)!r} holds a pickle ({pickle.name}) that is not called as transformers calls weights; save "
            "the model as safetensors first (save_pretrained of transformers does)."
        )
    return f"{str(directory)!r} holds no weights; a model directory has a model.safetensors beside its config.json."


def open_tokenizer(directory: Path, trust_remote_code: bool = False) -> PreTrainedTokenizerBase:
    """The tokenizer in a model directory; raises `PrunekitError` where there is none or it cannot pad."""
    if not has_tokenizer(directory):
        if is_adapter_alone(directory):
            return open_tokenizer(_base_directory(directory), trust_remote_code)
        raise PrunekitError(
            f"{str(directory)!r} holds no tokenizer; save the model's there (tokenizer.save_pretrained does)."
        )
    try:
        tokenizer = AutoTokenizer.from_pretrained(directory, trust_remote_code=trust_remote_code)
    except Exception as error:  # tokenizers come from many parsers, which share no ancestor
        raise PrunekitError(f"The tokenizer in {str(directory)!r} cannot be used: {one_line(error, 300)}") from error
    if tokenizer.pad_token_id is None:
        raise PrunekitError(f"The tokenizer in {str(directory)!r} has no padding token; set its pad_token and save it.")
    opened: PreTrainedTokenizerBase = tokenizer
    return opened


def open_extractor(directory: Path, trust_remote_code: bool = False) -> Any:
    """The feature extractor in the directory of a speech model; raises `PrunekitError` where there is none."""
    opener: Any = AutoFeatureExtractor  # whose methods have no types
    try:
        return opener.from_pretrained(directory, trust_remote_code=trust_remote_code)
    except Exception as error:  # a missing file is an OSError, an unknown type a ValueError
        raise PrunekitError(
            f"{str(directory)!r} holds no feature extractor that can be used; save the model's there "
            f"(extractor.save_pretrained does): {one_line(error, 300)}"
        ) from error


def open_generation_config(directory: Path) -> GenerationConfig:
    """How the model in a directory generates, before it is opened; the defaults where its directory does not say."""
    kind: Any = GenerationConfig  # whose constructor has no types
    try:
        present = (directory / "generation_config.json").is_file()
        config: GenerationConfig = kind.from_pretrained(directory) if present else kind()
    except (OSError, ValueError) as error:
        raise PrunekitError(
            f"The generation_config.json in {str(directory)!r} cannot be used: {one_line(error)}"
        ) from error
    return config


def _matching(directory: Path, patterns: Sequence[str]) -> Iterator[Path]:
    return (path for pattern in patterns for path in sorted(directory.glob(pattern)))
