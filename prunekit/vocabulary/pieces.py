"""Which pieces must stay beside those that texts use: what these are made of, and what spells other text."""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise

BYTE = re.compile(r"<0x[0-9A-F]{2}>")
"""The name of a piece that stands for one byte, as SentencePiece writes it."""

ALPHABET = 1024
"""A script with more characters than this in one vocabulary (CJK, Hangul) is no alphabet to keep whole."""

Merge = tuple[str, str]


def letters(vocabulary: Iterable[str], used: Iterable[str], prefix: str = "") -> set[str]:
    """The single-character pieces of `vocabulary` with which text outside the corpus is spelled instead of unknown.

    These are ASCII, every character of a piece in `used`, and the other letters of these characters' scripts: a corpus
    that has "é" keeps "ö" as well, some hundred pieces. Of Chinese and Korean only the characters themselves are kept,
    for all of them would be thousands. `prefix` is the mark of pieces inside a word, like WordPiece's ``##``.
    """
    single = {name: bare for name in vocabulary if len(bare := name.removeprefix(prefix)) == 1}
    sizes = Counter(map(_script, set(single.values())))
    seen = {character for name in used for character in name}
    written = {script for script in map(_script, seen) if sizes[script] <= ALPHABET}
    return {name for name, char in single.items() if char.isascii() or char in seen or _script(char) in written}


def _script(character: str) -> str:
    """``LATIN`` for "é", whose Unicode name is LATIN SMALL LETTER E WITH ACUTE: near enough to the script."""
    return (unicodedata.name(character, "").split() or [character])[0]


def with_parts(pieces: Iterable[str], merges: Sequence[Merge], prefix: str = "") -> set[str]:
    """`pieces` and everything that byte-pair encoding makes on its way to them.

    Merges that a word never applied can go without changing its pieces, because a merge is chosen by the order of
    those that are possible, and the kept ones stay in order. A piece that its own characters don't lead to (bytes,
    marks at the end of a word) keeps the parts of every merge that makes it.
    """
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    makers: dict[str, list[Merge]] = {}
    for pair in ranks:
        makers.setdefault(joined(pair, prefix), []).append(pair)
    found: set[str] = set()
    ahead = list(pieces)
    while ahead:
        if (piece := ahead.pop()) in found:
            continue
        steps = _derivation(piece, ranks)
        if steps[-1:] == [piece]:
            found.update(steps)
        else:
            found.add(piece)
            ahead += [part for pair in makers.get(piece, ()) for part in pair]
    return found


def joined(pair: Merge, prefix: str = "") -> str:
    """What a merge makes: ``low`` of ``lo`` and ``w``, also of ``lo`` and ``##w``."""
    return pair[0] + pair[1].removeprefix(prefix)


def _derivation(piece: str, ranks: dict[Merge, int]) -> list[str]:
    """The characters of `piece` and what byte-pair encoding joins of them, in order."""
    symbols = list(piece)
    steps = list(symbols)
    while True:
        ranked = [(ranks[pair], place) for place, pair in enumerate(pairwise(symbols)) if pair in ranks]
        if not ranked:
            return steps
        place = min(ranked)[1]
        symbols[place : place + 2] = [symbols[place] + symbols[place + 1]]
        steps.append(symbols[place])


def dead_end(word: str, vocabulary: Collection[str], prefix: str) -> list[str]:
    """What WordPiece reads of `word` before it gives up and says unknown.

    It always takes the longest piece. Without these a word might be read by shorter ones, and be known all at once.
    """
    found, start = [], 0
    while start < len(word):
        rests = (prefix * bool(start) + word[start:end] for end in range(len(word), start, -1))
        if (piece := next((rest for rest in rests if rest in vocabulary), None)) is None:
            break
        start += len(piece) - len(prefix) * bool(start)
        found.append(piece)
    return found
