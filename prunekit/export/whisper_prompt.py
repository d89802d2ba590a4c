"""What a Whisper's answers begin with: language, task and timestamps, as its generation config has them."""

from collections.abc import Sequence
from typing import Any

from transformers import PreTrainedModel
from transformers.models.whisper.tokenization_whisper import TO_LANGUAGE_CODE

from prunekit.data.speech_prompt import NO_TIMESTAMPS, TRANSCRIBE
from prunekit.export.framing import Framing


def prompt_of(model: PreTrainedModel, words: Sequence[str]) -> list[int | None]:
    """The tokens before an answer, by the rules of `generate`; None stands for a language that it has to hear first.

    Example: [50258, None, 50359, 50363] for a multilingual model that is told its task alone. `words` names the tokens
    in order. Raises ValueError for what the words have no token for.
    """
    own: Any = model.generation_config
    language = getattr(own, "language", None)
    task = getattr(own, "task", None)
    prompt = [Framing.of(model).start, *([] if language or task else _forced(model))]
    if language:
        prompt[1:2] = [_token(words, language_token(language))]
    elif getattr(own, "lang_to_id", None) and (len(prompt) == 1 or prompt[1] is None):
        prompt[1:2] = [None]
    if language or task:
        prompt.append(_token(words, f"<|{task or TRANSCRIBE}|>"))
    silent = _token(words, NO_TIMESTAMPS)
    spoken = [token for token in prompt if token != silent]
    return spoken if getattr(own, "return_timestamps", None) else [*spoken, silent]


def is_multilingual(model: PreTrainedModel) -> bool:
    """Whether a Whisper takes a language; English-only models have tokens of languages too, but no list of them."""
    own: Any = model.generation_config
    said = getattr(own, "is_multilingual", None)
    return bool(getattr(own, "lang_to_id", None)) if said is None else bool(said)


def language_token(language: str) -> str:
    """The token of a language by its code, its token or its English name: ``<|de|>`` of ``de`` and of ``German``."""
    name = language.strip("<|>").lower()
    return f"<|{TO_LANGUAGE_CODE.get(name, name)}|>"


def _forced(model: PreTrainedModel) -> list[int | None]:
    """The language and the task of checkpoints that have them as ``forced_decoder_ids``, which count from 1."""
    known = (getattr(holder, "forced_decoder_ids", None) for holder in (model.generation_config, model.config))
    return [token for _, token in next(filter(None, known), ())]


def _token(words: Sequence[str], word: str) -> int:
    if word not in words:
        raise ValueError(f"it transcribes by Whisper's own tokens, and the tokenizer has no {word}")
    return words.index(word)
