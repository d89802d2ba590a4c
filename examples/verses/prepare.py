"""Make the verses task: pairs of English and Spanish Bible verses, split by book, and one tokenizer for both languages.

    python examples/verses/prepare.py --output runs/verses/data

English is the World English Bible, Spanish the Reina-Valera of 1909; both are in the public domain, and Debian has
them as packages of SWORD modules, which are downloaded and unpacked here without being installed. The directory gets
`train.jsonl`, `dev.jsonl` and `test.jsonl` with the columns `en` and `es`, and `tokenizer/`, trained on `train.jsonl`.

Whole books are held out, so that no neighbouring verse gives an answer away, and each set mixes narrative, wisdom or
poetry, prophecy and letters. Books with a close parallel elsewhere (gospels, Kings and Chronicles) are not held out:

    dev    Song of Solomon, Lamentations, Daniel, Joel, Micah, Galatians, Philippians
    test   Ruth, Esther, Ecclesiastes, Hosea, Amos, Hebrews, James

Left out are verses that one side lacks, and the few pairs whose lengths differ so much that they can't be the same.
"""

import argparse
import json
import re
import subprocess
import tempfile
import unicodedata
from collections.abc import Set
from itertools import chain
from pathlib import Path

from pysword.bible import SwordBible
from pysword.modules import SwordModules
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

PACKAGES = ("sword-text-web", "sword-text-sparv")
MODULES = {"en": "engWEB2015eb", "es": "spaRV1909eb"}
DEV = frozenset({"Song of Solomon", "Lamentations", "Daniel", "Joel", "Micah", "Galatians", "Philippians"})
TEST = frozenset({"Ruth", "Esther", "Ecclesiastes", "Hosea", "Amos", "Hebrews", "James"})
SPECIAL = ["<pad>", "</s>", "<unk>"]

_GLOSSARY = re.compile(r'<div\b[^>]*type="glossary".*', re.DOTALL)  # stands in the last verse
_ASIDE = re.compile(r"<(note|speaker)\b[^>]*(?<!/)>.*?</\1>", re.DOTALL)
_BREAK = re.compile(r"</?(?:chapter|div|item|l|lb|lg|list|milestone|title)\b[^>]*>")
_TAG = re.compile(r"<[^>]*>")
_BLANK_BEFORE = re.compile(r"\s+([,.;:?!)\]”’])")  # noqa: RUF001
_BLANK_AFTER = re.compile(r"([(\[“‘¿¡])\s+")  # noqa: RUF001
_RUN_TOGETHER = re.compile(r"(?<=[^\W\d_])([,;:?!]|[,.;:?!]?”)(?=[^\W\d_])|(?<=[a-zñáéíóúü])(?=[A-ZÁÉÍÓÚ])")
_SHOUT = re.compile(r"(^|[.:?!¡¿(] ?)?\b([^\W\d_]{2,})\b")

Verse = tuple[str, int, int]
"""Book, chapter and number, like ("Ruth", 1, 16)."""


def plain(markup: str) -> str:
    """The words of a verse in OSIS markup, without notes and speakers, with one blank where blanks belong.

    A note stands between two words without a blank of its own (``God<note>..</note>created``), so it leaves one.
    """
    text = _ASIDE.sub(" ", _GLOSSARY.sub("", markup))
    text = _TAG.sub("", _BREAK.sub(" ", text))
    text = _RUN_TOGETHER.sub(r"\g<1> ", _BLANK_AFTER.sub(r"\1", _BLANK_BEFORE.sub(r"\1", text)))
    return unicodedata.normalize("NFC", " ".join(text.split()))


def soften(text: str, ordinary: Set[str]) -> str:
    """A chapter's first verse without the capitals that printers give to its first words.

    A sentence keeps its capital (``EN el`` is ``En el``); within one, the words of `ordinary` lose it (``Y EN el`` is
    ``Y en el``), and others are taken for names (``Y MOISÉS`` is ``Y Moisés``).
    """

    def softened(found: re.Match[str]) -> str:
        start, word = found.groups()
        if not word.isupper():
            return found.group()
        common = start is None and word.lower() in ordinary
        return (start or "") + (word.lower() if common else word.capitalize())

    return _SHOUT.sub(softened, text)


