"""Evidence about tiny models, made once."""

import pytest

from prunekit.scaffold.draft import draft
from prunekit.scaffold.sizes import kind_of

_DRAFTS = {}


@pytest.fixture(scope="session")
def drafted():
    """The draft of a model type, by name."""

    def of(model_type):
        if model_type not in _DRAFTS:
            _DRAFTS[model_type] = draft(kind_of(model_type))
        return _DRAFTS[model_type]

    return of
