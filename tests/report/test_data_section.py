"""What a look at the data becomes in a report."""

from prunekit.data.encoded import EncodedDataset, Side
from prunekit.report.data_section import DatasetSection


def test_lengths_cuts_and_unknown_tokens_in_figures_and_sentences():
    side = Side((10, 20, 30, 40, 100), limit=35, unknown=4)
    found = DatasetSection.of(EncodedDataset([[1]] * 5, [1] * 5, [[1]] * 5, side, Side((1,) * 5, limit=9)))
    assert found.sources is not None
    assert (found.sources.cut, found.sources.median, found.sources.longest) == (2, 30, 100)
    assert found.sources.unknown == 4 / 200
    first, second = found.complaints("training")
    assert first.startswith("2 of 5 sources of the training rows are cut to task.source_length (35 tokens)")
    assert second.startswith("2.0% of the tokens in the sources of the training rows are unknown")


def test_audio_has_no_source_lengths():
    found = DatasetSection.of(EncodedDataset([[0.1]], [1], [[1]], target_side=Side((1,), limit=9)))
    assert found.sources is None
    assert not list(found.complaints("dev"))
