"""A process that a launcher started beside others refuses to work."""

import pytest

from prunekit import PrunekitError
from prunekit._support.processes import COUNTS, refuse_several_processes


@pytest.mark.parametrize("name", COUNTS)
def test_one_of_several_processes_is_refused_by_the_variable_that_says_so(monkeypatch, name):
    monkeypatch.setenv(name, "2")
    with pytest.raises(PrunekitError, match=f"started 2 processes for this job \\({name}=2\\)"):
        refuse_several_processes()


@pytest.mark.parametrize("count", ["1", "", "all"])
def test_one_process_is_not(monkeypatch, count):
    monkeypatch.setenv("WORLD_SIZE", count)
    refuse_several_processes()
