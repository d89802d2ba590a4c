"""Checkpoints of pruned models: written in one step, read back exactly, and never with a re-initialised weight."""

import copy
import json
import logging
import pickle
import re
from functools import reduce
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError, safe_open
from transformers import CONFIG_MAPPING, PretrainedConfig, PreTrainedModel

from prunekit._support.atomic import atomic_write
from prunekit.cut.auto_classes import auto_classes
from prunekit.cut.format_upgrade import upgrade_record
from prunekit.cut.pruned_model import PREFIX, Pruned, pruned_class, pruned_config_class
from prunekit.cut.weight_files import weight_files, without_adapter_files
from prunekit.errors import PrunekitError, one_line
from prunekit.find.plan import PruningPlan

log = logging.getLogger(__name__)

_DTYPES = {"F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32, "F64": torch.float64}


def save(model: PreTrainedModel, directory: Path, tokenizer: Any = None, card: str | None = None) -> None:
    """Write config, safetensors, plan and, where given, tokenizer and card; `directory` appears whole or not at all."""
    with atomic_write(directory) as draft:
        model.save_pretrained(draft)
        if tokenizer is not None:
            tokenizer.save_pretrained(draft)
        if card is not None:
            (draft / "README.md").write_text(card, encoding="utf-8")
        plan = plan_of(model)
        if plan is not None:
            (draft / "plan.json").write_text(plan.to_json(), encoding="utf-8")


def read_config(directory: Path | str) -> dict[str, Any]:
    """The parsed ``config.json`` of a model directory, as it is; raises `PrunekitError` where there is none."""
    path = Path(directory) / "config.json"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PrunekitError(f"{str(directory)!r} is not a model directory: it has no readable config.json.") from error
    except ValueError as error:
        raise PrunekitError(f"{str(path)!r} is not valid JSON: {error}.") from error
    if not isinstance(data, dict):
        raise PrunekitError(f"{str(path)!r} does not hold a model's config.")
    return data


def is_pruned(directory: Path | str) -> bool:
    """Whether a directory holds a model that prunekit cut."""
    return bool(read_config(directory).get("prunekit"))


def load_config(directory: Path | str) -> PretrainedConfig:
    """The config of a pruned model directory, of its own class, with its record in today's format.

    Raises `PrunekitError` for a directory that holds no pruned model, or one of a newer format.
    """
    data = read_config(directory)
    base = str(data.get("model_type", "")).removeprefix(PREFIX)
    if not is_pruned(directory) or base not in CONFIG_MAPPING:
        raise PrunekitError(f"{str(directory)!r} does not hold a model that prunekit cut; load it with transformers.")
    record = upgrade_record(data["prunekit"], repr(str(directory)))
    config: PretrainedConfig = pruned_config_class(CONFIG_MAPPING[base]).from_dict(
        {**data, **_dense_widths(record), "model_type": PREFIX + base, "prunekit": record}
    )
    return config


def from_pretrained(directory: Path | str, dtype: torch.dtype | None = None) -> PreTrainedModel:
    """Load a model that prunekit saved; logits are identical to those before saving.

    `dtype` None keeps the dtypes of the file. Raises `PrunekitError` where the weights are damaged or do not fill the
    model exactly.
    """
    config = load_config(directory)
    kind = pruned_class(getattr(transformers, config.prunekit["base"]))
    model = load_weights(kind, directory, config=config, dtype=dtype or config.dtype or torch.float32)
    if dtype is None:
        _keep_dtypes(model, Path(directory))
    return model


def _keep_dtypes(model: PreTrainedModel, directory: Path) -> None:
    """Give parameters the dtypes they were saved in: transformers widens some of a float16 T5's to float32."""
    live = dict(model.named_parameters(remove_duplicate=False))
    for path in directory.glob("*.safetensors"):
        with safe_open(path, "pt") as file:
            for name in live.keys() & set(file.keys()):
                if live[name].dtype != _DTYPES.get(file.get_slice(name).get_dtype()):
                    live[name].data = file.get_tensor(name)


def load_weights(kind: Any, directory: Path | str, **options: Any) -> PreTrainedModel:
    """`kind.from_pretrained`, refusing any weight that is missing, unexpected or of another shape.

    Safetensors come before pickles, which are opened without running code. Prefixes of wrappers are taken off, and LoRA
    files that lie beside the weights are never applied.
    """
    place = Path(directory)
    files = weight_files(place)
    if files is None:
        raise PrunekitError(f"The weights in {str(directory)!r} cannot be loaded: there is no model.safetensors.")
    wrapper = files.wrapper()
    if wrapper:
        log.info("The names of the weights in %s begin with %s, which is taken off.", files.main, wrapper)
        options["key_mapping"] = {f"^{re.escape(wrapper)}": ""}
    try:
        with without_adapter_files(place) as clean:
            model, info = kind.from_pretrained(
                clean, use_safetensors=not files.pickled, weights_only=True, output_loading_info=True, **options
            )
    except SafetensorError as error:
        raise PrunekitError(f"The weights in {str(directory)!r} are damaged or cut short: {error}.") from error
    except (RuntimeError, OSError, pickle.UnpicklingError) as error:
        raise PrunekitError(f"The weights in {str(directory)!r} cannot be loaded: {one_line(error, 300)}") from error
    model.config._name_or_path = str(directory)
    model.name_or_path = str(directory)
    for problem in ("missing_keys", "mismatched_keys", "unexpected_keys"):
        names = sorted(map(str, info.get(problem) or ()))
        if names:
            raise PrunekitError(
                f"The weights in {str(directory)!r} do not fit their config: {problem.replace('_keys', '')} {names[0]}"
                + (f" and {len(names) - 1} more." if len(names) > 1 else ".")
            )
    loaded: PreTrainedModel = model.eval()
    return loaded


def auto_class_of(model: PreTrainedModel) -> tuple[str, bool]:
    """The Auto class of transformers that opens `model` once it is saved, and whether it then is a stock model."""
    if isinstance(model, Pruned):
        record = model.config.prunekit
        return record["auto"][0], record.get("plain") is not None
    return auto_classes(type(model))[0], True


def plan_of(model: PreTrainedModel) -> PruningPlan | None:
    """What a pruned model kept of the original; None for a dense model."""
    return plan_in(model.config)


def plan_in(config: PretrainedConfig) -> PruningPlan | None:
    """The plan in the record of a config; None in a dense model's."""
    record = _record_in(config)
    return None if record is None else PruningPlan.from_ranges(record["plan"])


def _record_in(config: PretrainedConfig) -> dict[str, Any] | None:
    """The record of the cut in a config, in today's format; None in a dense model's."""
    record = getattr(config, "prunekit", None)
    return upgrade_record(record) if record else None


def dense_config(config: PretrainedConfig) -> PretrainedConfig:
    """The config of the original model: `config` itself unless it belongs to a pruned one."""
    record = _record_in(config)
    if record is None:
        return config
    data = copy.deepcopy(config.to_dict())
    removed = dict.fromkeys(("prunekit", "model_type", "auto_map"))
    for key, value in {**record["dense"], **_dense_widths(record), **removed}.items():
        *path, leaf = key.split(".")
        holder = reduce(dict.__getitem__, path, data)
        holder.pop(leaf, None)
        if value is not None:
            holder[leaf] = value
    original: PretrainedConfig = CONFIG_MAPPING[config.model_type.removeprefix(PREFIX)].from_dict(data)
    return original


def _dense_widths(record: dict[str, Any]) -> dict[str, int]:
    """The dense values of the keys by which a stock config expresses the cut model's widths."""
    return {key: dense for key, (dense, _) in (record.get("plain") or {}).items()}
