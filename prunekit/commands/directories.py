"""Model directories that commands write: a new one from an old one, with the files beside the weights."""

import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from prunekit._support.atomic import atomic_write
from prunekit.data.tokenizer_files import TOKENIZER_FILES
from prunekit.errors import PrunekitError

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig

COMPANIONS = (
    *TOKENIZER_FILES,
    *("preprocessor_config.json", "processor_config.json", "chat_template*", "*.jinja"),
    *("LICENSE*", "LICENCE*", "NOTICE*", "COPYING*"),
)
"""The files beside a model's weights that belong to it: tokenizer, feature extractor, templates, licence.

All others stay where they are: a training's state, other programs' weights, an adapter's files.
"""


def check_output(output: Path) -> None:
    """Raise `PrunekitError` if `output` exists."""
    if output.exists():
        raise PrunekitError(f"{str(output)!r} exists already; choose another --output, or remove it.")


@contextmanager
def derived_directory(source: Path, output: Path, replaced: Sequence[str] = ()) -> Iterator[Path]:
    """A draft of a model directory that becomes `output` if the block succeeds, completed from `source`.

    The `COMPANIONS` in `source` are copied, except those that the draft has and those that match one of `replaced`.
    """
    with atomic_write(output) as draft:
        yield draft
        for file in source.iterdir():
            belongs = file.is_file() and _matches(file, COMPANIONS) and not _matches(file, replaced)
            if belongs and not (draft / file.name).exists():
                shutil.copyfile(file, draft / file.name)


def _matches(file: Path, patterns: Iterable[str]) -> bool:
    return any(file.match(pattern) for pattern in patterns)


def saved_dtype(config: "PretrainedConfig") -> "torch.dtype":
    """The type of a saved model's weights; float32 if its config names none."""
    import torch

    found: torch.dtype = getattr(torch, str(config.dtype or "float32").removeprefix("torch."))
    return found
