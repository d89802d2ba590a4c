"""Where a draft is written, and what only a trial shows."""

from dataclasses import replace

import pytest
import torch

from prunekit import PrunekitError
from prunekit.scaffold.files import WIDE, DraftFiles, examined, files_for, resolve_by_trial
from prunekit.scaffold.sizes import kind_of


def test_the_module_is_named_by_its_packages(tmp_path):
    package = tmp_path / "src" / "mine" / "families"
    package.mkdir(parents=True)
    for directory in (package, package.parent):
        (directory / "__init__.py").touch()
    assert DraftFiles(package / "bart.py", package / "test_bart.py").module == "mine.families.bart"
    assert DraftFiles(tmp_path / "bart.py", tmp_path / "test_bart.py").module == "bart"


def test_names_of_files_are_those_of_modules(tmp_path):
    files = files_for(kind_of("blenderbot-small"), tmp_path)
    assert (files.adapter.name, files.suite.name) == ("blenderbot_small.py", "test_blenderbot_small.py")


def test_nothing_is_overwritten(tmp_path, drafted):
    files = files_for(kind_of("bart"), tmp_path / "new")
    files.write(drafted("bart"))
    with pytest.raises(PrunekitError, match=r"bart\.py' already, which a draft must not overwrite"):
        files_for(kind_of("bart"), tmp_path / "new")
    with pytest.raises(PrunekitError, match="is a file; name a directory"):
        files_for(kind_of("bart"), files.adapter)


def test_a_trial_leaves_a_regular_draft_as_it_is(drafted):
    assert resolve_by_trial(drafted("bart")) == drafted("bart")


def test_a_model_that_knows_no_double_precision_is_drafted_in_single(drafted, monkeypatch):
    from prunekit.scaffold import files

    monkeypatch.setattr(files, "_runs", lambda draft, dtype: dtype is torch.float32)
    assert resolve_by_trial(drafted("bart")).single


def test_attentions_that_read_a_width_get_it_where_that_helps(drafted, monkeypatch):
    from prunekit.scaffold import files

    draft = drafted("bart")
    wide = tuple(
        replace(found, attentions=tuple(replace(each, width="embed_dim") for each in found.attentions))
        for found in draft.found
    )
    sized = replace(draft, found=wide)
    monkeypatch.setattr(files, "_failing", lambda draft: set() if draft.sized else {"heads"})
    assert resolve_by_trial(sized).sized
    monkeypatch.setattr(files, "_failing", lambda draft: {"heads"})
    assert resolve_by_trial(sized).missing == (WIDE,)


def test_the_checks_of_a_draft_are_those_of_its_suite(drafted):
    findings = examined(replace(drafted("t5"), missing=()))
    assert (findings[0].check.id, findings[0].outcome.value) == ("trace", "FAILED")
    assert {each.outcome.value for each in findings[1:]} == {"skipped"}
