"""The words of a model for CTranslate2: a name for every row of its tables, and those that begin and end answers."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor
from transformers import PreTrainedModel

from prunekit.data.languages import languages_of
from prunekit.errors import PrunekitError
from prunekit.export.framing import Framing
from prunekit.export.whisper_prompt import is_multilingual

WHISPER_START = "<|startoftranscript|>"
WHISPER_END = "<|endoftext|>"
"""The tokens by which CTranslate2's Whisper starts and ends, whatever a config says."""

SPARE = ("<|startoflm|>", "<|startofprev|>")
"""Tokens of Whisper that no name is needed for."""


def register_words(spec: Any, loader: Any, made_up: Sequence[str], model: PreTrainedModel, tokenizer: Any) -> list[str]:
    """Name the rows of the tables of a specification, and return the words that the model writes, in order.

    A row is called as the tokenizer calls its number; where it has no such token, as the loader `made_up`. A model that
    reads one vocabulary and writes another gets both.
    """
    written = len(spec.decoder.embeddings.weight)
    read = len(spec.encoder.embeddings[0].weight) if hasattr(spec.encoder, "embeddings") else written
    source, target = vocabularies(tokenizer)
    words = _named_rows(target, written, made_up)
    if is_whisper(spec):
        _mark_kind(words, model)
    if source is target and read == written:
        loader.set_vocabulary(spec, words)
    else:
        spec.register_source_vocabulary(_named_rows(source, read, made_up))
        spec.register_target_vocabulary(words)
    return words


def vocabularies(tokenizer: Any) -> tuple[Mapping[str, int], Mapping[str, int]]:
    """The words that a tokenizer reads and those that it writes, with their ids: the same ones for most."""
    if getattr(tokenizer, "separate_vocabs", False):
        return tokenizer.encoder, tokenizer.target_encoder
    known = {**tokenizer.get_vocab(), **getattr(tokenizer, "lang_token_to_id", {})}  # M2M-100 counts languages apart
    return known, known


def _named_rows(vocabulary: Mapping[str, int], rows: int, made_up: Sequence[str]) -> list[str]:
    """A name for each of so many rows: the vocabulary's, else the one that a loader makes up for it, or a new one."""
    named = {row: word for row, word in enumerate(made_up) if word not in vocabulary}
    named |= {row: word for word, row in vocabulary.items()}
    return [named.get(row, f"<unused_{row}>") for row in range(rows)]


def is_whisper(spec: Any) -> bool:
    """Whether a specification is that of a Whisper, whose config names no tokens."""
    return not hasattr(spec.config, "decoder_start_token")


def _mark_kind(words: list[str], model: PreTrainedModel) -> None:
    """Let CTranslate2, and faster-whisper by it, see whether a Whisper takes languages, in place.

    It tells these by an empty word, which OpenAI's vocabularies of several languages have, and smaller ones may not.
    The word of a task that nobody asks for gives its name for it; programs know the tokens by their numbers.
    """
    if is_multilingual(model) and "" not in words:
        spare = next((words.index(word) for word in SPARE if word in words), None)
        if spare is not None:
            words[spare] = ""
    if getattr(model.generation_config, "is_multilingual", None) is False and "" in words:
        words[words.index("")] = "<unused>"


def frame_answers(spec: Any, model: PreTrainedModel, tokenizer: Any, framing: Framing, words: list[str]) -> None:
    """Let answers begin and end as the model's `generate` begins and ends them, which a loader asks the tokenizer for.

    A language that the decoder starts with is left to the user's target prefix, as for mBART. Raises `PrunekitError`
    where CTranslate2 cannot begin or end so.
    """
    if is_whisper(spec):
        _check_whisper(framing, words)
        if not spec.config.lang_ids and is_multilingual(model):
            spec.config.lang_ids = sorted(languages_of(tokenizer).values())
        return
    spec.config.eos_token = _word(words, framing.end_for(tokenizer.eos_token_id))
    for token in (*framing.ends, framing.ends[0] if framing.first is None else framing.first):
        _word(words, token)
    for key in ("bos_token", "unk_token"):  # the engine needs a word for either, though no answer depends on them
        if getattr(spec.config, key) is None:
            setattr(spec.config, key, spec.config.eos_token)
    if spec.decoder.start_from_zero_embedding is True and _starts_from_zero(model, framing.start):
        return
    spec.decoder.start_from_zero_embedding = False
    spoken = framing.start in languages_of(tokenizer).values()
    spec.config.decoder_start_token = None if spoken else _word(words, framing.start)


def _starts_from_zero(model: PreTrainedModel, start: int) -> bool:
    """Whether the decoder's table has nothing for the token that it starts with, as Marian's for padding."""
    whole: Any = model
    row: Tensor = whole.get_decoder().get_input_embeddings().weight[start]
    return not bool(row.any())


def _word(words: list[str], token: int) -> str:
    """The name of a token; raises `PrunekitError` for one that CTranslate2 has no row for."""
    if not 0 <= token < len(words):
        raise PrunekitError(
            f"The model's generation config begins or ends answers with token {token}, but CTranslate2 has only tokens "
            f"0 to {len(words) - 1} of it; export the model with --to plain."
        )
    return words[token]


def start_words(framing: Framing, settings: Mapping[str, Any], words: Sequence[str]) -> list[str]:
    """What a target prefix begins with where the `settings` of an exported model name no start: mBART's language."""
    return [] if settings["decoder_start_token"] else [words[framing.start]]


def _check_whisper(framing: Framing, words: list[str]) -> None:
    """Raise `PrunekitError` for a model that starts or ends by other tokens than CTranslate2's Whisper does."""
    own = {"starts": (WHISPER_START, (framing.start,)), "ends": (WHISPER_END, framing.ends)}
    for what, (word, tokens) in own.items():
        number = words.index(word) if word in words else None
        if number is not None and tokens != (number,):
            listed = " or ".join(f"{_word(words, token)!r} ({token})" for token in tokens)
            raise PrunekitError(
                f"CTranslate2 {what} a transcription with {word!r} ({number}), and this model with {listed}; export it "
                "with --to plain, or mend its generation config."
            )
