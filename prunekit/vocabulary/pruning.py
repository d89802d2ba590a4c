"""Vocabulary pruning: the tokens that a corpus needs, the plan that keeps them, and a processor without the others."""

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from prunekit.cut.token_ids import token_ids_in_configs, vocabulary_group
from prunekit.data.processors import Processor
from prunekit.data.tasks import Task
from prunekit.errors import PrunekitError
from prunekit.find.graph import DependencyGraph
from prunekit.find.groups import Kind, PruningGroup
from prunekit.find.plan import PruningPlan
from prunekit.recipe import VocabularySection
from prunekit.vocabulary.tokenizer import pruned_tokenizer, used_pieces

TASK = "task"
"""The corpus that is the task's own training rows."""


@dataclass(frozen=True)
class Corpus:
    """The texts whose tokens are kept: those that a model reads, and those that it writes.

    Example: the training rows of a summarisation task give articles to `read` and summaries to `written`.
    """

    read: Sequence[str]
    written: Sequence[str]

    @classmethod
    def of_task(cls, task: Task) -> "Corpus":
        """The training rows of a task; sources with their prefix, and none where the model reads audio or images."""
        sources = [task.section.prefix + text for text in task.train["source"]] if task.modality == "text" else []
        return cls(sources, list(task.train["target"]))

    @classmethod
    def of_file(cls, path: Path) -> "Corpus":
        """The lines of a UTF-8 text file, as both; raises `PrunekitError` where it cannot be read as such.

        A text ends where its line does: other separators, such as U+2028 or a form feed, are characters within it.
        """
        try:
            with path.open(encoding="utf-8-sig") as file:
                lines = [line.rstrip("\n") for line in file]
        except (OSError, UnicodeDecodeError) as error:
            raise PrunekitError(f"The corpus {str(path)!r} cannot be read as UTF-8 text: {error}.") from error
        return cls(lines, lines)


def corpus_for(section: VocabularySection, task: Task) -> Corpus:
    """The corpus that a recipe names: ``task``, or a text file."""
    return Corpus.of_task(task) if section.corpus == TASK else Corpus.of_file(Path(str(section.corpus)))


def required_token_ids(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    corpus: Corpus,
    keep: Iterable[str] = (),
    generation: Mapping[str, Any] | None = None,
) -> list[int]:
    """The ids of the tokens that a corpus needs, ascending.

    With them come the pieces that `keep` names or that its texts are made of, and every token that the model's configs
    or the `generation` settings name. Raises `PrunekitError` where the tokenizer's tokens cannot be told apart.
    """
    used = used_pieces(tokenizer, corpus.read, corpus.written, keep)
    named = token_ids_in_configs(model, generation or {})
    return sorted({*used, *(token for token in named if token < len(tokenizer))})


def plan_for(graph: DependencyGraph, ids: list[int]) -> PruningPlan:
    """The plan that keeps the tokens with these ids, counted as in the model that `graph` describes.

    Raises `PrunekitError` for an architecture whose vocabulary cannot be pruned.
    """
    words = prunable_vocabulary(graph)
    return PruningPlan({words.name: tuple(words.ids[position] for position in ids)})


def prunable_vocabulary(graph: DependencyGraph) -> PruningGroup:
    """The group of the tokens that a model reads and writes; raises `PrunekitError` where they cannot be pruned."""
    words = vocabulary_group(graph.groups)
    if words is None and any(group.kind is Kind.VOCABULARY for group in graph.groups):
        raise PrunekitError(
            "This model reads one vocabulary and writes another, or its architecture needs all of its tokens, so its "
            "vocabulary cannot be pruned; leave out --vocabulary."
        )
    if words is None:
        raise PrunekitError("The vocabulary of this architecture cannot be pruned; leave out --vocabulary.")
    return words


def prune_processor(processor: Processor, ids: list[int]) -> Processor:
    """A copy of a processor with only the tokens of these ids, renumbered from 0."""
    pruned = copy.copy(processor)
    pruned.tokenizer = pruned_tokenizer(processor.tokenizer, ids)
    if pruned.start is not None and pruned.start in ids:
        pruned.start = ids.index(pruned.start)
    return pruned
