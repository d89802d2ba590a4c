"""Tokenizers, plans and texts for exports."""

import pytest
import torch
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from prunekit import Kind, PruningPlan


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
