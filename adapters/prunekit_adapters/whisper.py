"""Whisper: BART's layers, pre-norm, behind two convolutions over mel frames."""

from transformers import AutoModelForSpeechSeq2Seq

from prunekit import hookimpl

from .bart import Bart
from .noise import noise


class Whisper(Bart):
    """Whisper: the input has exactly twice as many frames as the encoder has positions."""

    auto_class = AutoModelForSpeechSeq2Seq
    model_types = ("whisper",)
    skeleton_sizes = {**Bart.skeleton_sizes, "max_source_positions": 4, "max_target_positions": 16, "num_mel_bins": 5}

    def encoder_inputs(self, config, rows):
        return {"input_features": noise(rows, config.num_mel_bins, 2 * config.max_source_positions)}


@hookimpl
def prunekit_adapter():
    return Whisper
