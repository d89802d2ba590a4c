"""How a model's own `generate` begins and ends its answers, so that an engine is asked for the same."""

from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedModel

from prunekit.errors import PrunekitError


@dataclass(frozen=True)
class Framing:
    """The tokens around an answer. Example: an NLLB for German starts with 2 and a forced 256042, and ends with 2.

    `first` is the forced token, None where the model chooses; each of `ends` ends an answer.
    """

    start: int
    first: int | None
    ends: tuple[int, ...]

    @classmethod
    def of(cls, model: PreTrainedModel) -> "Framing":
        """As the generation config has it, or else the config; raises `PrunekitError` where neither does."""
        own: Any = model.generation_config
        start = _listed(model, "decoder_start_token_id")[0]
        return cls(start, getattr(own, "forced_bos_token_id", None), _listed(model, "eos_token_id"))

    def end_for(self, preferred: int | None) -> int:
        """The one end of an engine that knows only one: `preferred` where it is among them."""
        return preferred if preferred in self.ends else self.ends[0]


def _listed(model: PreTrainedModel, key: str) -> tuple[int, ...]:
    """The tokens under a key of the generation config, or else of the config."""
    known = (getattr(holder, key, None) for holder in (model.generation_config, model.config))
    found = next((value for value in known if value is not None), None)
    if found is None:
        raise PrunekitError(f"The config names no {key}, which CTranslate2 needs to know; set and save it.")
    return tuple(found) if isinstance(found, list | tuple) else (found,)
