"""The tokens that a run keeps."""

from prunekit.cut.token_ids import vocabulary_group
from prunekit.find.plan import PruningPlan
from prunekit.pipeline.state import RunState
from prunekit.vocabulary.pruning import corpus_for, required_token_ids


def kept_token_ids(state: RunState) -> list[int] | None:
    """The ids of the tokens that the recipe's corpus or the given plan keeps; None where all are kept.

    A run that starts from another keeps what that one kept.
    """
    if state.start is not None:
        return _ids_in(state.start.plan, state)
    section = state.recipe.vocabulary
    pruned = state.pruned
    if section.corpus is not None:
        corpus = corpus_for(section, pruned.task)
        tokenizer = pruned.processor.tokenizer
        return required_token_ids(pruned.model, tokenizer, corpus, section.keep, pruned.generation)
    return _ids_in(state.proposal, state)


def _ids_in(plan: PruningPlan, state: RunState) -> list[int] | None:
    """The ids of the tokens that a plan keeps of the live model's; None where it says nothing of them, or all."""
    vocabulary = vocabulary_group(state.groups)
    if vocabulary is None or vocabulary.name not in plan.kept or plan.of(vocabulary) == vocabulary.ids:
        return None
    return vocabulary.positions(plan.of(vocabulary))
