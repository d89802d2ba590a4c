"""The tokens that a run keeps."""

from prunekit.cut.token_ids import vocabulary_group
from prunekit.pipeline.state import RunState
from prunekit.vocabulary.pruning import corpus_for, required_token_ids


def kept_token_ids(state: RunState) -> list[int] | None:
    """The ids of the tokens that the recipe's corpus or the given plan keeps; None where all are kept."""
    section = state.recipe.vocabulary
    pruned = state.pruned
    if section.corpus is not None:
        corpus = corpus_for(section, pruned.task)
        tokenizer = pruned.processor.tokenizer
        return required_token_ids(pruned.model, tokenizer, corpus, section.keep, pruned.generation)
    vocabulary = vocabulary_group(state.dense.graph.after(state.plan).groups)
    if vocabulary is None or vocabulary.name not in state.proposal.kept:
        return None
    return vocabulary.positions(state.proposal.of(vocabulary))
