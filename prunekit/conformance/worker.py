"""What another process does with a saved model; as a program, one in which transformers alone loads it.

Reads lines of JSON with a directory and how to generate; answers "done", or the error. Imports no prunekit.
"""

import json
import sys
from collections.abc import Callable
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

OURS = ("prunekit", "torch_pruning")


class BlockPrunekit(MetaPathFinder):
    """Makes a process behave as if prunekit were not installed."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> None:
        """Refuse prunekit, and the packages that it brings."""
        if fullname.partition(".")[0].startswith(OURS):
            raise ModuleNotFoundError(f"No module named {fullname!r}")


def serve(load: Callable[[Path], Any]) -> None:
    """Answer every line on the standard input."""
    for line in sys.stdin:
        try:
            asked = json.loads(line)
            answer(Path(asked["directory"]), load, asked["generate"])
            reply = "done"
        except Exception as error:
            reply = f"{type(error).__name__}: {' '.join(str(error).split())}"
        print(reply, flush=True)


@torch.inference_mode()
def answer(directory: Path, load: Callable[[Path], Any], generate: dict[str, Any]) -> None:
    """Load ``model``, give it ``inputs.safetensors``, and leave its logits and tokens in ``outputs.safetensors``."""
    model: Any = load(directory / "model")
    tensors = load_file(directory / "inputs.safetensors")
    batch, inputs = (
        {name.removeprefix(part): value for name, value in tensors.items() if name.startswith(part)}
        for part in ("batch.", "inputs.")
    )
    found = {"logits": model(**batch, use_cache=False).logits.contiguous()}
    if inputs:
        found["tokens"] = model.generate(**inputs, **generate).contiguous()
    save_file(found, directory / "outputs.safetensors")


def load_by_transformers(directory: Path) -> Any:
    """The model as anybody loads it, saved once more and loaded again, by the Auto class that its config names."""
    import transformers

    named = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    if "auto_map" in named:
        auto = getattr(transformers, next(name for name in named["auto_map"] if name != "AutoConfig"))
    else:  # a stock model, which must not need the flag
        auto = getattr(transformers, named["architectures"][0])
    options = {"dtype": getattr(torch, named.get("dtype") or "float32"), "trust_remote_code": "auto_map" in named}
    auto.from_pretrained(directory, **options).save_pretrained(directory.with_name("again"))
    return auto.from_pretrained(directory.with_name("again"), **options)


if __name__ == "__main__":
    sys.meta_path.insert(0, BlockPrunekit())
    serve(load_by_transformers)
