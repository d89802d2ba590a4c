"""mT5: a gated T5 with a large vocabulary."""

from prunekit import Adapter, hookimpl

from .t5 import T5


class MT5(T5):
    """mT5: T5's structure under its own model type."""

    model_types = ("mt5",)


@hookimpl
def prunekit_adapter() -> type[Adapter]:
    return MT5
