"""A fresh process that loads what another one saved: one serves all reloads, and has never seen the models."""

import atexit
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import PreTrainedModel

from prunekit.conform.specimen import LENGTH
from prunekit.cut import checkpoint
from prunekit.errors import PrunekitError, told


class Reader:
    """The other process. It reads a line of JSON that names a directory, and answers with a line of its own."""

    def __init__(self) -> None:
        offline = {**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
        command = [sys.executable, "-c", "from prunekit.conform.fresh import serve; serve()"]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # nobody reads it, and a full pipe would stop the process
            text=True,
            env=offline,
        )
        atexit.register(self.process.kill)

    def ask(self, directory: Path) -> None:
        """Have the model in ``directory/model`` answer to ``directory/inputs.safetensors``."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(str(directory)) + "\n")
        self.process.stdin.flush()
        if (answer := self.process.stdout.readline()).strip() != "done":
            raise PrunekitError(f"The saved model cannot be read in a fresh process: {answer.strip() or 'it died'}.")


_READERS: list[Reader] = []


def reload(model: PreTrainedModel, batch: dict[str, Tensor], inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Save `model`, and return the ``logits`` for `batch` that it gives in another process, and the ``tokens``.

    Without `inputs` nothing is generated.
    """
    if not _READERS or _READERS[0].process.poll() is not None:
        _READERS[:] = [Reader()]
    with tempfile.TemporaryDirectory() as place:
        directory = Path(place)
        checkpoint.save(model, directory / "model")
        named = {f"batch.{k}": v for k, v in batch.items()} | {f"inputs.{k}": v for k, v in inputs.items()}
        save_file(
            {name: tensor.contiguous().clone() for name, tensor in named.items()}, directory / "inputs.safetensors"
        )
        _READERS[0].ask(directory)
        found: dict[str, Tensor] = load_file(directory / "outputs.safetensors")
    return found


def serve() -> None:
    """The other process's loop."""
    for line in sys.stdin:
        try:
            answer(Path(json.loads(line)))
            reply = "done"
        except Exception as error:
            reply = told(error)
        print(reply, flush=True)


@torch.inference_mode()
def answer(directory: Path) -> None:
    """Load, run, generate, and leave logits and tokens beside the inputs."""
    model: Any = checkpoint.from_pretrained(directory / "model")
    tensors = load_file(directory / "inputs.safetensors")
    batch, inputs = (
        {name.removeprefix(part): value for name, value in tensors.items() if name.startswith(part)}
        for part in ("batch.", "inputs.")
    )
    found = {"logits": model(**batch, use_cache=False).logits.contiguous()}
    if inputs:
        found["tokens"] = model.generate(**inputs, **LENGTH).contiguous()
    save_file(found, directory / "outputs.safetensors")
