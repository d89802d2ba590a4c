"""The page of a comparison."""

from prunekit.compare.chart import quality_chart
from prunekit.compare.html import comparison_html


def test_the_page_escapes_what_it_shows(full):
    page = comparison_html(full)
    assert "it &lt;broke&gt;" in page
    assert "<broke>" not in page


def test_without_timings_there_is_no_picture(make_summary, full):
    rows = [one.model_copy(update={"speeds": []}) for one in full.tables[0].rows]
    bare = make_summary(rows).model_copy(update={"dense": full.dense.model_copy(update={"speeds": []})})
    assert quality_chart(bare, bare.tables[0], 400, 300) is None
    assert "<svg" not in comparison_html(bare)
