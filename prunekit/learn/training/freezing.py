"""A stack whose weights stay as they are while the rest of the model trains."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from prunekit._support.patching import patched


@contextmanager
def frozen_parts(model: nn.Module, stacks: Sequence[str]) -> Iterator[None]:
    """Hold ``encoder`` or ``decoder`` as they are inside the block, but for what other parts of the model hold too.

    ``embedding`` holds the table of tokens and the output projection. Trained on few texts, they unlearn the tokens
    that do not occur there: every step makes them less likely. A frozen encoder runs as in evaluation, so that it gives
    the same each time.

    Example: with its encoder frozen, Whisper's training steps take less than half the time, since the backward pass
    ends where the decoder begins.
    """
    whole: Any = model
    found = {"encoder": whole.get_encoder, "decoder": whole.get_decoder}
    tables = [whole.get_input_embeddings(), whole.get_output_embeddings()] if "embedding" in stacks else []
    own = _own(model, [found[stack]() for stack in stacks if stack in found])
    held = {p for p in (*own, *(p for table in tables for p in table.parameters())) if p.requires_grad}
    for parameter in held:
        parameter.requires_grad_(False)
    try:
        with ExitStack() as still:
            if "encoder" in stacks:  # nothing that trains lies before it
                still.enter_context(patched(whole.get_encoder(), "forward", _still(whole.get_encoder())))
            yield
    finally:
        for parameter in held:
            parameter.requires_grad_(True)


def _still(part: Any) -> Any:
    """What a module computes without gradients and without dropout."""
    run = part.forward

    def forward(*args: Any, **kwargs: Any) -> Any:
        part.train(False)
        with torch.no_grad():
            return run(*args, **kwargs)

    return forward


def _own(model: nn.Module, parts: Sequence[nn.Module]) -> list[nn.Parameter]:
    """The parameters that lie in these modules alone; a tied table lies outside too."""
    inside = tuple(f"{name}." for name, module in model.named_modules() if any(module is part for part in parts))
    names: dict[nn.Parameter, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(parameter, []).append(name)
    return [parameter for parameter, places in names.items() if all(place.startswith(inside) for place in places)]
