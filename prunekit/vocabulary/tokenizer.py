"""Vocabulary pruning, the tokenizer's half: which pieces a corpus needs, and a tokenizer that has only these."""

import atexit
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from prunekit.errors import PrunekitError
from prunekit.vocabulary.tokenizer_formats import format_of

CHUNK = 1000
"""Texts that are encoded together."""


def used_pieces(
    tokenizer: PreTrainedTokenizerBase, texts: Iterable[str], targets: Iterable[str] = (), words: Iterable[str] = ()
) -> list[int]:
    """The ids, ascending, that must stay so that these texts encode and decode unchanged by `pruned_tokenizer`.

    `targets` are encoded as the other side (``text_target=``: Marian's target model, the target language of mBART);
    languages are those that the tokenizer is set to.
    `words` are the user's: names of pieces, or text whose pieces stay, at the start of a text and within one.

    Beside the pieces of all encodings there stay special and added tokens, languages, timestamps, the unknown piece,
    pieces for bytes, whatever a kept piece is merged from, ASCII and the letters of the scripts that the texts write.
    So other text is read by smaller pieces, and only characters of foreign scripts become unknown where the tokenizer
    has no bytes for them. Raises `PrunekitError` for a tokenizer that `pruned_tokenizer` cannot prune.
    """
    form, named, answers = format_of(tokenizer), list(words), list(targets)
    spoken = [text for word in named for text in (word, f" {word}")]
    sources = _encoded(tokenizer, "text", chain(texts, spoken))
    others = _encoded(tokenizer, "text_target", answers + spoken if answers else [])
    fixed, kept, names = form.fixed(), set[int](), set(named) & form.vocabulary.keys()
    for text, ids in chain(sources, others):
        kept.update(ids)
        names |= form.unread(text, ids)
    kept -= fixed
    names |= {name for name, number in form.vocabulary.items() if number in kept}
    return sorted(fixed | {form.vocabulary[name] for name in form.closed(names)})


def _encoded(tokenizer: Any, side: str, texts: Iterable[str]) -> Iterator[tuple[str, list[int]]]:
    """Every text with its ids, whole."""
    stream = iter(texts)
    while chunk := list(islice(stream, CHUNK)):
        yield from zip(chunk, tokenizer(**{side: chunk}, verbose=False)["input_ids"], strict=True)


def pruned_tokenizer(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> PreTrainedTokenizerBase:
    """A tokenizer of the same class with only these ids, renumbered 0..n-1 in the ascending order of the old ones.

    For texts that `used_pieces` was given, ``encode`` gives the new numbers of the old ids, and ``decode`` the
    same string; other text never fails. Saved, it loads where only transformers is (with sentencepiece for the classes
    that need it). `tokenizer` is taken as transformers reads it back from its own files, and stays as it is.

    Raises `PrunekitError` for ids that are not the tokenizer's or lack what `used_pieces` returns for no text at all,
    and for tokenizers that have no vocabulary to rewrite (ByT5's) or keep it in a form of their own.
    """
    form, name = format_of(tokenizer), type(tokenizer).__name__
    number = {old: new for new, old in enumerate(sorted(set(ids)))}
    fixed = form.fixed()
    if foreign := number.keys() - fixed - set(form.vocabulary.values()):
        raise PrunekitError(f"{min(foreign)} is no id of this {name}; give the ids of its pieces, like used() does.")
    if missing := fixed - number.keys():
        some = tokenizer.convert_ids_to_tokens(min(missing))
        raise PrunekitError(f"{some!r} ({min(missing)}) must stay in this {name}; give at least used(tokenizer, []).")
    place = Path(tempfile.mkdtemp(prefix="prunekit-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)  # Python tokenizers copy themselves by their files
    tokenizer.save_pretrained(place)
    form.rewrite(place, number)
    small: PreTrainedTokenizerBase = type(tokenizer).from_pretrained(place)
    if not form.reads(small, place):
        raise PrunekitError(
            f"The vocabulary of this {name} cannot be pruned: its class builds another tokenizer from what was "
            "written; save it as a plain PreTrainedTokenizerFast first, or keep the whole vocabulary."
        )
    small.name_or_path = tokenizer.name_or_path
    return small
