"""Options as the keys of a recipe."""

import logging
import os
import warnings
from types import SimpleNamespace

import pytest

from prunekit import PrunekitError
from prunekit.commands.options import configure_output, given_keys, parse_layers, parse_workload, task_section


@pytest.mark.parametrize(
    ("text", "value"), [("3", 3), ("0,5,11", [0, 5, 11]), ("[0, 2]", [0, 2]), ("two", "two"), ("0,x", [0, "x"])]
)
def test_layers_are_a_number_a_list_or_a_text(text, value):
    assert parse_layers(text) == value


def test_a_workload_is_a_dict_of_numbers():
    assert parse_workload("batch=1, source=512,beams=4") == {"batch": 1, "source": 512, "beams": 4}


@pytest.mark.parametrize("text", ["batch", "batch=1,,beams=2", "=1", "batch 1", ""])
def test_a_workload_without_keys_and_values_is_refused(text):
    with pytest.raises(PrunekitError, match="A workload is written batch=1,source=512"):
        parse_workload(text)


def test_only_given_flags_are_keys():
    assert given_keys(model="m", seed=0, adapter=None) == {"model": "m", "seed": 0}
    assert task_section(name=None, train=None) == {}
    assert task_section(name="g2p", train=None) == {"task": {"name": "g2p"}}


@pytest.fixture
def process(monkeypatch):
    """Settings of the process as they were before, afterwards; none of them made yet."""
    log = logging.getLogger("prunekit")
    level, handlers = log.level, log.handlers
    names = ("TRANSFORMERS_VERBOSITY", "DATASETS_VERBOSITY", "HF_DATASETS_DISABLE_PROGRESS_BARS")
    for name in (*names, "TOKENIZERS_PARALLELISM"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    with warnings.catch_warnings():
        yield names
    log.setLevel(level)
    log.handlers = handlers


@pytest.mark.parametrize("debug", [False, True])
def test_other_libraries_are_silent_unless_asked_to_debug(process, debug):
    context = SimpleNamespace(meta={})
    assert configure_output(context, debug) is debug
    assert context.meta == {"prunekit.debug": debug}
    assert all((name in os.environ) is not debug for name in process)
    assert logging.getLogger("prunekit").level == (logging.DEBUG if debug else logging.INFO)
    assert len(logging.getLogger("prunekit").handlers) == 1


def test_what_the_user_set_is_kept(process, monkeypatch):
    monkeypatch.setenv("TRANSFORMERS_VERBOSITY", "info")
    configure_output(SimpleNamespace(meta={}), False)
    assert os.environ["TRANSFORMERS_VERBOSITY"] == "info"
    assert os.environ["DATASETS_VERBOSITY"] == "error"
