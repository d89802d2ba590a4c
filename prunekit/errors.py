"""Errors shown to users, and other people's errors and values in one line."""


class PrunekitError(Exception):
    """Something the user gave cannot work; the message is one sentence: what was given, what is allowed, what to do."""


def one_line(value: object, limit: int | None = None) -> str:
    """`value` as text in one line. Example: ``one_line("two words", limit=5)`` is ``two w ...``.

    Text longer than `limit` characters is cut there and ends in an ellipsis.
    """
    text = " ".join(str(value).split())
    return text if limit is None or len(text) <= limit else f"{text[:limit]} ..."


def error_line(error: BaseException, limit: int | None = None) -> str:
    """An exception by its type and message, in one line: ``ValueError: no such layer``."""
    message = one_line(error)
    name = type(error).__name__
    return one_line(f"{name}: {message}" if message else name, limit)
