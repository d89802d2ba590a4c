"""Pruning without a recipe: cut a model to a plan, or remove the tokens that a corpus does not need."""

import copy
import logging
from collections.abc import Iterable, Sequence
from typing import Any, cast

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from prunekit.cut import checkpoint
from prunekit.cut.checkpoint import plan_of
from prunekit.cut.surgery import cut
from prunekit.errors import PrunekitError
from prunekit.find.adapter import Adapter
from prunekit.find.graph import discover
from prunekit.find.plan import PruningPlan
from prunekit.loading.pretrained import original_of
from prunekit.pipeline.abilities import lost_abilities
from prunekit.pipeline.checked_cut import cut_checked
from prunekit.vocabulary.pruning import Corpus, plan_for, prunable_vocabulary, required_token_ids
from prunekit.vocabulary.tokenizer import pruned_tokenizer

log = logging.getLogger(__name__)


def prune(model: PreTrainedModel, plan: PruningPlan, adapter: Adapter) -> PreTrainedModel:
    """Cut `model` to `plan` in place and return it: surgery alone, without training, data or files.

    `adapter` describes the architecture. Example: ``prune(model, PruningPlan({"decoder.layers": (0, 11)}), T5())``.
    """
    original = original_of(model, adapter)
    config = copy.deepcopy(original.config)
    dense = model.generation_config
    pruned = cut(model, plan, adapter, discover(adapter, config, original), config, checkpoint.plan_of(model))
    for sentence in lost_abilities(adapter, dense, pruned.generation_config):
        log.warning("%s", sentence)
    return pruned


def prune_vocabulary(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    adapter: Adapter,
    texts: Iterable[str],
    targets: Iterable[str] = (),
    keep: Iterable[str] = (),
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Take from `model`, in place, the tokens that these texts do not need; with it the tokenizer that is left.

    `targets` are texts that the model writes, `keep` names pieces, or texts whose pieces stay too. No training: other
    tokens keep their scores, which is proved on random inputs. Raises `PrunekitError` where that fails, or where the
    tokenizer or the architecture cannot lose tokens.
    """
    original = original_of(model, adapter)
    config = copy.deepcopy(original.config)
    graph = discover(adapter, config, original)
    prunable_vocabulary(graph)
    if len(tokenizer) > len(cast(Any, model).get_output_embeddings().weight):
        raise PrunekitError("The tokenizer has more tokens than the model; give the one that belongs to it.")
    ids = required_token_ids(model, tokenizer, Corpus(list(texts), list(targets)), keep)
    small = pruned_tokenizer(tokenizer, ids)
    before = plan_of(model) or PruningPlan()
    plan = plan_for(graph.after(before), ids)
    cut_checked(model, plan, adapter, graph, config, before, [_any_batch(model, adapter, ids)])
    return model, small


def _any_batch(model: PreTrainedModel, adapter: Adapter, ids: Sequence[int]) -> dict[str, Tensor]:
    """Random inputs and labels for four rows, of these tokens only."""
    left = torch.tensor(ids)
    chance = torch.Generator().manual_seed(0)
    inputs = dict(adapter.encoder_inputs(model.config, 4))
    if "input_ids" in inputs:
        inputs["input_ids"] = left[torch.randint(len(ids), inputs["input_ids"].shape, generator=chance)]
    labels = left[torch.randint(len(ids), (4, 8), generator=chance)]
    live = {key: value.to(model.dtype) if value.is_floating_point() else value for key, value in inputs.items()}
    return {key: value.to(model.device) for key, value in {**live, "labels": labels}.items()}
