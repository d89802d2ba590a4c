"""``prunekit export``: a pruned model for programs that know only stock architectures."""

import shutil
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from prunekit.commands import options
from prunekit.commands.console import OUT

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from prunekit.find.adapter import Adapter

OWN = ("config.json", "generation_config.json", "plan.json", "modeling_prunekit.py", "README.md")
"""Files of a model's directory that belong to its weights; what else lies there goes along."""


class Format(StrEnum):
    """What the result is."""

    PLAIN = "plain"


def export(
    model: Annotated[str, typer.Argument(metavar="DIR", help="A directory with a model that prunekit pruned.")],
    to: Annotated[
        Format, typer.Option("--to", help="plain: the stock architecture, with zeros where heads and channels went.")
    ],
    output: Annotated[Path, typer.Option(metavar="DIR", help="Where the result goes; must not exist.")],
    adapter: options.Adapter = None,
    debug: options.Debug = False,
) -> None:
    """Write a pruned model in another form, and prove that it computes the same.

    The plain form opens everywhere and keeps the speed of the dropped layers, not that of narrower ones.
    """
    from prunekit.commands.progress import Display
    from prunekit.cut.pad import padded
    from prunekit.errors import PrunekitError
    from prunekit.files import replacing
    from prunekit.find.graph import discover
    from prunekit.pretrained import located, open_config, open_model, original_of
    from prunekit.subject import adapter_for

    if output.exists():
        raise PrunekitError(f"{str(output)!r} exists already; choose another --output, or remove it.")
    directory = located(model)
    config = open_config(directory)
    if not getattr(config, "prunekit", None):
        raise PrunekitError(f"{model!r} is not a pruned model, so it is as plain as it can be.")
    _, known = adapter_for(config, adapter)
    with Display():
        small = open_model(directory, config, known)
        original = original_of(small, known)
        large = padded(small, known, discover(known, original.config, original))
        difference = parity(small, large, known)
        with replacing(output) as draft:
            large.save_pretrained(draft)
            for file in directory.iterdir():
                if file.is_file() and file.name not in OWN and file.suffix not in (".safetensors", ".bin"):
                    shutil.copyfile(file, draft / file.name)
    OUT.print(f"{large.config.model_type} in {output}: logits differ by {difference:.1e} of the largest, tokens equal.")


def parity(one: "PreTrainedModel", other: "PreTrainedModel", adapter: "Adapter") -> float:
    """How far two models are apart, as a share of the largest logit; raises `PrunekitError` where that is too far."""
    import torch

    from prunekit.errors import PrunekitError
    from prunekit.measure.equivalence import ALARM, compare, observe

    inputs = adapter.encoder_inputs(one.config, 4)
    batch = {**inputs, "decoder_input_ids": torch.tensor([[3, 4, 5, 6]]).repeat(4, 1)}
    found = compare(observe(one, [batch]), observe(other, [batch]))
    if found.max_rel_diff > ALARM[one.dtype] or not found.tokens_equal:
        raise PrunekitError(
            f"The exported model differs from the pruned one (logits by {found.max_rel_diff:.1e} of the largest, "
            f"tokens {'equal' if found.tokens_equal else 'different'}), so nothing was written; please report it."
        )
    return found.max_rel_diff
