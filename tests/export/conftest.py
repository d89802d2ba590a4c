"""Tokenizers, plans and texts for exports."""

import pytest
import torch
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast, WhisperConfig

from prunekit import Kind, PruningPlan
from prunekit.conformance import ModelUnderTest
from prunekit.testing.models import BART_SIZES
from prunekit_adapters.whisper import Whisper


@pytest.fixture(scope="session")
def words():
    """Makes a tokenizer with a word for every row of a table, ``w0`` and so on, but for those that are given names."""

    def tokenizer(config, names=None, rows=None):
        called = [(names or {}).get(n, f"w{n}") for n in range(rows or config.vocab_size)]
        core = Tokenizer(models.WordLevel({word: n for n, word in enumerate(called)}, unk_token=called[3]))
        ids = {name: getattr(config, f"{name}_id", None) or 0 for name in ("pad_token", "eos_token", "bos_token")}
        special = {name: called[number] for name, number in ids.items() if number < len(called)}
        return PreTrainedTokenizerFast(tokenizer_object=core, unk_token=called[3], **special)

    return tokenizer


@pytest.fixture(scope="session")
def ragged():
    """Makes a plan: no layer like another, emptied sub-layers, the first layer of either stack gone, narrow streams."""

    def plan(graph, narrow=()):
        kept = {g.name: g.ids[1:] for g in graph.groups if g.kind is Kind.LAYERS}
        for number, group in enumerate(g for g in graph.groups if g.kind in (Kind.HEADS, Kind.FFN)):
            kept[group.name] = group.ids[number % 3 :]
        kept |= dict.fromkeys(("encoder.1.self.heads", "decoder.2.cross.heads", "encoder.2.ffn", "decoder.3.ffn"), ())
        return PruningPlan(kept | {g.name: g.ids[3:] for g in graph.groups if g.name in narrow})

    return plan


@pytest.fixture(scope="session")
def hundred():
    """A hundred inputs of four to twelve words with answers of three to nine, nine lengths in all; no special words."""
    generator = torch.Generator().manual_seed(1)
    lengths = [(4 + n % 9, 3 + n % 9 % 7) for n in range(100)]
    return [tuple(torch.randint(4, 50, (size,), generator=generator).tolist() for size in pair) for pair in lengths]


LANGUAGES = ("en", "zh", "de")
WHISPER_SIZES = {key: size for key, size in BART_SIZES.items() if key != "max_position_embeddings"}
WHISPER_SIZES |= {"num_mel_bins": 8, "max_source_positions": 24, "max_target_positions": 40, "median_filter_width": 3}


@pytest.fixture(scope="session")
def whisper(words):
    """Makes a tiny Whisper and its tokenizer: `plain` words, three languages, both tasks and 20 timestamps.

    Real vocabularies have `spare` tokens that are not asked for.
    """

    def make(plain=50, multilingual=True, spare=True):
        previous = ("startoflm", "startofprev") if spare else ()
        tasks = ("translate", "transcribe", *previous, "nospeech", "notimestamps")
        marks = ["endoftext", "startoftranscript", *LANGUAGES, *tasks]
        stamps = [f"{stamp * 0.02:.2f}" for stamp in range(20)]
        ids = {mark: plain + place for place, mark in enumerate([*marks, *stamps])}
        special = dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id"), plain)
        special["decoder_start_token_id"] = ids["startoftranscript"]
        quiet = {"suppress_tokens": None, "begin_suppress_tokens": None}
        config = WhisperConfig(**WHISPER_SIZES, **special, **quiet, vocab_size=plain + len(ids))
        specimen = ModelUnderTest.tiny(Whisper(), config, torch.float32)
        own = specimen.model.generation_config
        own.is_multilingual, own._from_model_config = multilingual, False
        own.no_timestamps_token_id, own.max_length, own.return_timestamps = ids["notimestamps"], 40, False
        if multilingual:
            own.lang_to_id = {f"<|{name}|>": ids[name] for name in LANGUAGES}
            own.task_to_id = {name: ids[name] for name in ("transcribe", "translate")}
        tokenizer = words(config, {number: f"<|{mark}|>" for mark, number in ids.items()})
        tokenizer.add_special_tokens({"extra_special_tokens": [f"<|{mark}|>" for mark in marks]})
        return specimen, tokenizer

    return make
