"""Pop2Piano: a gated T5 whose encoder reads spectrogram frames, as wide as its hidden states, instead of tokens."""

from transformers import Pop2PianoForConditionalGeneration

from prunekit import hookimpl

from .noise import noise
from .t5 import T5


class Pop2Piano(T5):
    """Pop2Piano: what comes in are hidden states, so their dimensions stay whole."""

    model_types = ("pop2piano",)
    auto_class = Pop2PianoForConditionalGeneration

    def whole(self, config):
        return ("encoder.hidden",)

    def encoder_inputs(self, config, rows):
        return {"input_features": noise(rows, 7, config.d_model)}


@hookimpl
def prunekit_adapter():
    return Pop2Piano
