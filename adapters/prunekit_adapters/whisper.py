"""Whisper: BART's layers, pre-norm, behind two convolutions over mel frames."""

from torch import Tensor
from transformers import AutoModelForSpeechSeq2Seq, PretrainedConfig

from prunekit import Adapter, hookimpl

from .bart import Bart
from .random_inputs import random_features


class Whisper(Bart):
    """Whisper: the input has exactly twice as many frames as the encoder has positions."""

    auto_class = AutoModelForSpeechSeq2Seq
    model_types = ("whisper",)
    skeleton_sizes = {**Bart.skeleton_sizes, "max_source_positions": 4, "max_target_positions": 16, "num_mel_bins": 5}

    def encoder_inputs(self, config: PretrainedConfig, rows: int) -> dict[str, Tensor]:
        return {"input_features": random_features(rows, config.num_mel_bins, 2 * config.max_source_positions)}


@hookimpl
def prunekit_adapter() -> type[Adapter]:
    return Whisper
