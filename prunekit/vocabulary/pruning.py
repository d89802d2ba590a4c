"""Which tokens stay: those that a task's training rows use, or a text file's; and a reader that knows no others."""

import copy
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from prunekit.cut.checkpoint import plan_of
from prunekit.cut.token_ids import token_ids_in_configs, vocabulary_group
from prunekit.data.audio import AudioProcessor
from prunekit.data.processors import Processor
from prunekit.data.tasks import Task
from prunekit.errors import PrunekitError
from prunekit.find.adapter import Adapter
from prunekit.find.graph import DependencyGraph, discover
from prunekit.find.plan import PruningPlan
from prunekit.loading.context import RunContext
from prunekit.loading.pretrained import original_of
from prunekit.measure.equivalence import cut_checked
from prunekit.recipe import VocabularySection
from prunekit.vocabulary import tokenizer as pieces

TASK = "task"
"""The corpus that is the task's own training rows."""


def required_token_ids(context: RunContext, section: VocabularySection) -> list[int]:
    """The ids of the tokens that must stay, ascending; with those that configs and generation settings name.

    Raises `PrunekitError` where there is no such file, or the tokenizer's tokens cannot be told apart.
    """
    texts, targets = _of_task(context.task) if section.corpus == TASK else 2 * (text_lines(Path(str(section.corpus))),)
    return _left(context.model, context.processor.tokenizer, texts, targets, section.keep, context.generation)


def text_lines(path: Path) -> list[str]:
    """The lines of a text file; raises `PrunekitError` where it is none."""
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise PrunekitError(f"The corpus {str(path)!r} cannot be read as UTF-8 text: {error}.") from error


def _of_task(task: Task) -> tuple[list[str], list[str]]:
    """The texts that the training rows give to the model, prefix and all, and those that it writes."""
    read = [task.section.prefix + text for text in task.train["source"]] if task.modality == "text" else []
    return read, list(task.train["target"])


def _left(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: Iterable[str],
    targets: Iterable[str],
    keep: Iterable[str],
    generation: Mapping[str, Any],
) -> list[int]:
    """What the tokenizer cannot do without for these texts, and what configs and settings name; ascending."""
    used = pieces.used_pieces(tokenizer, texts, targets, keep)
    return sorted({*used, *(token for token in token_ids_in_configs(model, generation) if token < len(tokenizer))})


def plan_for(graph: DependencyGraph, ids: list[int]) -> PruningPlan:
    """The plan that leaves the tokens with these ids of the live model that `graph` describes.

    Raises `PrunekitError` for an architecture whose vocabulary stays whole.
    """
    words = vocabulary_group(graph.groups)
    if words is None:
        raise PrunekitError("The vocabulary of this architecture cannot be pruned; leave out --vocabulary.")
    return PruningPlan({words.name: tuple(words.ids[position] for position in ids)})


def prune_processor(processor: Processor, ids: list[int]) -> Processor:
    """The same reader with the tokens of these ids alone, which it counts from 0."""
    small = copy.copy(processor)
    small.tokenizer = pieces.pruned_tokenizer(processor.tokenizer, ids)
    if isinstance(small, AudioProcessor) and small.start in ids:
        small.start = ids.index(small.start)
    return small


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
    if len(tokenizer) > len(cast(Any, model).get_output_embeddings().weight):
        raise PrunekitError("The tokenizer has more tokens than the model; give the one that belongs to it.")
    ids = _left(model, tokenizer, texts, targets, keep, {})
    small = pieces.pruned_tokenizer(tokenizer, ids)
    original = original_of(model, adapter)
    config = copy.deepcopy(original.config)
    graph, before = discover(adapter, config, original), plan_of(model) or PruningPlan()
    plan = plan_for(graph.after(before), ids)
    cut_checked(model, plan, adapter, graph, config, before, [_any_batch(model, adapter, ids)])
    return model, small


def _any_batch(model: PreTrainedModel, adapter: Adapter, ids: Sequence[int]) -> dict[str, Tensor]:
    """Random inputs and labels for four rows, of these tokens only."""
    left, chance = torch.tensor(ids), torch.Generator().manual_seed(0)
    inputs = dict(adapter.encoder_inputs(model.config, 4))
    if "input_ids" in inputs:
        inputs["input_ids"] = left[torch.randint(len(ids), inputs["input_ids"].shape, generator=chance)]
    labels = left[torch.randint(len(ids), (4, 8), generator=chance)]
    live = {key: value.to(model.dtype) if value.is_floating_point() else value for key, value in inputs.items()}
    return {key: value.to(model.device) for key, value in {**live, "labels": labels}.items()}
