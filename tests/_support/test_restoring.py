"""Attributes are as before, whatever a library did to them, even when it failed."""

from types import SimpleNamespace

import pytest
from torch import nn

from prunekit._support.restoring import restored_attributes


def test_new_attributes_go_and_changed_or_deleted_ones_come_back():
    model, config = nn.Linear(2, 2), SimpleNamespace(use_cache=True, dropout=0.1)
    before = dict(vars(model))

    def change():
        with restored_attributes(model, config):
            model.forward = lambda x: x
            model.is_prepared = True
            config.use_cache = False
            del config.dropout
            raise KeyError

    with pytest.raises(KeyError):
        change()
    assert vars(model) == before
    assert vars(config) == {"use_cache": True, "dropout": 0.1}
