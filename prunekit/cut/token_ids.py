"""A smaller vocabulary in everything that knows tokens by number: configs, tables, and batches of ids."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel

from prunekit.errors import PrunekitError
from prunekit.find.config_keys import get_key, set_key
from prunekit.find.groups import Kind, PruningGroup
from prunekit.find.plan import PruningPlan

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


def vocabulary_group(groups: Iterable[PruningGroup]) -> PruningGroup | None:
    """The group of the vocabulary, if the model's can be cut."""
    return next((group for group in groups if group.kind is Kind.VOCABULARY and group.prunable), None)


@dataclass(frozen=True)
class Renumbering:
    """The new number of each token that stays, by its old one of `before` in all; ids beyond these stay as they are.

    Example: ``Renumbering({0: 0, 3: 1}, 4)`` where 1 and 2 go.
    """

    place: Mapping[int, int]
    before: int

    @classmethod
    def of(cls, groups: Iterable[PruningGroup], plan: PruningPlan) -> "Renumbering | None":
        """What `plan` does to the tokens of the model with these `groups`; None where none of them goes."""
        words = vocabulary_group(groups)
        if words is None or len(plan.of(words)) == len(words):
            return None
        return cls({position: new for new, position in enumerate(words.positions(plan.of(words)))}, len(words))

    @property
    def left(self) -> list[int]:
        """The old numbers of what stays, ascending."""
        return list(self.place)

    def ids(self, ids: Tensor) -> Tensor:
        """Ids of tokens that are left, by their new numbers; -100 stays."""
        table = torch.full((max(self.place) + 1,), -1, dtype=torch.long)
        table[self.left] = torch.tensor(list(self.place.values()))
        return torch.where(ids < 0, ids, table.to(ids.device)[ids.clamp(min=0)])

    def batch(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """A batch with the new numbers of its tokens, all of which must be left."""
        return {key: self.ids(value) if key in BATCH else value for key, value in batch.items()}

    def config(self, config: Any) -> None:
        """Let a config, which may hold others, speak of the tokens that are left; in place.

        Raises `PrunekitError` where it names one that is not.
        """
        for key in list(token_keys(config)):
            leaf, value = key.rpartition(".")[2], get_key(config, key)
            if SIZE.fullmatch(leaf):
                set_key(config, key, len(self.place) if value == self.before else value)
            else:
                set_key(config, key, self._value(leaf, value))

    def settings(self, overrides: Mapping[str, Any]) -> dict[str, Any]:
        """Settings of generation with the new numbers of the tokens that they name.

        Raises `PrunekitError` where one of them is not left.
        """
        return {key: self._value(key, value) if IDS.fullmatch(key) else value for key, value in overrides.items()}

    def modules(self, model: nn.Module, biases: Sequence[str]) -> None:
        """What modules remember of tokens, beside their parameters: the padding's number, and constant `biases`.

        Raises `PrunekitError` where positions are counted from a padding token that would have another number.
        """
        order = torch.tensor(self.left)
        for name, buffer in list(model.named_buffers()):
            path, _, leaf = name.rpartition(".")
            if leaf in biases:
                setattr(model.get_submodule(path), leaf, buffer.index_select(-1, order.to(buffer.device)))
        for module in model.modules():
            if isinstance(old := getattr(module, "padding_idx", None), int):
                new = self.place.get(old, old)
                if new != old and hasattr(module, "make_weights"):
                    raise PrunekitError(
                        f"The positions of this model are counted from its padding token, number {old}; keep every "
                        "token up to that one."
                    )
                module.padding_idx = new  # type: ignore[assignment]

    def _value(self, key: str, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: self._one(key, token) for name, token in value.items()}
        if not isinstance(value, list | tuple):
            return self._one(key, value)
        if key == "forced_decoder_ids":
            return [[position, self._one(key, token)] for position, token in value]
        if key == "sequence_bias":
            return [[self._list(key, words), bias] for words, bias in value if self._has(words)]
        items = [item for item in value if self._has(item)] if FORBIDS.fullmatch(key) else value
        return [self._list(key, item) if isinstance(item, list | tuple) else self._one(key, item) for item in items]

    def _list(self, key: str, words: Iterable[Any]) -> list[Any]:
        return [self._one(key, token) for token in words]

    def _one(self, key: str, token: Any) -> Any:
        if not isinstance(token, int) or not 0 <= token < self.before:
            return token
        if token not in self.place:
            raise PrunekitError(
                f"The plan drops the token {token}, which the model's config names as {key!r}; keep it."
            )
        return self.place[token]

    def _has(self, item: Any) -> bool:
        """Whether every token in a value is left, or none of the model's."""
        return all(token in self.place or not 0 <= token < self.before for token in _inside(item))


def token_ids_in_configs(model: PreTrainedModel, overrides: Mapping[str, Any]) -> set[int]:
    """The ids that must stay because the model's configs, or `overrides` of its generation config, name them.

    Ends, padding, languages, tasks.
    """
    settings = [
        (key.rpartition(".")[2], get_key(of, key))
        for of in (model.config, model.generation_config)
        for key in token_keys(of)
    ]
    found: set[int] = set()
    for key, value in [*settings, *overrides.items()]:
        if IDS.fullmatch(key) and not FORBIDS.fullmatch(key):
            found.update(_inside(value, forced=key == "forced_decoder_ids"))
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


def token_keys(config: Any, path: str = "") -> Iterator[str]:
    """Every key of a config, and of those that it holds, that counts or names tokens."""
    for key, value in list(vars(config).items()):
        if isinstance(value, PretrainedConfig):
            yield from token_keys(value, f"{path}{key}.")
        elif value is not None and (SIZE.fullmatch(key) or IDS.fullmatch(key)):
            yield path + key
