"""Parts of a model whose weights do not change while the rest trains."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from prunekit._support.patching import patched


@contextmanager
def frozen_parts(model: nn.Module, stacks: Sequence[str]) -> Iterator[None]:
    """Freeze ``encoder`` or ``decoder`` inside the block, except for weights that are tied to other parts.

    ``embedding`` stands for the token embeddings and the output projection. Trained on few texts, they forget the
    tokens that do not occur there: every step makes these less likely. A frozen encoder runs without dropout, so that
    its output for a row is always the same.

    Example: with its encoder frozen, Whisper's training steps take less than half the time, since the backward pass
    ends where the decoder begins.
    """
    whole: Any = model
    parts = {"encoder": whole.get_encoder, "decoder": whole.get_decoder}
    tables = [whole.get_input_embeddings(), whole.get_output_embeddings()] if "embedding" in stacks else []
    own = _own_parameters(model, [parts[stack]() for stack in stacks if stack in parts])
    frozen = {p for p in (*own, *(p for table in tables for p in table.parameters())) if p.requires_grad}
    for parameter in frozen:
        parameter.requires_grad_(False)
    try:
        with ExitStack() as block:
            if "encoder" in stacks:  # nothing that trains comes before it, so it needs no gradients at all
                encoder = whole.get_encoder()
                block.enter_context(patched(encoder, "forward", _without_gradients(encoder)))
            yield
    finally:
        for parameter in frozen:
            parameter.requires_grad_(True)


def _without_gradients(part: Any) -> Any:
    """The forward pass of a module, without gradients and without dropout."""
    run = part.forward

    def forward(*args: Any, **kwargs: Any) -> Any:
        part.train(False)
        with torch.no_grad():
            return run(*args, **kwargs)

    return forward


def _own_parameters(model: nn.Module, parts: Sequence[nn.Module]) -> list[nn.Parameter]:
    """The parameters that only these modules hold; a tied embedding is held elsewhere too."""
    inside = tuple(f"{name}." for name, module in model.named_modules() if any(module is part for part in parts))
    names: dict[nn.Parameter, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(parameter, []).append(name)
    return [parameter for parameter, paths in names.items() if all(path.startswith(inside) for path in paths)]
