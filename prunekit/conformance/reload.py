"""Fresh processes that load what this one saved: each serves many reloads, and has never seen the models."""

import atexit
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import PreTrainedModel

from prunekit.conformance import worker
from prunekit.conformance.model_under_test import LENGTH, WAYS
from prunekit.cut import checkpoint
from prunekit.errors import PrunekitError

WITH_PRUNEKIT = ("-c", "from prunekit.conformance.reload import serve_prunekit; serve_prunekit()")
TRANSFORMERS_ALONE = (str(Path(worker.__file__)),)
"""What the process runs: prunekit's own loader, or transformers where prunekit cannot be imported."""


class ReloadProcess:
    """The other process. It reads a line of JSON that names a directory, and answers with a line of its own."""

    def __init__(self, program: Sequence[str], modules: str) -> None:
        offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error", "HF_MODULES_CACHE": modules}
        self.process = subprocess.Popen(
            [sys.executable, *program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # nobody reads it, and a full pipe would stop the process
            text=True,
            env={**os.environ, **offline},
        )
        atexit.register(self.process.kill)

    def ask(self, directory: Path, way: str) -> None:
        """Have the model in ``directory/model`` answer to ``directory/inputs.safetensors``, and generate in a way."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"directory": str(directory), "generate": {**LENGTH, **WAYS[way]}}) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        if answer != "done":
            raise PrunekitError(f"The saved model cannot be read in a fresh process: {answer or 'the process died'}.")


_PROCESSES: dict[Sequence[str], ReloadProcess] = {}
_MODULES = tempfile.TemporaryDirectory(prefix="prunekit-modules-")


def reload(
    model: PreTrainedModel,
    batch: dict[str, Tensor],
    inputs: dict[str, Tensor],
    program: Sequence[str] = WITH_PRUNEKIT,
    way: str = "greedy",
) -> dict[str, Tensor]:
    """Save `model`, and return the ``logits`` for `batch` that it gives in another process, and the ``tokens``.

    These are generated from `inputs` in one of the `WAYS`; there are none without inputs.
    """
    if program not in _PROCESSES or _PROCESSES[program].process.poll() is not None:
        _PROCESSES[program] = ReloadProcess(program, _MODULES.name)
    with tempfile.TemporaryDirectory() as place:
        directory = Path(place)
        checkpoint.save(model, directory / "model")
        tensors = {f"batch.{k}": v for k, v in batch.items()} | {f"inputs.{k}": v for k, v in inputs.items()}
        save_file(
            {name: tensor.contiguous().clone() for name, tensor in tensors.items()}, directory / "inputs.safetensors"
        )
        _PROCESSES[program].ask(directory, way)
        found: dict[str, Tensor] = load_file(directory / "outputs.safetensors")
    return found


def serve_prunekit() -> None:
    """The other process's loop, with prunekit's loader."""
    worker.serve(checkpoint.from_pretrained)
