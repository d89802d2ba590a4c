"""The languages of a multilingual tokenizer, and how an answer begins in one of them."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from transformers import PreTrainedTokenizerBase

from prunekit.errors import PrunekitError

LANGUAGE_TOKEN = re.compile(
    r"(?P<nllb>[a-z]{3}_[A-Z][a-z]{3})|(?P<mbart>[a-z]{2,3}_[A-Z]{2})"
    r"|__(?P<m2m>[A-Za-z_]+?)__|<\|(?P<whisper>[a-z]{2,3})\|>"
)
"""Language tokens: ``deu_Latn`` in NLLB, ``de_DE`` in mBART, ``__de__`` in M2M-100, ``<|de|>`` in Whisper."""

FRAMING = ("pad", "bos", "eos", "unk", "sep", "cls", "mask", "decoder_start")
"""The tokens that tokenizers name for what they are, which are no part of a text."""

MARK = re.compile(r"<\|.*\|>")
"""Whisper's marks: tasks, languages, timestamps."""

LISTED = 5
"""How many languages a sentence names where none is near."""


def languages_of(tokenizer: PreTrainedTokenizerBase) -> dict[str, int]:
    """The languages that a tokenizer has tokens for, by name, with the tokens' ids; none for a monolingual one."""
    found = {}
    for token in sorted(set(tokenizer.all_special_tokens)):
        match = LANGUAGE_TOKEN.fullmatch(token)
        number = tokenizer.convert_tokens_to_ids(token) if match is not None else None
        if match is not None and isinstance(number, int) and tokenizer.convert_ids_to_tokens(number) == token:
            found[next(filter(None, match.groups()))] = number
    return dict(sorted(found.items()))


def check_language(tokenizer: PreTrainedTokenizerBase, language: str) -> None:
    """Raise `PrunekitError`, with the nearest names, for a language that the tokenizer has no token for."""
    known = languages_of(tokenizer)
    if known and language not in known:
        raise PrunekitError(
            f"{type(tokenizer).__name__} has no language {language!r}; {_nearest(language, list(known))}"
        )


def _nearest(language: str, known: Sequence[str]) -> str:
    """``did you mean 'deu_Latn'?``, or some of the languages that there are."""
    short = language.lower()[:2]
    same = [name for name in known if name.split("_")[0] == re.split("[_-]", language.lower())[0]]
    close = difflib.get_close_matches(language, same or known, n=1)
    alike = close or same[:LISTED] or [name for name in known if name.startswith(short)][:LISTED]
    if alike:
        return f"did you mean {' or '.join(map(repr, alike))}?"
    return f"it has {len(known)}, such as {', '.join(known[:LISTED])}."


def tell_languages(tokenizer: Any, source: str | None, target: str | None) -> tuple[str, ...]:
    """Set a tokenizer's languages; returns those that reach nothing, since the tokenizer knows none.

    Raises `PrunekitError` for a language that a multilingual tokenizer has no token for, and for a tokenizer that
    encodes no target without one.
    """
    unused = set_languages(tokenizer, source, target)
    _check_target(tokenizer)
    return unused


def set_languages(tokenizer: Any, source: str | None, target: str | None) -> tuple[str, ...]:
    """The same for a tokenizer whose target language may come later, with each row."""
    unused = []
    for attribute, language in (("src_lang", source), ("tgt_lang", target)):
        if language is None:
            continue
        if not hasattr(tokenizer, attribute) or getattr(tokenizer, "lang_code_to_id", None) == {}:
            unused.append(language)
            continue
        check_language(tokenizer, language)
        setattr(tokenizer, attribute, language)
    return tuple(unused)


def _check_target(tokenizer: Any) -> None:
    """Raise `PrunekitError` for a tokenizer that encodes no target before it knows its language, as M2M-100's."""
    if getattr(tokenizer, "tgt_lang", "") is not None:
        return
    try:
        tokenizer(text_target="")
    except KeyError as error:
        known = ", ".join(list(languages_of(tokenizer))[:LISTED])
        raise PrunekitError(
            f"{type(tokenizer).__name__} encodes no target without a language; set task.target_language, for example "
            f"to one of {known}."
        ) from error


@contextmanager
def speaking(tokenizer: Any, source: str | None, target: str | None) -> Iterator[None]:
    """Inside the block a tokenizer has these languages, afterwards those that it had before."""
    before = {name: getattr(tokenizer, name) for name in ("src_lang", "tgt_lang") if hasattr(tokenizer, name)}
    tell_languages(tokenizer, source, target)
    try:
        yield
    finally:
        for name, language in before.items():
            if getattr(tokenizer, name) != language:
                setattr(tokenizer, name, language)


def answer_settings(tokenizer: PreTrainedTokenizerBase, language: str | None) -> Mapping[str, int]:
    """The generation settings by which an answer begins in `language`, which the tokenizer has been told.

    NLLB, M2M-100 and mBART-50 write the language before a text, so it is the first token that they are forced to say;
    mBART and PLBart write it behind, from where models wrap it round to the decoder's start. Nothing for others.
    """
    token = languages_of(tokenizer).get(language or "")
    if token is None:
        return {}
    ids = tokenizer(text_target="")["input_ids"]
    if ids and ids[0] == token:
        return {"forced_bos_token_id": token}
    if ids and ids[-1] == token:
        return {"decoder_start_token_id": token}
    return {}


def framing_ids(tokenizer: Any) -> set[int]:
    """The ids that frame a text: padding, start, end, unknown, languages, Whisper's marks."""
    named = {getattr(tokenizer, f"{name}_token_id", None) for name in FRAMING}
    marks = {id_ for id_ in tokenizer.all_special_ids if MARK.fullmatch(str(tokenizer.convert_ids_to_tokens(id_)))}
    return {*filter(lambda id_: id_ is not None, named), *marks, *languages_of(tokenizer).values()}


def beginnings(tokenizer: Any, start: int | None) -> set[int]:
    """The ids that may stand before a text without being part of it: the decoder's `start`, and the tokenizer's own.

    Example: 0 and 101 for a BERT tokenizer before a decoder that starts with padding. An end is none of them.
    """
    own = {getattr(tokenizer, f"{name}_token_id", None) for name in ("bos", "cls")}
    found = {start, *own - {getattr(tokenizer, "eos_token_id", None)}}
    return {token for token in found if token is not None}
