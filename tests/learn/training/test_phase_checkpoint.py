"""A training's result in a file: everything comes back bit by bit, tied and empty tensors too."""

import copy

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from prunekit.find.plan import PruningPlan
from prunekit.learn.training import phase_checkpoint
from prunekit.learn.training.phase_checkpoint import load_phase, save_phase


def test_every_tensor_of_a_model_comes_back(every, tmp_path):
    model = every.cut(PruningPlan({"encoder.0.self.heads": (), "encoder.1.ffn": ()}))
    model.add_module("gates", nn.Linear(3, 2))
    model.register_buffer("steps", torch.tensor([7.0]))
    model.get_input_embeddings().weight.data[5] = 3.25
    save_phase(model, tmp_path / "learn-1/done.safetensors")
    other = copy.deepcopy(model).train()
    with torch.no_grad():
        for tensor in other.state_dict().values():
            tensor.add_(1)
    load_phase(other, tmp_path / "learn-1/done.safetensors")
    assert not other.training
    expected = model.state_dict()
    assert min(tensor.numel() for tensor in expected.values()) == 0
    for name, tensor in other.state_dict().items():
        assert torch.equal(tensor, expected[name]), name
    assert [path.name for path in (tmp_path / "learn-1").iterdir()] == ["done.safetensors"]


def test_tied_weights_are_written_once(case, tmp_path):
    model = case("bart").model
    save_phase(model, tmp_path / "done.safetensors")
    written = load_file(tmp_path / "done.safetensors")
    tied = [name for name, tensor in model.state_dict().items() if tensor is model.state_dict()["model.shared.weight"]]
    pointers = [tensor.data_ptr() for tensor in model.state_dict().values()]
    assert len(pointers) > len(set(pointers)), "nothing is tied, and the test shows nothing"
    assert len(written) == len(set(pointers))
    assert not tied or tied[0] in written


def test_a_disk_that_is_full_midway_leaves_the_former_file(tmp_path, monkeypatch):
    path, model = tmp_path / "done.safetensors", nn.Linear(2, 2)
    save_phase(model, path)
    before = path.read_bytes()

    def full(tensors, file):
        file.write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(phase_checkpoint, "save_file", full)
    model.weight.data.zero_()
    with pytest.raises(OSError, match="No space"):
        save_phase(model, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
