"""Which pieces are needed beside those that texts use: the parts they are made of, letters that spell other texts."""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise

BYTE = re.compile(r"<0x[0-9A-F]{2}>")
"""The name of a piece that stands for one byte, as SentencePiece writes it."""

ALPHABET = 1024
"""A script with more characters than this in one vocabulary (CJK, Hangul) is not kept whole."""

Merge = tuple[str, str]


def alphabet_pieces(vocabulary: Iterable[str], used: Iterable[str], prefix: str = "") -> set[str]:
    """The single-character pieces of `vocabulary` that spell text outside the corpus, which is unknown without them.

    These are ASCII, every character of a piece in `used`, and the other letters of these characters' scripts: a corpus
    that has "é" keeps "ö" as well, some hundred pieces. Of Chinese and Korean only the characters themselves are kept,
    for all of them would be thousands. `prefix` marks pieces inside a word, like WordPiece's ``##``.
    """
    bare = {name: name.removeprefix(prefix) for name in vocabulary}
    single = {name: character for name, character in bare.items() if len(character) == 1}
    sizes = Counter(map(_script, set(single.values())))
    seen = {character for name in used for character in name}
    scripts = {script for script in map(_script, seen) if sizes[script] <= ALPHABET}
    return {name for name, char in single.items() if char.isascii() or char in seen or _script(char) in scripts}


def _script(character: str) -> str:
    """``LATIN`` for "é", whose Unicode name is LATIN SMALL LETTER E WITH ACUTE: near enough to the script."""
    return (unicodedata.name(character, "").split() or [character])[0]


def with_merge_parts(pieces: Iterable[str], merges: Sequence[Merge], prefix: str = "") -> set[str]:
    """`pieces` and everything that byte-pair encoding makes on its way to them.

    Merges that a word never applied can be removed without changing its pieces: a merge is chosen by its rank among
    those that are possible, and the kept ones keep their order. A piece that its own characters do not lead to (bytes,
    marks at the end of a word) keeps the parts of every merge that makes it.
    """
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    makers: dict[str, list[Merge]] = {}
    for pair in ranks:
        makers.setdefault(merged_pair(pair, prefix), []).append(pair)
    found: set[str] = set()
    pending = list(pieces)
    while pending:
        piece = pending.pop()
        if piece in found:
            continue
        steps = _merge_steps(piece, ranks)
        if steps[-1:] == [piece]:
            found.update(steps)
        else:
            found.add(piece)
            pending += [part for pair in makers.get(piece, ()) for part in pair]
    return found


def merged_pair(pair: Merge, prefix: str = "") -> str:
    """What a merge makes: ``low`` of ``lo`` and ``w``, also of ``lo`` and ``##w``."""
    return pair[0] + pair[1].removeprefix(prefix)


def _merge_steps(piece: str, ranks: Mapping[Merge, int]) -> list[str]:
    """The characters of `piece` and the symbols that byte-pair encoding merges them to, in order."""
    symbols = list(piece)
    steps = list(symbols)
    while True:
        possible = [(ranks[pair], start) for start, pair in enumerate(pairwise(symbols)) if pair in ranks]
        if not possible:
            return steps
        start = min(possible)[1]
        symbols[start : start + 2] = [symbols[start] + symbols[start + 1]]
        steps.append(symbols[start])


def pieces_before_unknown(word: str, vocabulary: Collection[str], prefix: str) -> list[str]:
    """The pieces that WordPiece finds in `word` before it gives up and calls the whole word unknown.

    It always takes the longest piece. Without these pieces it might take shorter ones, and know the word after all.
    """
    found: list[str] = []
    start = 0
    while start < len(word):
        piece = _longest_piece(word, start, vocabulary, prefix)
        if piece is None:
            break
        start += len(piece) - len(prefix) * bool(start)
        found.append(piece)
    return found


def _longest_piece(word: str, start: int, vocabulary: Collection[str], prefix: str) -> str | None:
    """The longest piece that `word` has at `start`."""
    mark = prefix if start else ""
    candidates = (mark + word[start:end] for end in range(len(word), start, -1))
    return next((piece for piece in candidates if piece in vocabulary), None)
