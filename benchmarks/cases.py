"""Models to time: random weights in small shapes of the families people use, cut in the ways people cut."""

import argparse
import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models
from transformers import (
    BartConfig,
    MT5Config,
    PretrainedConfig,
    PreTrainedTokenizerFast,
    T5Config,
    WhisperConfig,
)

from prunekit import Adapter, PruningPlan, prune
from prunekit._support.atomic import insert_between
from prunekit._support.runtime import configure_runtime
from prunekit.find.groups import width_groups
from prunekit.latency.workload import example_input_maker
from prunekit.recipe import Workload
from prunekit_adapters.bart import Bart
from prunekit_adapters.mt5 import MT5
from prunekit_adapters.t5 import T5
from prunekit_adapters.whisper import Whisper

T5_BASE = {"d_model": 768, "d_kv": 64, "d_ff": 3072, "num_heads": 12, "num_layers": 12, "decoder_start_token_id": 0}
"""What the scripts time: the sizes of T5-base."""

BART = {
    "d_model": 256,
    "encoder_layers": 6,
    "decoder_layers": 6,
    "encoder_attention_heads": 8,
    "decoder_attention_heads": 8,
    "encoder_ffn_dim": 1024,
    "decoder_ffn_dim": 1024,
}
WIDTHS = {"d_model": 256, "d_kv": 32, "d_ff": 1024, "num_heads": 8, "num_layers": 6, "num_decoder_layers": 6}
FAMILIES: dict[str, tuple[Adapter, PretrainedConfig]] = {
    "t5": (T5(), T5Config(**WIDTHS, vocab_size=4096, decoder_start_token_id=0)),
    "mt5": (MT5(), MT5Config(**WIDTHS, vocab_size=16384, decoder_start_token_id=0)),
    "bart": (Bart(), BartConfig(**BART, vocab_size=4096, max_position_embeddings=512, forced_eos_token_id=None)),
    "whisper": (
        Whisper(),
        WhisperConfig(
            **BART,
            vocab_size=4096,
            max_source_positions=500,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=2,
            decoder_start_token_id=3,
        ),
    ),
}
SHAPES = ("dense", "depth", "nash")


@dataclass(frozen=True)
class Bench:
    """A dense model and what its shapes are cut to."""

    adapter: Adapter
    config: PretrainedConfig
    model: Any
    graph: Any
    device: str

    def plan(self, shape: str) -> PruningPlan:
        """``dense``, ``depth`` with two of six decoder layers, or ``nash``, which halves the encoder too."""
        plan = PruningPlan() if shape == "dense" else PruningPlan({"decoder.layers": (0, 5)})
        if shape == "nash":
            plan = plan.then(PruningPlan({g.name: g.ids[::2] for g in width_groups(self.graph.groups, "encoder")}))
        return plan

    def cut(self, shape: str) -> Any:
        """A copy of the model in one of these shapes."""
        return prune(copy.deepcopy(self.model), self.plan(shape), self.adapter).to(self.device).eval()

    def inputs(self, workload: Workload) -> dict[str, torch.Tensor]:
        """Random tokens, or sounds."""
        found = example_input_maker(self.adapter)([self.model], workload, 0)
        return {key: value.to(self.device) for key, value in found.items()}


def word_tokenizer(count: int) -> PreTrainedTokenizerFast:
    """A tokenizer of so many words, since an export asks for one."""
    core = Tokenizer(models.WordLevel({f"w{number}": number for number in range(count)}, unk_token="w2"))
    return PreTrainedTokenizerFast(tokenizer_object=core, pad_token="w0", eos_token="w1", unk_token="w2")


def one_thread() -> None:
    """As the command line measures, but on one thread. To be called before anything is computed."""
    configure_runtime()
    torch.set_num_threads(1)


def script(about: str | None, repeats: int) -> argparse.ArgumentParser:
    """The options of a script that interleaves what it measures and leaves a table in a document."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=repeats)
    parser.add_argument("--write", type=Path, metavar="FILE.md", help="put the table between its markers here")
    return parser


def publish(lines: list[str], name: str, document: Path | None) -> None:
    """Print a script's lines, and put them between the markers of that name where there is a document."""
    text = "\n".join(lines)
    print(text)
    if document is not None:
        insert_between(document, name, text)


def describe(benchmark: Any, model: Any, shape: str, **more: Any) -> None:
    """Note in a benchmark's row which model it times."""
    parameters = sum(parameter.numel() for parameter in model.parameters())
    known = {"parameters": parameters, "device": str(model.device), "dtype": str(model.dtype), "shape": shape}
    benchmark.extra_info.update(known, **more)
