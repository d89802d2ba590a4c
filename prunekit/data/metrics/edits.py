"""Edit distances to the best reference, which error rates are made of."""

from collections.abc import Callable, Sequence

import jiwer

from prunekit.data.metrics.metric import Parts

Alignment = jiwer.WordOutput | jiwer.CharacterOutput


def edits_to_best(
    predictions: Sequence[str],
    references: Sequence[Sequence[str]],
    align: Callable[[list[str], list[str]], Alignment],
) -> list[Parts]:
    """Edits and tokens of each row's best reference, by an alignment of n references with n predictions.

    The best reference has the fewest edits; among equals the longest, which gives the lower rate.
    """
    repeated = [text for text, row in zip(predictions, references, strict=True) for _ in row]
    aligned = align([text for row in references for text in row], repeated)
    pairs = zip(map(_edits, aligned.alignments), map(len, aligned.references), strict=True)
    return [min((next(pairs) for _ in row), key=lambda pair: (pair[0], -pair[1])) for row in references]


def _edits(alignment: Sequence[jiwer.AlignmentChunk]) -> int:
    """Substitutions, deletions and insertions, in tokens; an inserted token has no place in the reference."""
    return sum(
        max(chunk.ref_end_idx - chunk.ref_start_idx, chunk.hyp_end_idx - chunk.hyp_start_idx)
        for chunk in alignment
        if chunk.type != "equal"
    )
