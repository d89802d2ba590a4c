"""Signals: an exception at once, or a note for who saves first; ignored ones stay ignored."""

import os
import signal
import threading

import pytest

from prunekit._support.stopping import SIGNALS, Stopped, stop_at_once, stop_when_saved


def send(number):
    os.kill(os.getpid(), number)
    signal.pthread_sigmask(signal.SIG_BLOCK, ())  # a system call, so that the signal is delivered before the next line


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_an_exception_that_knows_it(number):
    before = signal.getsignal(number)
    with pytest.raises(Stopped) as caught, stop_at_once():
        send(number)
    assert caught.value.signal == number
    assert isinstance(caught.value, KeyboardInterrupt)
    assert signal.getsignal(number) is before


def test_the_first_signal_is_noted_and_the_second_is_not_put_off():
    with stop_at_once(), stop_when_saved() as stop:
        stop.obey()
        send(signal.SIGTERM)
        assert stop.asked
        with pytest.raises(Stopped):
            send(signal.SIGINT)
        with pytest.raises(Stopped, match="SIGTERM"):
            stop.obey()


def test_what_the_process_ignores_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_at_once():
            send(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_outside_the_main_thread_nothing_changes():
    seen = []

    def work():
        with stop_when_saved() as stop:
            seen.append((stop.asked, signal.getsignal(signal.SIGTERM)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(False, signal.getsignal(signal.SIGTERM))]
