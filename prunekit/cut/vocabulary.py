"""A smaller vocabulary in everything that knows tokens by number: configs, tables, and batches of ids."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel

from prunekit.errors import PrunekitError
from prunekit.find.keys import get_key, set_key
from prunekit.find.units import Kind, PruningGroup, PruningPlan

SIZE = re.compile(r"(\w+_)?vocab_size")
"""Keys of a config that say how many tokens there are."""

IDS = re.compile(
    r"\w+_token_ids?|(begin_)?suppress_tokens|bad_words_ids|force_words_ids|forced_decoder_ids|sequence_bias"
    r"|(lang|task)_to_id"
)
"""Keys of a config or a generation config that name tokens."""

FORBIDS = re.compile(r"(begin_)?suppress_tokens|bad_words_ids|sequence_bias")
"""Those that say what must not come, or seldom: what is gone needs no saying."""

BATCH = ("input_ids", "decoder_input_ids", "labels")
"""The tensors of a batch that hold token ids."""

Places = Mapping[int, int]
"""The new number of each token that stays, by its old one; ids beyond the table are left as they are."""


def tokens(groups: Sequence[PruningGroup]) -> PruningGroup | None:
    """The group of the vocabulary, if the model's can be cut."""
    return next((group for group in groups if group.kind is Kind.VOCABULARY and group.prunable), None)


def places(group: PruningGroup, plan: PruningPlan) -> dict[int, int]:
    """Where the tokens of a model end up that `plan` leaves of `group`. Example: {0: 0, 3: 1} where 1 and 2 go."""
    return {position: new for new, position in enumerate(group.positions(plan.of(group)))}


def named(model: PreTrainedModel) -> set[int]:
    """The ids that the model's configs name and that must therefore stay: ends, padding, languages, tasks."""
    found: set[int] = set()
    for config in (model.config, model.generation_config):
        for key in keys(config):
            leaf = key.rpartition(".")[2]
            if IDS.fullmatch(leaf) and not FORBIDS.fullmatch(leaf):
                found.update(_inside(get_key(config, key), forced=leaf == "forced_decoder_ids"))
    live: Any = model
    return {token for token in found if 0 <= token < live.get_output_embeddings().weight.shape[0]}


def _inside(value: Any, forced: bool = False) -> Iterator[int]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value[1:] if forced and value and isinstance(value[0], int) else value:
            yield from _inside(item, forced)
    elif isinstance(value, int) and not isinstance(value, bool):
        yield value


def keys(config: Any, path: str = "") -> Iterator[str]:
    """Every key of a config, and of those that it holds, that counts or names tokens."""
    for key, value in list(vars(config).items()):
        if isinstance(value, PretrainedConfig):
            yield from keys(value, f"{path}{key}.")
        elif value is not None and (SIZE.fullmatch(key) or IDS.fullmatch(key)):
            yield path + key


def renumber(config: Any, place: Places, before: int) -> None:
    """Let a config, which may hold others, speak of the tokens that are left of `before`; in place.

    Raises `PrunekitError` where it names one that is not.
    """
    for key in list(keys(config)):
        leaf, value = key.rpartition(".")[2], get_key(config, key)
        if SIZE.fullmatch(leaf):
            set_key(config, key, len(place) if value == before else value)
        else:
            set_key(config, key, _renumbered(leaf, value, place, before))


def _renumbered(key: str, value: Any, place: Places, before: int) -> Any:
    def one(token: Any) -> Any:
        if not isinstance(token, int) or not 0 <= token < before:
            return token
        if token not in place:
            raise PrunekitError(
                f"The plan drops the token {token}, which the model's config names as {key!r}; keep it."
            )
        return place[token]

    def left(item: Any) -> bool:
        return all(token in place or not 0 <= token < before for token in _inside(item))

    if isinstance(value, Mapping):
        return {name: one(token) for name, token in value.items()}
    if not isinstance(value, list | tuple):
        return one(value)
    if key == "forced_decoder_ids":
        return [[position, one(token)] for position, token in value]
    if key == "sequence_bias":
        return [[[one(token) for token in words], bias] for words, bias in value if left(words)]
    items = [item for item in value if left(item)] if FORBIDS.fullmatch(key) else value
    return [[one(token) for token in item] if isinstance(item, list | tuple) else one(item) for item in items]


def renumbered(batch: Mapping[str, Any], place: Places) -> dict[str, Any]:
    """A batch with the new numbers of its tokens, all of which must be left; labels keep their -100."""
    table = torch.full((max(place) + 1,), -1, dtype=torch.long)
    table[list(place)] = torch.tensor(list(place.values()))

    def moved(ids: Tensor) -> Tensor:
        return torch.where(ids < 0, ids, table.to(ids.device)[ids.clamp(min=0)])

    return {key: moved(value) if key in BATCH else value for key, value in batch.items()}


def settle(model: nn.Module, place: Places, biases: Sequence[str]) -> None:
    """What modules remember of tokens, beside their parameters: the padding's number, and constant biases.

    Raises `PrunekitError` where positions are counted from a padding token that would have another number.
    """
    order = torch.tensor(sorted(place))
    for name, buffer in list(model.named_buffers()):
        path, _, leaf = name.rpartition(".")
        if leaf in biases:
            setattr(model.get_submodule(path), leaf, buffer.index_select(-1, order.to(buffer.device)))
    for module in model.modules():
        if isinstance(old := getattr(module, "padding_idx", None), int):
            new = place.get(old, old)
            if new != old and hasattr(module, "make_weights"):
                raise PrunekitError(
                    f"The positions of this model are counted from its padding token, number {old}; keep every token "
                    "up to that one."
                )
            module.padding_idx = new  # type: ignore[assignment]
