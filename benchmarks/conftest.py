"""The benches of the families, each made once."""

import copy
from collections.abc import Callable

import pytest
import torch
from cases import FAMILIES, Bench, one_thread

from prunekit import discover

_MADE: dict[str, Bench] = {}


@pytest.fixture
def bench() -> Callable[[str], Bench]:
    """The bench of a family; on the GPU where there is one, else on one thread."""

    def made(family: str) -> Bench:
        one_thread()
        if family not in _MADE:
            torch.manual_seed(0)
            adapter, config = FAMILIES[family]
            model = adapter.fresh(copy.deepcopy(config)).eval()
            graph = discover(adapter, config, model)
            _MADE[family] = Bench(adapter, config, model, graph, "cuda" if torch.cuda.is_available() else "cpu")
        return _MADE[family]

    return made
