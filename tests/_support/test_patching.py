"""A replaced method is the object's own alone, and what it had before comes back."""

import pytest

from prunekit._support.patching import patched


class Clock:
    def read(self):
        return "class"


def test_one_object_changes_and_its_class_does_not():
    changed, other = Clock(), Clock()
    with patched(changed, "read", lambda: "patch"):
        assert (changed.read(), other.read()) == ("patch", "class")
    assert changed.read() == "class"
    assert "read" not in vars(changed)


def test_blocks_nest():
    clock = Clock()
    with patched(clock, "read", lambda: "outer"):
        with patched(clock, "read", lambda: "inner"):
            assert clock.read() == "inner"
        assert clock.read() == "outer"
    assert clock.read() == "class"


def test_the_method_returns_when_the_block_fails():
    clock = Clock()
    with pytest.raises(RuntimeError, match="midway"), patched(clock, "read", lambda: "patch"):
        raise RuntimeError("midway")
    assert clock.read() == "class"
