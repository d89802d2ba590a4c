"""An accelerator that works behind the program's back, made up: what is timed begins and ends when it has finished."""

from types import SimpleNamespace

import pytest
import torch
from transformers import GenerationMixin

from prunekit.latency import clocks
from prunekit.latency.breakdown import section_seconds
from prunekit.latency.clocks import DeviceClock
from prunekit.latency.workload import generate_fixed
from prunekit.recipe import Workload

WORK = Workload(batch=1, source=4, new_tokens=3)
SECONDS = {"encoder": 2.0, "decoder": 5.0, "head": 1.0}


class Part(torch.nn.Module):
    """A module that only hands its work to the device."""

    def __init__(self, device, seconds):
        super().__init__()
        self.ahead, self.seconds = device, seconds

    def forward(self):
        self.ahead.waiting += self.seconds


@pytest.fixture
def accelerator(monkeypatch):
    """A clock that goes on only while the program waits for the device."""
    device = SimpleNamespace(waiting=0.0, now=0.0)

    def finish(which):
        assert which.type == "cuda"
        device.now, device.waiting = device.now + device.waiting, 0.0

    monkeypatch.setattr(torch.accelerator, "synchronize", finish)
    monkeypatch.setattr(clocks.time, "perf_counter", lambda: device.now)
    monkeypatch.setattr(GenerationMixin, "generate", lambda model, **_: [part() for part in model.parts.values()])
    return device


@pytest.fixture
def model(accelerator):
    parts = {name: Part(accelerator, seconds) for name, seconds in SECONDS.items()}
    ids = SimpleNamespace(pad_token_id=0, bos_token_id=1, decoder_start_token_id=0)
    return SimpleNamespace(
        device=torch.device("cuda"),
        parts=parts,
        generation_config=ids,
        get_encoder=lambda: parts["encoder"],
        get_decoder=lambda: parts["decoder"],
        get_output_embeddings=lambda: parts["head"],
    )


def test_a_generation_waits_for_what_was_before_and_for_itself(accelerator, model):
    accelerator.waiting = 100.0
    generate_fixed(model, {}, WORK)
    assert (accelerator.now, accelerator.waiting) == (108.0, 0.0)


def test_every_section_has_the_seconds_of_its_own_work(accelerator, model):
    found = section_seconds(model, {}, WORK, 3, DeviceClock(model.device))
    assert {name: found[name] for name in SECONDS} == {name: 3 * seconds for name, seconds in SECONDS.items()}
    assert found["loop"] == pytest.approx(0)
