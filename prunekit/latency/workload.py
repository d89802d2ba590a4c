"""A fixed amount of generation: random source tokens or audio in, exactly so many new tokens out, on any device."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig, GenerationMixin, PreTrainedModel

from prunekit.data.audio import AudioProcessor
from prunekit.data.encoded import to_device
from prunekit.data.lengths import positions_of
from prunekit.data.processors import Processor
from prunekit.errors import PrunekitError
from prunekit.find.adapter import Adapter
from prunekit.generation import use_generation_config
from prunekit.recipe import Workload

InputMaker = Callable[[Sequence[PreTrainedModel], Workload, int], dict[str, Tensor]]
"""Makes the inputs that all of some models can read, for a workload and a seed."""


def check_workloads(model: PreTrainedModel, workloads: Sequence[Workload]) -> None:
    """Raise `PrunekitError` for a workload with more tokens than the model has learned positions for."""
    reads_tokens = getattr(model, "main_input_name", "input_ids") == "input_ids"
    positions = positions_of(model.config, model)
    for workload in workloads:
        _check_length(workload.source if reads_tokens else 0, positions.source)
        _check_length(workload.new_tokens, positions.target)


def _check_length(tokens: int, positions: int | None) -> None:
    if positions is not None and tokens > positions:
        raise PrunekitError(
            f"A workload has {tokens} tokens, but the model has positions for {positions}; "
            "shorten it with measure.workloads."
        )


def random_text(models: Sequence[PreTrainedModel], workload: Workload, seed: int) -> dict[str, Tensor]:
    """Random `input_ids` [batch, source] that all models know and none treats specially, without padding."""
    plain = torch.tensor(plain_tokens(models))
    drawn = torch.randint(len(plain), (workload.batch, workload.source), generator=torch.Generator().manual_seed(seed))
    return {"input_ids": plain[drawn], "attention_mask": torch.ones_like(drawn)}


def example_input_maker(adapter: Adapter) -> InputMaker:
    """Random tokens; for models of audio or images the adapter's example, which is as long as they accept."""

    def make(models: Sequence[PreTrainedModel], workload: Workload, seed: int) -> dict[str, Tensor]:
        if getattr(models[0], "main_input_name", "input_ids") == "input_ids":
            batch = random_text(models, workload, seed)
            return {**batch, **adapter.attention_hints(models[0].config, batch)}
        return dict(adapter.encoder_inputs(models[0].config, workload.batch))

    return make


def make_inputs(
    models: Sequence[PreTrainedModel], sources: InputMaker, workload: Workload, seed: int
) -> dict[str, Tensor]:
    """What the models read, on their device before any clock runs."""
    return to_device(sources(models, workload, seed), models[0])


def plain_tokens(models: Sequence[PreTrainedModel], known: int | None = None) -> list[int]:
    """Every id that all models read and write and none treats specially; or each below `known`, as on one side only."""
    special = {token for model in models for token in _special_ids(model)}
    below = min(len(table.weight) for table in _tables(models)) if known is None else known
    return [token for token in range(below) if token not in special]


def _tables(models: Sequence[PreTrainedModel]) -> Iterator[Any]:
    """The tables of tokens: those that are read, and those that are written where a model has other ones."""
    for model in models:
        whole: Any = model
        found = (whole.get_input_embeddings(), whole.get_output_embeddings())
        yield from (table for table in found if table is not None)


def input_maker_for(processor: Processor) -> InputMaker:
    """Makes inputs of the processor's modality: tokens, or audio in hundredths of a second."""
    if isinstance(processor, AudioProcessor):
        return lambda models, workload, seed: processor.noise(workload.batch, workload.source, seed)
    return partial(_hinted_text, processor)


def _hinted_text(
    processor: Processor, models: Sequence[PreTrainedModel], workload: Workload, seed: int
) -> dict[str, Tensor]:
    """Random tokens, and what the architecture wants beside them."""
    batch = random_text(models, workload, seed)
    return {**batch, **processor.hints(batch)}


def _special_ids(model: PreTrainedModel) -> Iterator[int]:
    """Every id that the configs name: padding, beginning, end, forced and suppressed tokens."""
    for config in (model.config, model.generation_config):
        for key, value in config.to_dict().items():
            if key.endswith(("_token_id", "_tokens")):
                listed = value if isinstance(value, list) else [value]
                yield from (token for token in listed if isinstance(token, int))


def generate_fixed(model: PreTrainedModel, inputs: dict[str, Tensor], workload: Workload) -> Tensor:
    """Exactly ``workload.new_tokens`` new tokens for every row: no end of sequence, nothing forced; synchronised."""
    generator: Any = GenerationMixin.generate  # Whisper's own cuts what it has made
    synchronise(model.device)
    with use_generation_config(model, _config(model, workload)):
        answers: Tensor = generator(model, **inputs)
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
