"""Ties of a fresh model follow those of a live one."""

import copy

import torch
from torch import nn

from prunekit.cut.ties import untie_like


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(3, 2)
        self.head = nn.Linear(2, 3, bias=False)
        self.other = nn.Linear(2, 3, bias=False)
        self.head.weight = self.table.weight
        self.other.weight = self.table.weight


def test_what_is_tied_in_both_stays_so_and_the_rest_is_untied():
    live, stock = Tied(), Tied()
    live.head.weight = nn.Parameter(torch.ones(3, 2))
    untie_like(stock, live)
    assert stock.other.weight is stock.table.weight
    assert stock.head.weight is not stock.table.weight
    assert stock.head.weight.shape == (3, 2)


def test_a_model_with_the_same_ties_is_left_alone():
    stock = Tied()
    before = copy.copy(dict(stock.named_parameters(remove_duplicate=False)))
    untie_like(stock, Tied())
    after = dict(stock.named_parameters(remove_duplicate=False))
    assert all(after[name] is parameter for name, parameter in before.items())
