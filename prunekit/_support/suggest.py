"""Nearest names: the second half of an error about a name that does not exist."""

import difflib
from collections.abc import Iterable


def hint(given: str, allowed: Iterable[str]) -> str:
    """``did you mean 'target'? (there are source, target)``, or the list alone if no name is near."""
    names = list(allowed)
    nearest = difflib.get_close_matches(given.lower(), [name.lower() for name in names], n=1)
    meant = next((name for name in names if [name.lower()] == nearest), None)
    listing = f"there are {', '.join(names)}" if len(names) != 1 else f"there is only {names[0]}"
    return f"did you mean {meant!r}? ({listing})" if meant is not None else f"{listing}."
