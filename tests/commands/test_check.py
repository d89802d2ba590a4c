"""``prunekit check``: adapters that fit a model on disk pass, wrong ones fail with what to mend."""

import pytest

from prunekit import PruningPlan, plugins, prune
from prunekit.conformance import CHECKS
from prunekit.cut import checkpoint
from prunekit.loading import structure
from prunekit.loading.pretrained import open_config, open_model
from prunekit_adapters.t5 import T5


def verdicts(result):
    """The second word of every check's row."""
    ids = {check.id for check in CHECKS}
    rows = (line.split() for line in result.stdout.splitlines() if line[:1].strip())
    return {row[0]: row[1] for row in rows if row[0] in ids}


@pytest.mark.parametrize("family", ["t5", "bart"])
def test_a_right_adapter_passes_on_a_real_directory(prunekit, request, family):
    directory = request.getfixturevalue(f"{family}_directory")
    before = {path: path.read_bytes() for path in directory.iterdir()}
    result = prunekit("check", directory, "--adapter", family)
    assert result.exit_code == 0, result.stdout
    found = verdicts(result)
    assert found.pop("loud") == "skipped"
    assert set(found.values()) == {"ok"}
    assert len(found) == len(CHECKS) - 1
    assert f"check: {len(CHECKS)}/{len(CHECKS)}" in result.stderr
    assert "it/s" not in result.stderr  # the bars of transformers
    assert {path: path.read_bytes() for path in directory.iterdir()} == before


class HeadsTooLarge(T5):
    """A T5 whose heads are said to be twice as large as they are."""

    def head_size(self, config, stack):
        return 2 * config.d_kv


class Uncut(T5):
    """A T5 that forgets about the bias that all layers share."""

    cuts = ()


def checked_with(prunekit, monkeypatch, wrong, directory):
    monkeypatch.setattr(structure, "load", lambda kind, name: wrong)
    return prunekit("check", directory)


def test_a_wrong_adapter_fails_with_what_to_mend(prunekit, monkeypatch, t5_directory):
    result = checked_with(prunekit, monkeypatch, HeadsTooLarge, t5_directory)
    assert result.exit_code == 1
    found = verdicts(result)
    assert (found["heads"], found["ffn"], found["layers"]) == ("FAILED", "ok", "ok")
    assert "To mend it, check the attention's `count`" in result.stdout
    assert "error: The adapter 't5' (HeadsTooLarge) does not fit" in result.stderr
    assert f"of {len(CHECKS)} checks failed" in result.stderr


def test_without_groups_nothing_else_is_checked(prunekit, monkeypatch, t5_directory):
    result = checked_with(prunekit, monkeypatch, Uncut, t5_directory)
    assert result.exit_code == 1
    found = verdicts(result)
    assert found.pop("trace") == "FAILED"
    assert set(found.values()) == {"skipped"}
    assert "declare a cut between the two" in " ".join(result.stdout.split())
    assert "cannot be made while 'trace' fails" in result.stdout
    assert f"1 of {len(CHECKS)} checks failed (trace)" in result.stderr


def test_a_pruned_model_is_refused(prunekit, t5_directory, tmp_path):
    adapter = plugins.load(plugins.ADAPTERS, "t5")()
    model = open_model(t5_directory, open_config(t5_directory), adapter)
    prune(model, PruningPlan({"decoder.layers": (0,)}), adapter)
    checkpoint.save(model, tmp_path / "pruned")
    result = prunekit("check", tmp_path / "pruned")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "holds a model that was pruned before; check the dense model" in result.stderr
