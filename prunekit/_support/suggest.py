"""What somebody probably meant: the second half of a sentence about a name that does not exist."""

import difflib
from collections.abc import Iterable


def hint(given: str, allowed: Iterable[str]) -> str:
    """``did you mean 'target'? (there are source, target)``, or only the list where nothing is near."""
    names = list(allowed)
    near = difflib.get_close_matches(given.lower(), [name.lower() for name in names], n=1)
    meant = next((name for name in names if near and name.lower() == near[0]), None)
    listing = f"there are {', '.join(names)}" if len(names) != 1 else f"there is only {names[0]}"
    return f"did you mean {meant!r}? ({listing})" if meant is not None else f"{listing}."
