"""Pop2Piano: a gated T5 whose encoder reads spectrogram frames, as wide as its hidden states, instead of tokens."""

from torch import Tensor
from transformers import Pop2PianoForConditionalGeneration, PretrainedConfig

from prunekit import Adapter, hookimpl

from .random_inputs import random_features
from .t5 import T5


class Pop2Piano(T5):
    """Pop2Piano: what comes in are hidden states, so their dimensions are not pruned."""

    model_types = ("pop2piano",)
    auto_class = Pop2PianoForConditionalGeneration

    def whole(self, config: PretrainedConfig) -> tuple[str, ...]:
        return ("encoder.hidden",)

    def encoder_inputs(self, config: PretrainedConfig, rows: int) -> dict[str, Tensor]:
        return {"input_features": random_features(rows, 7, config.d_model)}


@hookimpl
def prunekit_adapter() -> type[Adapter]:
    return Pop2Piano
