"""From one model's directory to another's: where the result may go, and what goes along."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from prunekit._support.atomic import atomic_write
from prunekit.errors import PrunekitError

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig

OWN = ("config.json", "generation_config.json", "plan.json", "modeling_prunekit.py", "README.md")
WEIGHTS = (".safetensors", ".bin", ".index.json", ".h5", ".msgpack")
"""Files of a model's directory that belong to its weights; what else lies there goes along."""


def check_output(output: Path) -> None:
    """Raise `PrunekitError` where something lies already."""
    if output.exists():
        raise PrunekitError(f"{str(output)!r} exists already; choose another --output, or remove it.")


@contextmanager
def written(source: Path, output: Path, replaced: tuple[str, ...] = ()) -> Iterator[Path]:
    """A draft of a directory that becomes `output` whole, or not at all, with what lay beside the weights in `source`.

    Files that the draft has, and those whose names begin as `replaced` say, do not go along.
    """
    with atomic_write(output) as draft:
        yield draft
        for file in source.iterdir():
            beside = file.is_file() and file.name not in OWN and not file.name.endswith(WEIGHTS)
            if beside and not file.name.startswith(replaced) and not (draft / file.name).exists():
                shutil.copyfile(file, draft / file.name)


def precision(config: "PretrainedConfig") -> "torch.dtype":
    """The type of a saved model's weights, float32 where its config says nothing."""
    import torch

    found: torch.dtype = getattr(torch, str(config.dtype or "float32").removeprefix("torch."))
    return found
