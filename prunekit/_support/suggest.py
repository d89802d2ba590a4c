"""Nearest names: the second half of an error about a name that does not exist."""

import difflib
from collections.abc import Iterable, Sequence


def nearest(given: str, allowed: Sequence[str]) -> str | None:
    """The allowed name that `given` may be a misspelling of, whatever its case; None if no name is near."""
    near = difflib.get_close_matches(given.lower(), [name.lower() for name in allowed], n=1)
    return next((name for name in allowed if [name.lower()] == near), None)


LISTED = 30
"""How many names a sentence lists; of more it says how many there are."""


def hint(given: str, allowed: Iterable[str]) -> str:
    """``did you mean 'target'? (there are source, target)``, or the list alone if no name is near."""
    names = list(allowed)
    meant = nearest(given, names)
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    listing = f"there are {', '.join(names[:LISTED])}{more}" if len(names) != 1 else f"there is only {names[0]}"
    return f"did you mean {meant!r}? ({listing})" if meant is not None else f"{listing}."
