"""FSMT, fairseq's translation models."""

import copy

from torch import Tensor
from transformers import PretrainedConfig

from prunekit import Adapter, hookimpl

from .bart import Bart


class Fsmt(Bart):
    """FSMT: an attention's output is as wide as its input, so heads and hidden dimensions are not pruned.

    Nor is the vocabulary: `get_output_embeddings` returns the decoder's table, not a projection.
    """

    model_types = ("fsmt",)
    skeleton_sizes = {**Bart.skeleton_sizes, "src_vocab_size": 24, "tgt_vocab_size": 24}

    def whole(self, config: PretrainedConfig) -> tuple[str, ...]:
        return ("*.heads", "*hidden", "vocabulary")

    def encoder_inputs(self, config: PretrainedConfig, rows: int) -> dict[str, Tensor]:
        read = copy.copy(config)
        read.vocab_size = config.src_vocab_size  # else the other name of `tgt_vocab_size`
        return super().encoder_inputs(read, rows)


@hookimpl
def prunekit_adapter() -> type[Adapter]:
    return Fsmt
