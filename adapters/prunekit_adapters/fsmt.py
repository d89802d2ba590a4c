"""FSMT, fairseq's translation models."""

from prunekit import hookimpl

from .bart import Bart


class Fsmt(Bart):
    """FSMT: an attention's output is as wide as its input, so heads and hidden dimensions stay whole.

    So do its tokens: what it says to be its output projection is the table of its decoder.
    """

    model_types = ("fsmt",)
    skeleton_sizes = {**Bart.skeleton_sizes, "src_vocab_size": 24, "tgt_vocab_size": 24}

    def whole(self, config):
        return ("*.heads", "*hidden", "vocabulary")


@hookimpl
def prunekit_adapter():
    return Fsmt
