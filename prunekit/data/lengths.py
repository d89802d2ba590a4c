"""How many tokens a model can read and write: its positions, and the lengths that rows are cut to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn
from transformers import PretrainedConfig

from prunekit.errors import PrunekitError
from prunekit.recipe import TaskSection, Workload

SOURCE_DEFAULT = 1024
TARGET_DEFAULT = 256
"""The tokens that rows are cut to where neither the user nor the model's positions say otherwise."""

ENCODER_KEYS = ("max_encoder_position_embeddings", "max_position_embeddings")
DECODER_KEYS = ("max_target_positions", "max_decoder_position_embeddings", "max_position_embeddings")
"""Where configs say how many positions a stack has, the most particular first."""

ANSWER_LENGTHS = {"max_new_tokens": 0, "min_new_tokens": 0, "max_length": 1, "min_length": 1}
"""The generation settings that say how long answers are, with how many tokens they count that start one."""


@dataclass(frozen=True)
class Positions:
    """The most tokens that a model's encoder and decoder have positions for; None where there is no limit.

    Example: a BART has 1,024 of both, a T5 no limit, a Whisper 448 tokens of decoder.
    """

    source: int | None
    target: int | None

    @classmethod
    def of(cls, config: PretrainedConfig) -> "Positions":
        """By the config; of models put together from two, by the config of each."""
        halves: Any = config
        encoder = getattr(halves, "encoder", None)
        decoder = getattr(halves, "decoder", None)
        return cls(_first(encoder or config, ENCODER_KEYS), _first(decoder or config, DECODER_KEYS))


def _first(config: Any, keys: tuple[str, ...]) -> int | None:
    """The first of these keys that a config has; configs may hold parts as dictionaries."""
    values = config if isinstance(config, Mapping) else vars(config)
    found = (values.get(key) for key in keys)
    return next((value for value in found if isinstance(value, int)), None)


def positions_of(config: PretrainedConfig, structure: Any, ahead: int = 0) -> Positions:
    """By the config, less the rows of a table that stand before the first position, and `ahead` of the decoder's last.

    Tables with a padding row count from behind it: RoBERTa's of 514 rows, whose padding is number 1, serve 512 tokens.
    `structure` shows such tables: the model, or one of the same structure, however small.
    """
    given = Positions.of(config)
    tables = Positions.of(structure.config)
    halves: Any = config
    source = _served(given.source, tables.source, structure.get_encoder(), getattr(halves, "encoder", config))
    target = _served(given.target, tables.target, structure.get_decoder(), getattr(halves, "decoder", config))
    return Positions(source, None if target is None else target - ahead)


def _served(positions: int | None, rows: int | None, stack: nn.Module, config: Any) -> int | None:
    """The positions that a stack's table serves of those that the config gives it; `rows` has the table in `stack`."""
    padding = getattr(config, "pad_token_id", None)
    padded = any(_is_padded(path, module, rows) for path, module in stack.named_modules())
    return positions if positions is None or padding is None or not padded else positions - int(padding) - 1


def _is_padded(path: str, module: nn.Module, rows: int | None) -> bool:
    """Whether a module is a table of positions with a padding row, as RoBERTa's and ProphetNet's."""
    table = isinstance(module, nn.Embedding) and module.num_embeddings == rows and module.padding_idx is not None
    return table and "position" in path.rpartition(".")[2]


def fit_lengths(section: TaskSection, positions: Positions, prompt: int = 0) -> TaskSection:
    """The section with lengths that the model can do: the user's, or defaults no longer than its positions.

    `prompt` counts tokens that stand before every answer. Raises `PrunekitError` for a length that the user chose and
    the model has no positions for.
    """
    room = Positions(positions.source, None if positions.target is None else positions.target - prompt)
    source = _fitted("source_length", section.source_length, room.source, SOURCE_DEFAULT)
    target = _fitted("target_length", section.target_length, room.target, TARGET_DEFAULT)
    return section.model_copy(update={"source_length": source, "target_length": target})


def _fitted(key: str, asked: int | None, room: int | None, default: int) -> int:
    if asked is None:
        return default if room is None else min(default, room)
    if room is not None and asked > room:
        raise PrunekitError(
            f"task.{key} is {asked}, but the model has positions for {room} tokens there; set it to {room} or less."
        )
    return asked


def check_answer_lengths(generation: Mapping[str, Any], positions: Positions, prompt: int = 0) -> None:
    """Raise `PrunekitError` for generation settings by which answers would outgrow the decoder's positions.

    `prompt` counts tokens of a speech model that stand before every answer; a whole length holds them.
    """
    if positions.target is None:
        return
    for key, start in ANSWER_LENGTHS.items():
        asked = generation.get(key)
        room = positions.target if start else positions.target - prompt
        if isinstance(asked, int) and asked > room + start:
            raise PrunekitError(
                f"generation.{key} is {asked}, but the model has positions for {room} tokens of answers; "
                f"set it to {room + start} or less."
            )


def fit_workload(workload: Workload, positions: Positions) -> Workload:
    """A workload whose defaults, which nobody chose, are no longer than the model's positions."""
    room = {"source": positions.source, "new_tokens": positions.target}
    changed = {
        key: most
        for key, most in room.items()
        if key not in workload.model_fields_set and most is not None and getattr(workload, key) > most
    }
    return workload.model_copy(update=changed) if changed else workload
