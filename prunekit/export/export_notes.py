"""What a user is told of an export beside its parity: how it is asked as the model is, and what it cannot do."""

import inspect
from collections.abc import Iterator
from typing import Any, cast

from transformers import PreTrainedModel

from prunekit.data.languages import languages_of
from prunekit.export.ctranslate2_words import vocabularies
from prunekit.export.formats import ExportFormat
from prunekit.export.framing import Framing
from prunekit.export.whisper_prompt import is_multilingual, language_token

DECODING = ("length_penalty", "repetition_penalty", "no_repeat_ngram_size")
"""Settings of a generation config that CTranslate2, which knows nothing of that config, has by the same names."""


def export_notes(
    model: PreTrainedModel, to: ExportFormat, tokenizer: Any = None, extractor: Any = None
) -> Iterator[str]:
    """Sentences about the export of a model. Example: that answers are German with ``target_prefix=[['de_DE']]``.

    An export to CTranslate2, whose programs see neither config nor generation config, needs the `tokenizer`; that of a
    speech model has the feature `extractor` with it, unless the model was saved without.
    """
    own: Any = model.generation_config
    generate: Any = cast(Any, model).generate
    times_words = "return_token_timestamps" in inspect.signature(generate).parameters
    if times_words and not getattr(own, "alignment_heads", None):
        yield (
            "It gives no word timestamps: its generation config lists no heads that time words (alignment_heads), as "
            "after a cut that removed all of them."
        )
    if to is ExportFormat.CTRANSLATE2 and model.main_input_name == "input_ids":
        yield from _text_notes(model, tokenizer)
    elif to is ExportFormat.CTRANSLATE2:
        if extractor is None:
            yield (
                "The model was saved without a feature extractor, so programs take that of the first Whispers, for 80 "
                "mel bins and 30 seconds; save the model's beside it (extractor.save_pretrained) and export it again."
            )
        yield from _speech_notes(model)


def _text_notes(model: PreTrainedModel, tokenizer: Any) -> Iterator[str]:
    """How texts are translated as `generate` does, and where the tokenizer or the config says something else."""
    framing = Framing.of(model)
    words = {token: word for word, token in vocabularies(tokenizer)[1].items()}
    yield _asked("translator.translate_batch", "tokens", _translation(model, framing, words, tokenizer))
    languages = languages_of(tokenizer)
    if languages and not {framing.start, framing.first} & {*languages.values()}:
        example = _name(words, next(iter(languages.values())))
        yield (
            "No language of answers is set in the generation config, so the model takes one by itself; name it for "
            f"each text where it matters, as in target_prefix=[[{example!r}], ...]."
        )
    named = {
        "tokenizer ends texts": (tokenizer.eos_token_id, framing.ends),
        "config starts answers": (getattr(model.config, "decoder_start_token_id", None), (framing.start,)),
    }
    for what, (token, real) in named.items():
        if token is not None and token not in real:
            listed = " or ".join(f"{_name(words, one)!r} ({one})" for one in real)
            yield (
                f"The {what} with {_name(words, token)!r} ({token}), but the generation config, which generate "
                f"follows, says {listed}: so does the export."
            )


def _translation(model: PreTrainedModel, framing: Framing, words: dict[int, str], tokenizer: Any) -> dict[str, str]:
    """The options of CTranslate2's translator for what `generate` does, as they are written."""
    own: Any = model.generation_config
    spoken = framing.start in languages_of(tokenizer).values()
    prefix = [_name(words, token) for token in (framing.start if spoken else None, framing.first) if token is not None]
    options = {"target_prefix": f"[{prefix}] * len(tokens)"} if prefix else {}
    if len(framing.ends) > 1:
        options["end_token"] = repr([_name(words, token) for token in framing.ends])
    options["beam_size"] = repr(own.num_beams or 1)
    options["min_decoding_length"] = repr(own.min_new_tokens or 0)
    longest = own.max_new_tokens or (own.max_length and own.max_length - 1)
    given = {**{key: getattr(own, key, None) for key in DECODING}, "max_decoding_length": longest}
    return options | {name: repr(value) for name, value in given.items() if value}


def _speech_notes(model: PreTrainedModel) -> Iterator[str]:
    """How recordings are transcribed as `generate` does."""
    own: Any = model.generation_config
    told = {"language": language_token(own.language).strip("<|>")} if getattr(own, "language", None) else {}
    told |= {"task": own.task} if getattr(own, "task", None) else {}
    options = {key: repr(value) for key, value in told.items() if is_multilingual(model)}
    options["beam_size"] = repr(own.num_beams or 1)
    options["without_timestamps"] = repr(not getattr(own, "return_timestamps", None))
    yield _asked("faster_whisper.WhisperModel(directory).transcribe", "audio", options)


def _name(words: dict[int, str], token: int) -> str:
    """A token as the export calls it."""
    return words.get(token, f"<unused_{token}>")


def _asked(function: str, argument: str, options: dict[str, str]) -> str:
    listed = ", ".join([argument, *(f"{name}={value}" for name, value in options.items())])
    return f"Asked as the model's generate asks, it is: {function}({listed})"
