"""The one exception that people are meant to read."""


class PrunekitError(Exception):
    """Something the user gave cannot work; the message is one sentence: what was given, what is allowed, what to do."""
