"""A smaller vocabulary in everything that names tokens by number: configs, tables, and batches of ids."""

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

_SIZE = re.compile(r"(\w+_)?vocab_size")
"""Keys of a config that count tokens."""

_IDS = re.compile(
    r"\w+_token_ids?|(begin_)?suppress_tokens|bad_words_ids|force_words_ids|forced_decoder_ids|sequence_bias"
    r"|(lang|task)_to_id"
)
"""Keys of a config or a generation config that name tokens."""

_FORBIDS = re.compile(r"(begin_)?suppress_tokens|bad_words_ids|sequence_bias")
"""Those whose tokens are not to be generated, or seldom: a removed token can be left out of them."""

BATCH = ("input_ids", "decoder_input_ids", "labels")
"""The tensors of a batch that hold token ids."""

BEGINNING = "beginning"
"""What a batch calls the generation settings by which its answers begin, where not all rows are asked alike."""


def vocabulary_group(groups: Iterable[PruningGroup]) -> PruningGroup | None:
    """The group of the vocabulary; None where the architecture's cannot be pruned."""
    return next((group for group in groups if group.kind is Kind.VOCABULARY and group.prunable), None)


@dataclass(frozen=True)
class Renumbering:
    """The new number of each kept token by its old one, of `before` tokens in all; ids beyond these do not change.

    Example: ``Renumbering({0: 0, 3: 1}, 4)`` where tokens 1 and 2 are removed.
    """

    new_ids: Mapping[int, int]
    before: int

    @classmethod
    def of(cls, groups: Iterable[PruningGroup], plan: PruningPlan) -> "Renumbering | None":
        """How `plan` renumbers the tokens of the model with these `groups`; None where it removes none of them."""
        tokens = vocabulary_group(groups)
        if tokens is None or len(plan.of(tokens)) == len(tokens):
            return None
        kept = tokens.positions(plan.of(tokens))
        return cls({position: new for new, position in enumerate(kept)}, len(tokens))

    @property
    def kept_ids(self) -> list[int]:
        """The old numbers of the kept tokens, ascending."""
        return list(self.new_ids)

    def renumber(self, ids: Tensor) -> Tensor:
        """Ids of kept tokens by their new numbers, in a tensor of the same shape; negative ones do not change."""
        table = torch.full((max(self.new_ids) + 1,), -1, dtype=torch.long)
        table[self.kept_ids] = torch.tensor(list(self.new_ids.values()))
        return torch.where(ids < 0, ids, table.to(ids.device)[ids.clamp(min=0)])

    def renumber_batch(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """A batch with the new numbers of its tokens, all of which must be kept."""
        new = {key: self.renumber(value) if key in BATCH else value for key, value in batch.items()}
        return new | ({BEGINNING: self.renumber_settings(batch[BEGINNING])} if BEGINNING in batch else {})

    def renumber_config(self, config: Any) -> None:
        """Renumber the tokens in a config, and in those that it holds; in place.

        Raises `PrunekitError` where it names a removed token.
        """
        for key in list(token_keys(config)):
            leaf = key.rpartition(".")[2]
            value = get_key(config, key)
            if _SIZE.fullmatch(leaf):
                set_key(config, key, len(self.new_ids) if value == self.before else value)
            else:
                set_key(config, key, self._value(leaf, value))

    def renumber_settings(self, overrides: Mapping[str, Any]) -> dict[str, Any]:
        """Settings of generation with the new numbers of the tokens that they name.

        Raises `PrunekitError` where one of them is removed.
        """
        return {key: self._value(key, value) if _IDS.fullmatch(key) else value for key, value in overrides.items()}

    def renumber_modules(self, model: nn.Module, biases: Sequence[str]) -> None:
        """Update what modules hold of tokens beside their parameters: the padding's number, and constant `biases`.

        Raises `PrunekitError` where positions are counted from a padding token that would have another number.
        """
        for name, buffer in list(model.named_buffers()):
            path, _, leaf = name.rpartition(".")
            if leaf in biases:
                index = torch.tensor(self.kept_ids, device=buffer.device)
                setattr(model.get_submodule(path), leaf, buffer.index_select(-1, index))
        for module in model.modules():
            old = getattr(module, "padding_idx", None)
            if isinstance(old, int):
                module.padding_idx = self._padding(module, old)  # type: ignore[assignment]

    def _padding(self, module: nn.Module, old: int) -> int:
        new = self.new_ids.get(old, old)
        if new != old and hasattr(module, "make_weights"):
            raise PrunekitError(
                f"The positions of this model are counted from its padding token, number {old}; keep every token up to "
                "that one."
            )
        return new

    def _value(self, key: str, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: self._one(key, token) for name, token in value.items()}
        if not isinstance(value, list | tuple):
            return self._one(key, value)
        if key == "forced_decoder_ids":
            return [[position, self._one(key, token)] for position, token in value]
        if key == "sequence_bias":
            return [[self._list(key, words), bias] for words, bias in value if self._keeps(words)]
        items = [item for item in value if self._keeps(item)] if _FORBIDS.fullmatch(key) else value
        return [self._list(key, item) if isinstance(item, list | tuple) else self._one(key, item) for item in items]

    def _list(self, key: str, words: Iterable[Any]) -> list[Any]:
        return [self._one(key, token) for token in words]

    def _one(self, key: str, token: Any) -> Any:
        if not isinstance(token, int) or not 0 <= token < self.before:
            return token
        if token not in self.new_ids:
            raise PrunekitError(
                f"The plan drops the token {token}, which the model's config names as {key!r}; keep it."
            )
        return self.new_ids[token]

    def _keeps(self, item: Any) -> bool:
        """Whether every token in a value is kept, or is none of the model's."""
        return all(token in self.new_ids or not 0 <= token < self.before for token in _inside(item))


def token_ids_in_configs(model: PreTrainedModel, overrides: Mapping[str, Any]) -> set[int]:
    """The ids that must be kept because the model's configs, or `overrides` of its generation config, name them.

    Ends, padding, languages, tasks.
    """
    settings = [
        (key.rpartition(".")[2], get_key(of, key))
        for of in (model.config, model.generation_config)
        for key in token_keys(of)
    ]
    found: set[int] = set()
    for key, value in [*settings, *overrides.items()]:
        if _IDS.fullmatch(key) and not _FORBIDS.fullmatch(key):
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
    """Every key of a config, and of those that it holds, that counts or names tokens: ``decoder.vocab_size``."""
    for key, value in list(vars(config).items()):
        if isinstance(value, PretrainedConfig):
            yield from token_keys(value, f"{path}{key}.")
        elif value is not None and (_SIZE.fullmatch(key) or _IDS.fullmatch(key)):
            yield path + key
