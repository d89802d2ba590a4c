"""New model directories from old ones."""

import pytest
import torch
from transformers import T5Config

from prunekit import PrunekitError
from prunekit.commands.directories import check_output, derived_directory, saved_dtype

MODEL = {"config.json", "generation_config.json", "model.safetensors", "model.safetensors.index.json", "README.md"}
TOKENIZER = {"tokenizer.json", "vocab.txt"}
OTHERS = {"preprocessor_config.json", "LICENSE"}
FOREIGN = {"notes.txt", "optimizer.pt"}


@pytest.fixture
def source(tmp_path):
    """A model directory, with a folder in it."""
    for name in MODEL | TOKENIZER | OTHERS | FOREIGN:
        (tmp_path / "old" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "old" / name).write_text(f"old {name}")
    (tmp_path / "old" / "runs").mkdir()
    return tmp_path / "old"


def contents(directory):
    return {path.name: path.read_text() for path in directory.iterdir()}


def test_the_files_that_belong_to_the_model_are_copied(source, tmp_path):
    with derived_directory(source, tmp_path / "new") as draft:
        draft.mkdir()
        (draft / "config.json").write_text("new")
        (draft / "vocab.txt").write_text("new")
    copied = {name: f"old {name}" for name in TOKENIZER | OTHERS}
    assert contents(tmp_path / "new") == {**copied, "config.json": "new", "vocab.txt": "new"}


def test_files_of_a_replaced_tokenizer_are_not_copied(source, tmp_path):
    with derived_directory(source, tmp_path / "new", ("tokenizer*", "vocab*")) as draft:
        draft.mkdir()
        (draft / "tokenizer.json").write_text("new")
    copied = {name: f"old {name}" for name in OTHERS}
    assert contents(tmp_path / "new") == {**copied, "tokenizer.json": "new"}


def test_a_failure_writes_nothing(source, tmp_path):
    def fail():
        with derived_directory(source, tmp_path / "new") as draft:
            draft.mkdir()
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        fail()
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


def test_an_output_that_exists_is_refused(tmp_path):
    check_output(tmp_path / "new")
    with pytest.raises(PrunekitError, match="exists already; choose another --output, or remove it"):
        check_output(tmp_path)


@pytest.mark.parametrize(
    ("dtype", "expected"), [("bfloat16", torch.bfloat16), (torch.float16, torch.float16), (None, torch.float32)]
)
def test_the_type_of_the_weights_is_that_of_the_config(dtype, expected):
    assert saved_dtype(T5Config(dtype=dtype)) is expected
