"""Write files of rows from the built-in dictionary, as if few or none of its words had labels.

python examples/few-labels/prepare.py outputs/few-labels      # about 3 MB, a second
"""

import json
import random
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from prunekit.data import g2p

LABELLED = 1_000
UNLABELLED = 40_000


def write(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    words = list(g2p.words("train").items())
    random.Random(0).shuffle(words)
    few = [{"word": word, "phonemes": variants[0]} for word, variants in words[:LABELLED]]
    bare = [{"word": word} for word, _ in words[LABELLED : LABELLED + UNLABELLED]]
    write(folder / "much.jsonl", ({"word": word, "phonemes": variants[0]} for word, variants in words))
    write(folder / "few.jsonl", few)
    write(folder / "mixed.jsonl", [*few, *bare])
    write(folder / "none.jsonl", bare)
    for split in ("dev", "test"):  # any of a word's pronunciations is right
        write(folder / f"{split}.jsonl", ({"word": w, "phonemes": list(v)} for w, v in g2p.words(split).items()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
