"""A lock holds among processes, names its holder, and is free once that has died."""

import errno
import os
import signal
import socket
import subprocess
import sys

import pytest

from prunekit._support import lock as lock_module
from prunekit._support.lock import FileLock

HOLDING = """
import sys, time
from pathlib import Path
from prunekit._support.lock import FileLock

print(FileLock(Path(sys.argv[1])).acquire(), flush=True)
time.sleep(60)
"""


@pytest.fixture
def other(tmp_path):
    """A process that holds the lock."""
    process = subprocess.Popen([sys.executable, "-c", HOLDING, tmp_path / "lock"], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "True\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_the_lock_of_another_process_is_refused_and_its_holder_named(other, tmp_path):
    lock = FileLock(tmp_path / "lock")
    assert lock.holder().startswith(f"process {other.pid} on {socket.gethostname()} since 20")
    assert not lock.acquire()
    assert not lock.held
    assert FileLock(tmp_path / "lock").holder() is not None, "asking and trying left it as it was"


def test_the_lock_of_a_killed_process_is_taken_over(other, tmp_path):
    other.send_signal(signal.SIGKILL)
    other.wait()
    lock = FileLock(tmp_path / "lock")
    assert lock.path.exists()
    assert lock.holder() is None
    assert lock.acquire()
    assert f"process {os.getpid()} on" in FileLock(tmp_path / "lock").holder()


def test_two_of_one_process_exclude_each_other_too_until_one_is_released(tmp_path):
    one, two = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert one.acquire()
    assert not two.acquire()
    one.release()
    assert not one.path.exists()
    assert two.acquire()


def test_a_file_that_was_removed_meanwhile_is_no_lock(tmp_path, monkeypatch):
    """Its holder removes it before it lets go: who had opened it before holds a lock on nothing."""
    path = tmp_path / "lock"
    opened = os.open

    def late(*given):
        file = opened(*given)
        if path.exists():
            path.unlink()
            monkeypatch.setattr(os, "open", opened)
        return file

    monkeypatch.setattr(os, "open", late)
    lock = FileLock(path)
    assert lock.acquire()
    assert os.path.samestat(os.fstat(lock._file), path.stat())


def test_a_file_system_without_locks_is_told_about(tmp_path, monkeypatch, caplog):
    def unsupported(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(lock_module.fcntl, "flock", unsupported)
    assert FileLock(tmp_path / "lock").acquire()
    assert "has no locks: let no other process work there" in caplog.text
