"""Files of YAML: one that is none is refused in one sentence."""

import pytest

from prunekit import PrunekitError
from prunekit._support.yaml_file import read_yaml


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"seed: [", "is not valid YAML"),
        (b"\xff\xfe\x00", "is not valid YAML"),
        (b"", "is not a YAML mapping"),
        (b"- a", "is not a YAML mapping"),
    ],
)
def test_a_file_that_is_no_recipe(tmp_path, text, sentence):
    path = tmp_path / "recipe.yaml"
    path.write_bytes(text)
    with pytest.raises(PrunekitError, match=sentence):
        read_yaml(path)


def test_a_recipe_that_is_not_there(tmp_path):
    with pytest.raises(PrunekitError, match="cannot be read: No such file"):
        read_yaml(tmp_path / "none.yaml")
    with pytest.raises(PrunekitError, match="cannot be read: Is a directory"):
        read_yaml(tmp_path)
