"""The files that hold a model's weights: safetensors or pickles, whole or sharded, by the names wrappers left."""

import json
import pickle
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from prunekit.errors import PrunekitError, one_line

SAFETENSORS = ("model.safetensors", "model.safetensors.index.json")
PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json")
"""What transformers calls weights, whole or by an index of shards."""

PICKLED = (b"P", b"\x80")
"""What files of `torch.save` begin with: a zip archive, or a bare pickle of older versions."""

WRAPPERS = ("_orig_mod.", "module.")
"""What `torch.compile` and data parallelism put before the names of the parameters that they wrap."""


@dataclass(frozen=True)
class WeightFiles:
    """The weights in a model directory. Example: ``pytorch_model.bin``, which is pickled, or an index of two shards."""

    main: Path
    pickled: bool

    def names(self) -> list[str]:
        """The names of all parameters, as they are stored; raises `PrunekitError` for files that cannot be read."""
        try:
            if self.main.name.endswith(".index.json"):
                return list(json.loads(self.main.read_text(encoding="utf-8"))["weight_map"])
            if self.pickled:
                return _pickled_names(self.main)
            with safe_open(self.main, framework="pt") as file:
                return list(file.keys())
        except SafetensorError as error:
            place = str(self.main.parent)
            raise PrunekitError(f"The weights in {place!r} are damaged or cut short: {error}.") from error
        except PrunekitError:
            raise
        except Exception as error:  # an index that is none
            raise PrunekitError(
                f"The weights in {str(self.main)!r} cannot be loaded: {one_line(error, 300)}"
            ) from error

    def wrapper(self) -> str:
        """The prefix that a wrapper left before every name; empty where there is none."""
        names = self.names()
        prefix = ""
        for _ in WRAPPERS:  # each at most once
            shared = (wrapper for wrapper in WRAPPERS if all(name.startswith(prefix + wrapper) for name in names))
            prefix += next(shared, "")
        return prefix


def _pickled_names(file: Path) -> list[str]:
    """The names of the parameters in a pickle; raises `PrunekitError` where it holds anything else, or is none."""
    place = repr(str(file))
    try:
        held = torch.load(file, map_location="meta", weights_only=True)
    except Exception as error:  # torch's readers raise many types
        if isinstance(error, pickle.UnpicklingError) and _first_byte(file) in PICKLED:
            raise PrunekitError(
                f"The weights in {place} cannot be loaded: what is pickled there is more than tensors by name, such as "
                "a whole model, and opening it could run code; save the model's state_dict() in its place."
            ) from error
        raise PrunekitError(
            f"The weights in {place} cannot be loaded: the file is damaged, cut short, or not pickled by torch.save."
        ) from error
    if not isinstance(held, dict) or not all(isinstance(value, torch.Tensor) for value in held.values()):
        keys = f" with {', '.join(map(str, held))}"[:80] if isinstance(held, dict) else ""
        raise PrunekitError(
            f"The weights in {place} cannot be loaded: pickled there is a {type(held).__name__}{keys}, not tensors by "
            "name; save the model's state_dict() in its place."
        )
    return list(held)


def _first_byte(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(1)


def weight_files(directory: Path) -> WeightFiles | None:
    """The weights that a directory is opened by: safetensors before pickles; None where it holds neither."""
    for names, pickled in ((SAFETENSORS, False), (PICKLES, True)):
        for name in names:
            if (directory / name).exists():
                return WeightFiles(directory / name, pickled)
    return None


@contextmanager
def without_adapter_files(directory: Path) -> Iterator[Path]:
    """The directory as it would be without the files of a LoRA adapter, for the duration of the block.

    Where peft is installed, transformers applies an adapter that lies beside weights, also one that they contain
    already. A model must not depend on what else is installed.
    """
    if not (directory / "adapter_config.json").exists():
        yield directory
        return
    with tempfile.TemporaryDirectory(prefix="prunekit-") as place:
        for file in directory.iterdir():
            if not file.name.startswith("adapter_"):
                (Path(place) / file.name).symlink_to(file.resolve())
        yield Path(place)
