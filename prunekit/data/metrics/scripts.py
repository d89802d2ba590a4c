"""Words and characters of every script, for metrics that count them."""

import re
import unicodedata
from functools import cache

_UNSPACED = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u0f00-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f"  # Tibetan, Burmese
    "\u1780-\u17ff"  # Khmer
    "\u1950-\u19ff\u1a20-\u1aaf\uaa80-\uaadf"  # Tai Le, Tai Lue, Tai Tham, Tai Viet
    "\u1b00-\u1b7f\ua980-\ua9df"  # Balinese, Javanese
    "\u3005-\u3007\u3031-\u3035\u3040-\u31bf\u31f0-\u31ff\uff66-\uff9f"  # kana, bopomofo
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # Chinese characters
    "\U0001b000-\U0001b16f\U00020000-\U0003ffff"
)
"""The blocks of scripts that have no blanks between words, as ranges of a regular expression; without Korean."""

_HANGUL = range(0x3130, 0x3190)
"""Korean letters in the middle of these blocks."""

_ASCII_WORD = re.compile("[a-z0-9]+")
_ZERO_WIDTH_SPACE = "\u200b"


def is_unspaced(text: str) -> bool:
    """Whether a text has characters of a script without blanks between words, such as Chinese or Thai."""
    return not text.isascii() and _cluster().search(text) is not None


def separated(text: str) -> str:
    """The text with blanks around every character of a script that has none between words.

    Example: ``我喜欢 jazz`` becomes ``我 喜 欢 jazz``. Vowel signs and tones stay with their characters.
    """
    if not is_unspaced(text):
        return text
    return " ".join(_cluster().sub(r" \g<0> ", text.replace(_ZERO_WIDTH_SPACE, " ")).split())


def word_tokens(text: str) -> list[str]:
    """Lower-cased words of letters, marks and digits; single characters in scripts without blanks between words.

    Words of a-z and 0-9 are those of the package rouge-score. Example: ``["в", "2024", "году"]``.
    """
    lower = text.lower()
    if lower.isascii():
        return _ASCII_WORD.findall(lower)
    composed = separated(unicodedata.normalize("NFC", lower))
    return "".join(map(_in_word, composed)).split()


@cache
def _in_word(char: str) -> str:
    """A character as words have it: itself, nothing for one that only joins or directs others, else a blank."""
    category = unicodedata.category(char)
    if category == "Cf" and char != _ZERO_WIDTH_SPACE:
        return ""
    number = category[0] == "N" and (category == "Nd" or not unicodedata.decomposition(char))
    return char if number or category[0] in "LM" else " "


@cache
def _cluster() -> re.Pattern[str]:
    """A character of a script without blanks between words, with the marks that follow it."""
    blocks = [*range(0x300, 0x370), *range(0xE00, 0x1B80), *range(0x3000, 0x3100), *range(0xA980, 0xAAE0)]
    marks = [chr(code) for code in blocks if unicodedata.category(chr(code))[0] == "M"]
    korean = f"{chr(_HANGUL.start)}-{chr(_HANGUL.stop - 1)}"
    return re.compile(f"(?![{korean}])[{_UNSPACED}][{''.join(marks)}\ufe00-\ufe0f\U000e0100-\U000e01ef]*")
