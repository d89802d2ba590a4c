"""The tokens that a run keeps."""

from dataclasses import replace

from prunekit import PruningPlan
from prunekit.pipeline.kept_tokens import kept_token_ids


def test_all_without_a_corpus(state):
    assert kept_token_ids(state()) is None


def test_those_of_a_corpus_and_the_special_ones(state, tmp_path):
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("a b\nc\n")
    opened = state(vocabulary={"corpus": str(corpus)})
    tokenizer = opened.dense.processor.tokenizer
    needed = {*tokenizer("a b c")["input_ids"], *tokenizer.all_special_ids}
    kept = kept_token_ids(opened)
    assert needed <= set(kept)
    assert len(kept) < len(opened.dense.model.get_input_embeddings().weight)


def test_those_of_a_given_plan(state):
    opened = state()
    name = next(group.name for group in opened.dense.graph.groups if group.kind.value == "vocabulary")
    given = replace(opened, proposal=PruningPlan({name: (0, 1, 2, 5)}))
    assert kept_token_ids(given) == [0, 1, 2, 5]
