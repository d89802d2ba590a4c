"""The tokenizer's half of vocabulary pruning: which pieces a corpus needs, and a tokenizer that has only these."""

import atexit
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from prunekit.errors import PrunekitError
from prunekit.vocabulary.tokenizer_formats import TokenizerFormat, format_of

CHUNK = 1000
"""Texts that are encoded together."""


def used_pieces(
    tokenizer: PreTrainedTokenizerBase, texts: Iterable[str], targets: Iterable[str] = (), words: Iterable[str] = ()
) -> list[int]:
    """The ids, ascending, with which `pruned_tokenizer` encodes and decodes these texts as before.

    `targets` are encoded as the other side (``text_target=``: Marian's target model, the target language of mBART);
    languages are those that the tokenizer is set to.
    `words` are the user's: names of pieces, or texts whose pieces are kept, at the start of a text and within one.

    Beside the pieces of all encodings, these are kept: special and added tokens, languages, timestamps, the unknown
    piece, pieces for bytes, whatever a kept piece is merged from, ASCII, and the letters of the scripts in the texts.
    So other text is encoded by smaller pieces, and only characters of foreign scripts become unknown where the
    tokenizer has no bytes for them. Raises `PrunekitError` for a tokenizer that `pruned_tokenizer` cannot prune.
    """
    form = format_of(tokenizer)
    named = list(words)
    answers = list(targets)
    spoken = [text for word in named for text in (word, f" {word}")]
    sources = _encoded(tokenizer, "text", chain(texts, spoken))
    others = _encoded(tokenizer, "text_target", answers + spoken if answers else [])
    required = form.required_ids()
    used: set[int] = set()
    names = set(named) & form.vocabulary.keys()
    for text, ids in chain(sources, others):
        used.update(ids)
        names |= form.pieces_of_unknown_words(text, ids)
    names |= {name for name, number in form.vocabulary.items() if number in used - required}
    return sorted(required | {form.vocabulary[name] for name in form.with_dependencies(names)})


def _encoded(tokenizer: Any, side: str, texts: Iterable[str]) -> Iterator[tuple[str, list[int]]]:
    """Every text with its ids, not truncated."""
    stream = iter(texts)
    chunk = list(islice(stream, CHUNK))
    while chunk:
        yield from zip(chunk, tokenizer(**{side: chunk}, verbose=False)["input_ids"], strict=True)
        chunk = list(islice(stream, CHUNK))


def pruned_tokenizer(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> PreTrainedTokenizerBase:
    """A tokenizer of the same class with only these ids, renumbered 0..n-1 in the ascending order of the old ones.

    For texts that `used_pieces` was given, ``encode`` gives the new numbers of the old ids, and ``decode`` the same
    string; other text never fails. Saved, it loads where only transformers is installed (with sentencepiece for the
    classes that need it). `tokenizer` is read back from its own files, and is not changed.

    Raises `PrunekitError` for ids that are not the tokenizer's or lack what `used_pieces` returns for no text at all,
    and for tokenizers that have no vocabulary to rewrite (ByT5's) or keep it in a format of their own.
    """
    form = format_of(tokenizer)
    number = {old: new for new, old in enumerate(sorted(set(ids)))}
    _check_ids(tokenizer, form, number.keys())
    directory = Path(tempfile.mkdtemp(prefix="prunekit-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)  # Python tokenizers copy themselves by their files
    tokenizer.save_pretrained(directory)
    form.rewrite(directory, number)
    pruned: PreTrainedTokenizerBase = type(tokenizer).from_pretrained(directory)
    if not form.loaded_as_written(pruned, directory):
        raise PrunekitError(
            f"The vocabulary of this {type(tokenizer).__name__} cannot be pruned: its class builds another tokenizer "
            "from what was written; save it as a plain PreTrainedTokenizerFast first, or keep the whole vocabulary."
        )
    pruned.name_or_path = tokenizer.name_or_path
    return pruned


def _check_ids(tokenizer: PreTrainedTokenizerBase, form: TokenizerFormat, ids: Iterable[int]) -> None:
    """Raise `PrunekitError` for ids that the tokenizer does not have, and if ids that it requires are missing."""
    name = type(tokenizer).__name__
    given = set(ids)
    required = form.required_ids()
    foreign = given - required - set(form.vocabulary.values())
    if foreign:
        raise PrunekitError(f"{min(foreign)} is no id of this {name}; give ids of its pieces, as used_pieces does.")
    missing = required - given
    if missing:
        piece = tokenizer.convert_ids_to_tokens(min(missing))
        raise PrunekitError(
            f"This {name} needs {piece!r} ({min(missing)}); give at least the ids of used_pieces(tokenizer, [])."
        )
