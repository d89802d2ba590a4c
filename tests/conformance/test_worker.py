"""The program that loads models where prunekit is not installed."""

import io
import json
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from prunekit.conformance import worker


@pytest.mark.parametrize(
    "name", ["prunekit", "prunekit.cut.layout", "prunekit_adapters.t5", "torch_pruning.dependency"]
)
def test_prunekit_is_not_there(name):
    with pytest.raises(ModuleNotFoundError, match=name):
        worker.BlockPrunekit().find_spec(name)


@pytest.mark.parametrize("name", ["torch", "transformers.models.t5"])
def test_everything_else_is(name):
    assert worker.BlockPrunekit().find_spec(name) is None


def test_it_imports_no_prunekit():
    source = Path(worker.__file__).read_text()
    assert "import prunekit" not in source
    assert "from prunekit" not in source


class Toy:
    """Logits are the inputs doubled."""

    def __call__(self, ids, use_cache):
        return type("Output", (), {"logits": ids * 2.0})

    def generate(self, ids, max_new_tokens):
        return ids[:, :max_new_tokens]


def asked(monkeypatch, capsys, load, *requests):
    monkeypatch.setattr(sys, "stdin", io.StringIO("".join(json.dumps(each) + "\n" for each in requests)))
    worker.serve(load)
    return capsys.readouterr().out.splitlines()


def test_every_line_is_answered(monkeypatch, capsys, tmp_path):
    save_file(
        {"batch.ids": torch.tensor([[1, 2]]), "inputs.ids": torch.tensor([[3, 4]])}, tmp_path / "inputs.safetensors"
    )
    request = {"directory": str(tmp_path), "generate": {"max_new_tokens": 1}}
    assert asked(monkeypatch, capsys, lambda directory: Toy(), request) == ["done"]
    found = load_file(tmp_path / "outputs.safetensors")
    assert found["logits"].tolist() == [[2.0, 4.0]]
    assert found["tokens"].tolist() == [[3]]


def test_an_error_is_an_answer_of_one_line(monkeypatch, capsys, tmp_path):
    def load(directory):
        raise ValueError("two\nlines")

    request = {"directory": str(tmp_path), "generate": {}}
    assert asked(monkeypatch, capsys, load, request, request) == ["ValueError: two lines"] * 2
