"""Linear layers without rows or columns: they compute what stock ones do, and are no matrices to anybody."""

import copy

import pytest
import torch
from torch import nn

from prunekit.cut.empty_matrices import EmptyLinear
from prunekit.cut.layout import Layout, install, uninstall


@pytest.mark.parametrize("shape", [(0, 4), (4, 0), (0, 0)])
@pytest.mark.parametrize("bias", [True, False])
def test_a_matrix_of_no_elements_is_not_multiplied_but_computes_the_same(shape, bias):
    rows, columns = shape
    with pytest.warns(UserWarning, match="zero-element"):
        stock = nn.Linear(columns, rows, bias)
    model = nn.ModuleDict({"inner": copy.deepcopy(stock), "other": nn.Linear(2, 2)})
    install(model, Layout())
    inner = copy.deepcopy(model)["inner"]
    assert isinstance(inner, EmptyLinear)
    assert not any(isinstance(module, nn.Linear) for path, module in model.named_modules() if path != "other")
    x = torch.randn(2, 3, columns, requires_grad=True)
    assert torch.equal(inner(x), stock(x))
    inner(x).sum().backward()
    assert torch.equal(x.grad, torch.zeros(2, 3, columns))
    assert inner.state_dict().keys() == stock.state_dict().keys()
    uninstall(model)
    assert type(model["inner"]) is nn.Linear
    assert torch.equal(model["inner"](x), stock(x))
