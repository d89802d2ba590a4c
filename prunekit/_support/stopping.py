"""Signals that ask a process to stop: turned into an exception, or put off until work is saved."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Ctrl-C; what schedulers and ``kill`` send; the end of the terminal."""


class Stopped(KeyboardInterrupt):
    """The process was asked to stop. `signal` is the number: 2 for Ctrl-C, 15 for SIGTERM."""

    def __init__(self, number: int):
        super().__init__(signal.Signals(number).name)
        self.signal = number


class StopRequest:
    """Whether a signal has asked the process to stop since the block began. Example: ``asked`` after Ctrl-C."""

    def __init__(self) -> None:
        self.signal: int | None = None

    @property
    def asked(self) -> bool:
        """Whether there was a signal."""
        return self.signal is not None

    def obey(self) -> None:
        """Raise `Stopped` if there was a signal."""
        if self.signal is not None:
            raise Stopped(self.signal)


@contextmanager
def stop_at_once() -> Iterator[None]:
    """Inside the block signals raise `Stopped`, so that the work under way is left in order."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped(number)

    with _handling(stop):
        yield


@contextmanager
def stop_when_saved() -> Iterator[StopRequest]:
    """Inside the block the first signal is only noted, for who saves the work and then obeys; a second one raises."""
    request = StopRequest()

    def note(number: int, frame: FrameType | None) -> None:
        if request.asked:
            raise Stopped(number)
        request.signal = number

    with _handling(note):
        yield request


@contextmanager
def _handling(handler: Callable[[int, FrameType | None], Any]) -> Iterator[None]:
    """Handle signals inside the block, but for those that the process ignores; only a main thread may do so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    handled = {number: old for number, old in before.items() if old is not None and old is not signal.SIG_IGN}
    for number in handled:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number, old in handled.items():
            signal.signal(number, old)
