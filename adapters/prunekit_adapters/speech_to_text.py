"""Speech2Text: BART's layers, pre-norm, behind two gated convolutions."""

import torch
from torch import Tensor
from transformers import AutoModelForSpeechSeq2Seq, PretrainedConfig

from prunekit import Adapter, hookimpl

from .bart import Bart
from .random_inputs import random_features

FRAMES = 16
SIZES = {"conv_channels": 12, "input_feat_per_channel": 5, "input_channels": 1}


class Speech2Text(Bart):
    """Speech2Text: features come frame by frame, of any number."""

    auto_class = AutoModelForSpeechSeq2Seq
    model_types = ("speech_to_text",)
    skeleton_sizes = {**Bart.skeleton_sizes, **SIZES, "max_source_positions": FRAMES, "max_target_positions": 16}

    def encoder_inputs(self, config: PretrainedConfig, rows: int) -> dict[str, Tensor]:
        mask = torch.ones(rows, FRAMES, dtype=torch.long)
        mask[1::2, 9:] = 0
        features = random_features(rows, FRAMES, config.input_feat_per_channel * config.input_channels)
        return {"input_features": features, "attention_mask": mask}


@hookimpl
def prunekit_adapter() -> type[Adapter]:
    return Speech2Text
