"""Directories that hold a LoRA adapter and no model: their base model, and the model with the adapter merged in."""

import json
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel

from prunekit.errors import PrunekitError, one_line

ADAPTER = "adapter_config.json"


def is_adapter_alone(directory: Path) -> bool:
    """Whether a directory holds an adapter without a model of its own."""
    return (directory / ADAPTER).exists() and not (directory / "config.json").exists()


def base_model_of(directory: Path) -> str:
    """The directory or hub id of the model that the adapter in a directory was trained on.

    Raises `PrunekitError` where peft, which merges the two, is not installed, and where no base model is named.
    """
    try:
        import peft  # noqa: F401
    except ImportError as error:
        raise PrunekitError(
            f"{str(directory)!r} holds a LoRA adapter ({ADAPTER}) and no model; install peft, with which it is merged "
            "into its base model, or merge it yourself (merge_and_unload of peft) and give the merged model."
        ) from error
    try:
        base = json.loads((directory / ADAPTER).read_text(encoding="utf-8"))["base_model_name_or_path"]
    except (OSError, ValueError, KeyError) as error:
        raise PrunekitError(
            f"The LoRA adapter in {str(directory)!r} names no base model: {one_line(error)}."
        ) from error
    return str(base)


def merged(model: PreTrainedModel, directory: Path) -> PreTrainedModel:
    """The base model with the adapter of a directory merged into its weights, by peft.

    It is wrapped as a model of no task: before 0.21.2 peft asks sequence-to-sequence models for a method that
    transformers removed, and only for generating.
    """
    import peft

    try:
        config = peft.PeftConfig.from_pretrained(str(directory))
        config.task_type = None
        wrapped: Any = peft.PeftModel.from_pretrained(model, str(directory), config=config)
        return wrapped.merge_and_unload()  # type: ignore[no-any-return]
    except Exception as error:  # whatever peft meets in files of another version
        raise PrunekitError(
            f"The LoRA adapter in {str(directory)!r} cannot be merged into its base model: {one_line(error, 300)}"
        ) from error
