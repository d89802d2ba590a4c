"""The one exception that people are meant to read, and others put into words."""


class PrunekitError(Exception):
    """Something the user gave cannot work; the message is one sentence: what was given, what is allowed, what to do."""


def one_line(error: Exception) -> str:
    """``ValueError: what it says``, in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
