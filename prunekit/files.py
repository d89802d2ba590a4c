"""Writing so that a failure loses nothing: under a temporary name first, then renamed into place."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A temporary path beside `target`, for a file or a directory; it takes `target`'s place if the block succeeds."""
    target.parent.mkdir(parents=True, exist_ok=True)
    workshop = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        draft = workshop / target.name
        yield draft
        old = workshop / "old"
        if target.is_dir():
            os.replace(target, old)
        try:
            os.replace(draft, target)
        except BaseException:
            if old.exists():
                os.replace(old, target)
            raise
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


def write_text(target: Path, text: str) -> None:
    """Write `text` to `target` in one step."""
    with replacing(target) as draft:
        draft.write_text(text, encoding="utf-8")