def alike(left: str, right: str) -> bool:
    """Whether two texts may be translations of each other, by their lengths in words: within 8, or a factor of 2."""
    short, long = sorted((len(left.split()), len(right.split())))
    return short > 0 and long <= max(2 * short, short + 8)


def split_of(book: str) -> str:
    return "dev" if book in DEV else "test" if book in TEST else "train"


def unpack(packages: Path | None, place: Path) -> None:
    """The packages' files under `place`, from `packages` or else downloaded; needs no rights to install."""
    if packages is None:
        subprocess.run(["apt-get", "download", *PACKAGES], cwd=place, check=True)
    for package in PACKAGES:
        found = sorted((packages or place).glob(f"{package}_*.deb"))
        if not found:
            raise SystemExit(f"There is no {package}_*.deb in {packages}; put it there, or leave --packages out.")
        subprocess.run(["dpkg-deb", "-x", str(found[-1]), str(place)], check=True)


def verses(bible: SwordBible) -> dict[Verse, str]:
    """Every verse of a Bible in plain words; "" where it has none."""
    found = {}
    for book in chain.from_iterable(bible.get_structure().get_books().values()):
        for chapter, count in enumerate(book.chapter_lengths, 1):
            for number in range(1, count + 1):
                markup = bible.get(books=[book.name], chapters=[chapter], verses=[number], clean=False)
                found[book.name, chapter, number] = plain(markup)
    ordinary = {word for text in found.values() for word in text.split() if word.islower()}
    return {verse: soften(text, ordinary) if verse[2] == 1 else text for verse, text in found.items()}


def pairs(place: Path) -> dict[str, list[dict[str, str]]]:
    """The rows of each split, in the order of the books."""
    modules = SwordModules(str(place / "usr/share/sword"))
    modules.parse_modules()
    english, spanish = (verses(modules.get_bible_from_module(MODULES[side])) for side in ("en", "es"))
    rows: dict[str, list[dict[str, str]]] = {"train": [], "dev": [], "test": []}
    for verse, text in english.items():
        if alike(text, spanish.get(verse, "")):
            rows[split_of(verse[0])].append({"en": text, "es": spanish[verse]})
    return rows


def build_tokenizer(texts: list[str], pieces: int) -> PreTrainedTokenizerFast:
    """A unigram model of `pieces` word pieces, as SentencePiece has them; every text ends in ``</s>``."""
    core = Tokenizer(models.Unigram())
    core.normalizer = normalizers.NFC()
    core.pre_tokenizer = pre_tokenizers.Metaspace()
    core.decoder = decoders.Metaspace()
    core.train_from_iterator(
        texts,
        trainers.UnigramTrainer(vocab_size=pieces, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False),
    )
    core.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=512
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--packages", type=Path, help="a directory with the two .deb files; downloaded when left out")
    parser.add_argument("--pieces", type=int, default=4096, help="size of the vocabulary")
    return parser.parse_args()


def main() -> None:
    args = arguments()
    with tempfile.TemporaryDirectory() as place:
        unpack(args.packages, Path(place))
        rows = pairs(Path(place))
    args.output.mkdir(parents=True, exist_ok=True)
    for split, found in rows.items():
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in found)
        (args.output / f"{split}.jsonl").write_text("".join(lines), encoding="utf-8")
        words = [sum(len(row[side].split()) for row in found) / len(found) for side in ("en", "es")]
        print(f"{split:5} {len(found):6,} verses, {words[0]:.1f} English and {words[1]:.1f} Spanish words each")
    tokenizer = build_tokenizer([text for row in rows["train"] for text in row.values()], args.pieces)
    tokenizer.save_pretrained(args.output / "tokenizer")
    print(f"tokenizer of {len(tokenizer):,} pieces")


if __name__ == "__main__":
    main()
