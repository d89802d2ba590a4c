"""A model's lists of layers, and the config keys that count them: found by building it in several sizes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import nn
from transformers import PreTrainedModel

from prunekit.errors import PrunekitError
from prunekit.scaffold.sizes import DEPTH, ModelKind

SIDES = ("encoder", "decoder")


@dataclass(frozen=True)
class Layers:
    """A list of equal layers. Example: BART's ``model.decoder.layers``, counted by ``decoder_layers``.

    `own_depth` names the keys that count them in a config of the stack's own.
    """

    name: str
    path: str
    depth: tuple[str, ...]
    own_depth: tuple[str, ...]


def find_layers(kind: ModelKind, missing: list[str]) -> tuple[Layers, Layers]:
    """The encoder's layers and the decoder's; raises `PrunekitError` where either cannot be found.

    A key counts the layers of a list that grows when it does.
    """
    keys = [key for key in kind.sizes("tiny") if DEPTH.fullmatch(key)]
    same = dict.fromkeys(keys, 2)
    always = set(_lists_of(kind.build(**same), 3))
    grown = {key: set(_lists_of(kind.build(**{**same, key: 3}), 3)) - always for key in keys}
    tiny = kind.build()
    encoder, decoder = (_side(name, kind, tiny, grown, missing) for name in SIDES)
    shared = set(encoder.depth) & set(decoder.depth)
    if shared:
        missing.append(
            f"the key {sorted(shared)[0]!r} counts the layers of both stacks, so that they can only be pruned alike; "
            "name one key for each in `depth`."
        )
    return encoder, decoder


def _lists_of(model: nn.Module, depth: int) -> Iterator[str]:
    """The paths of outermost lists of `depth` equal layers."""
    found: list[str] = []
    for path, module in model.named_modules():
        equal = isinstance(module, nn.ModuleList) and len({type(layer) for layer in module}) == 1
        if equal and len(list(module.children())) == depth and not path.startswith(tuple(found)):
            found.append(f"{path}.")
            yield path


def _side(name: str, kind: ModelKind, tiny: PreTrainedModel, grown: dict[str, set[str]], missing: list[str]) -> Layers:
    """The layers of one stack, by the keys with which their list has `grown`."""
    paths = sorted({path for found in grown.values() for path in found if side_of(path) == name})
    if not paths:
        raise PrunekitError(
            f"No list of layers under {'an' if name == 'encoder' else 'a'} {name} of {type(tiny).__name__} grows with "
            f"any of {', '.join(grown) or 'its config keys'}; write the adapter by hand, see adapters/README.md."
        )
    if len(paths) > 1:
        missing.append(f"the {name} has several lists of layers, of which the first was taken: {', '.join(paths)}.")
    depth = tuple(key for key, found in grown.items() if paths[0] in found)
    return Layers(name, paths[0], depth, _own_keys(paths[0], tiny, depth, list(grown)))


def side_of(path: str) -> str | None:
    """The stack that a path leads to, by its first part that names one: ``decoder`` for ``decoder.bert.encoder``."""
    return next((side for part in path.split(".") for side in SIDES if side in part), None)


def _own_keys(path: str, tiny: PreTrainedModel, depth: Sequence[str], keys: Sequence[str]) -> tuple[str, ...]:
    """Keys that count the layers in a copy of the config that the module around them has to itself."""
    owner = tiny.get_submodule(path.rpartition(".")[0])
    own = getattr(owner, "config", tiny.config)
    count = len(list(tiny.get_submodule(path).children()))
    if own is tiny.config:
        return ()
    return tuple(key for key in keys if getattr(own, key) == count and key not in depth)
