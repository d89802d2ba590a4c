"""A fixed amount of generation: random source tokens in, exactly so many new tokens out, on any device."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig, PreTrainedModel

from prunekit.errors import PrunekitError
from prunekit.measure.quality import generating
from prunekit.recipe import Workload


def check(model: PreTrainedModel, workloads: Sequence[Workload]) -> None:
    """Raise `PrunekitError` for a workload with more tokens than the model has learned positions for."""
    places = getattr(model.config, "max_position_embeddings", None)
    for workload in workloads:
        longest = max(workload.source, workload.new_tokens)
        if places is not None and longest > places:
            raise PrunekitError(
                f"A workload has {longest} tokens, but the model has positions for {places}; "
                "shorten it with measure.workloads."
            )


def source_ids(dense: PreTrainedModel, pruned: PreTrainedModel, workload: Workload, seed: int) -> Tensor:
    """Random token ids of shape [batch, source] that both models know and neither treats specially."""
    tables: list[Any] = [model.get_input_embeddings() for model in (dense, pruned)]
    rows = min(len(table.weight) for table in tables)
    special = {token for model in (dense, pruned) for token in _special_ids(model)}
    plain = torch.tensor([token for token in range(rows) if token not in special])
    drawn = torch.randint(len(plain), (workload.batch, workload.source), generator=torch.Generator().manual_seed(seed))
    return plain[drawn].to(dense.device)


def _special_ids(model: PreTrainedModel) -> Iterator[int]:
    """Every id that a config names: padding, beginning, end, forced and suppressed tokens."""
    for config in (model.config, model.generation_config):
        for key, value in config.to_dict().items():
            if key.endswith(("_token_id", "_tokens")):
                listed = value if isinstance(value, list) else [value]
                yield from (token for token in listed if isinstance(token, int))


def generate(model: PreTrainedModel, ids: Tensor, workload: Workload) -> Tensor:
    """Exactly ``workload.new_tokens`` new tokens for every row: no end of sequence, nothing forced; synchronised."""
    generator: Any = model
    synchronise(model.device)
    with generating(model, _config(model, workload)):
        answers: Tensor = generator.generate(input_ids=ids, attention_mask=torch.ones_like(ids))
    synchronise(model.device)
    return answers


def _config(model: PreTrainedModel, workload: Workload) -> GenerationConfig:
    """The workload and the model's start tokens, nothing else of its own config."""
    own: Any = model.generation_config
    return GenerationConfig.from_dict(
        {
            "max_new_tokens": workload.new_tokens,
            "min_new_tokens": workload.new_tokens,
            "num_beams": workload.beams,
            "do_sample": False,
            "pad_token_id": own.pad_token_id or 0,
            "bos_token_id": own.bos_token_id,
            "decoder_start_token_id": own.decoder_start_token_id,
        }
    )


def synchronise(device: torch.device) -> None:
    """Wait until an accelerator has finished; a CPU always has."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
