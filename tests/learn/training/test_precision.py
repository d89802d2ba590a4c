"""Which precisions a device multiplies itself, and which of those is taken by the time of its steps."""

from pathlib import Path

import pytest
import torch

from prunekit import PrunekitError
from prunekit.learn.training import precision
from prunekit.learn.training.phase import TrainingPhase
from prunekit.learn.training.precision import check_precision, fastest_precision, lower_precisions, precision_costs


@pytest.mark.parametrize(
    ("costs", "taken"),
    [
        ({}, "fp32"),
        ({"fp32": 1.0}, "fp32"),
        ({"bf16": 0.5, "fp32": 1.0}, "bf16"),
        ({"bf16": 0.91, "fp32": 1.0}, "fp32"),
        ({"bf16": 1.4, "fp32": 1.0}, "fp32"),
        ({"bf16": 0.8, "fp16": 0.7, "fp32": 1.0}, "fp16"),
    ],
)
def test_float32_wins_within_a_tenth(costs, taken):
    assert fastest_precision(costs) == taken


@pytest.mark.parametrize(
    ("capability", "lower"),
    [((6, 1), ()), ((7, 0), ("fp16",)), ((7, 5), ("fp16",)), ((8, 0), ("bf16",)), ((9, 0), ("bf16",))],
)
def test_a_gpu_that_emulates_bfloat16_is_not_asked_for_it(monkeypatch, capability, lower):
    """A T4 has capability 7.5; torch counts bfloat16 as supported there."""
    monkeypatch.setattr(torch.version, "hip", None)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
    assert lower_precisions("cuda") == lower
    assert lower_precisions("cuda:1") == lower


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="only Linux tells")
def test_a_processor_is_asked_for_what_the_kernel_says_that_it_has():
    flags = set(Path("/proc/cpuinfo").read_text().split())
    assert lower_precisions("cpu") == (("bf16",) if flags & {"avx512_bf16", "amx_tile", "bf16"} else ())


def test_float16_is_refused_on_a_processor():
    with pytest.raises(PrunekitError, match="fp16 needs a GPU"):
        check_precision("fp16", "cpu")
    check_precision("fp16", "cuda")
    for name in ("auto", "fp32", "bf16"):
        check_precision(name, "cpu")


@pytest.fixture
def lower(monkeypatch):
    """A processor that multiplies bfloat16, whatever this one has."""
    monkeypatch.setattr(precision, "lower_precisions", lambda device: ("bf16",))


def test_each_precision_is_timed_in_itself_on_copies(bench, lower, monkeypatch):
    types = []
    linear = next(name for name, module in bench.model.named_modules() if isinstance(module, torch.nn.Linear))
    fit = precision.PhaseTrainer.fit

    def watched(self, *given, **named):
        handle = self.model.get_submodule(linear).register_forward_hook(lambda *out: types.append(out[2].dtype))
        fit(self, *given, **named)
        handle.remove()

    monkeypatch.setattr(precision.PhaseTrainer, "fit", watched)
    before = {name: value.clone() for name, value in bench.model.state_dict().items()}
    costs = precision_costs(bench.trainer, TrainingPhase())
    assert costs.keys() == {"bf16", "fp32"}
    assert min(costs.values()) > 0
    turns = [kind for n, kind in enumerate(types) if n == 0 or kind != types[n - 1]]
    assert turns == [torch.bfloat16, torch.float32] * 2
    assert all(torch.equal(value, before[name]) for name, value in bench.model.state_dict().items())
    assert not bench.context.directory.exists()


def test_a_precision_in_which_the_loss_is_no_number_is_left_out(bench, lower, monkeypatch):
    """As float16 is for models whose states outgrow it."""
    loss = precision.PhaseTrainer.fit

    def overflows(self, *given, **named):
        if self.context.training.precision == "bf16":
            with torch.no_grad():
                self.model.get_input_embeddings().weight.fill_(float("inf"))
        loss(self, *given, **named)

    monkeypatch.setattr(precision.PhaseTrainer, "fit", overflows)
    costs = precision_costs(bench.trainer, TrainingPhase())
    assert costs.keys() == {"fp32"}


def test_nothing_is_timed_where_there_is_no_choice(bench, monkeypatch):
    monkeypatch.setattr(precision, "lower_precisions", lambda device: ())
    monkeypatch.setattr(precision.PhaseTrainer, "fit", None)
    assert precision_costs(bench.trainer, TrainingPhase()) == {}
