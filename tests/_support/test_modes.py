import pytest
import torch

from prunekit._support.modes import evaluation_mode


def test_modes_come_back_after_a_failure(t5):
    t5.train()
    inside = []

    def fail():
        with evaluation_mode(t5):
            inside.extend([t5.training, torch.is_inference_mode_enabled()])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert inside == [False, True]
    assert t5.training
    assert not torch.is_inference_mode_enabled()


def test_every_module_gets_its_own_mode_back(t5):
    t5.train()
    t5.encoder.eval()
    before = [module.training for module in t5.modules()]
    with evaluation_mode(t5):
        assert not any(module.training for module in t5.modules())
        assert not t5(input_ids=torch.tensor([[3]]), labels=torch.tensor([[3]])).loss.requires_grad
    assert [module.training for module in t5.modules()] == before
