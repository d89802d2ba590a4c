"""``prunekit export``: what is refused before anything is loaded; tests/export has what is written."""

import pytest

from prunekit import PruningPlan, plugins, prune
from prunekit.cut import checkpoint
from prunekit.loading.pretrained import open_config, open_model


@pytest.fixture(scope="module")
def pruned(t5_directory, tmp_path_factory):
    """A pruned T5."""
    adapter = plugins.load(plugins.ADAPTERS, "t5")()
    model = open_model(t5_directory, open_config(t5_directory), adapter)
    prune(model, PruningPlan({"encoder.1.self.heads": (0,)}), adapter)
    directory = tmp_path_factory.mktemp("pruned") / "model"
    checkpoint.save(model, directory)
    return directory


def test_a_pruned_model_is_written_with_zeros_and_checked(prunekit, pruned, tmp_path):
    (pruned / "LICENSE").write_text("mine")
    result = prunekit("export", pruned, "--to", "plain", "--output", tmp_path / "plain")
    assert result.exit_code == 0, result.stderr
    assert "tokens are equal for" in result.stdout
    assert (tmp_path / "plain" / "LICENSE").read_text() == "mine"


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("DENSE", "--to", "plain", "--output", "NEW"), 1, "is not a pruned model"),
        (("PRUNED", "--to", "plain", "--output", "HERE"), 1, "exists already"),
        (("PRUNED", "--to", "plain", "--output", "NEW", "--adapter", "bart"), 1, "use --adapter t5"),
        (("nowhere/at/all", "--to", "plain", "--output", "NEW"), 1, "There is no model directory"),
        (("PRUNED", "--to", "tflite", "--output", "NEW"), 2, "plain"),
        (("PRUNED", "--to", "plain"), 2, "--output"),
    ],
)
def test_what_cannot_be_exported_leaves_nothing(prunekit, pruned, t5_directory, tmp_path, words, code, sentence):
    places = {"DENSE": t5_directory, "PRUNED": pruned, "HERE": tmp_path, "NEW": tmp_path / "new"}
    result = prunekit("export", *(places.get(word, word) for word in words))
    assert (result.exit_code, result.stdout) == (code, "")
    assert sentence in result.stderr
    assert list(tmp_path.iterdir()) == []
