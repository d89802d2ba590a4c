"""Writing a comparison: three files, and the tables between the markers of a document."""

import json

import pytest

from prunekit.compare.figures import Summary
from prunekit.compare.output import insert_tables, write_comparison
from prunekit.errors import PrunekitError


def test_only_what_lies_between_the_markers_is_replaced(full, tmp_path):
    document = tmp_path / "results.md"
    document.write_text("# mine\n<!-- compare:g2p -->\nold\n<!-- /compare:g2p -->\nafter <!-- compare:other -->\n")
    for _ in range(2):
        insert_tables(full, document)
    text = document.read_text()
    assert text.startswith("# mine\n<!-- compare:g2p -->\n`prunekit compare")
    assert text.endswith("\n<!-- /compare:g2p -->\nafter <!-- compare:other -->\n")
    assert "old" not in text
    assert text.count("| nash |") == 1


@pytest.mark.parametrize("text", ["", "<!-- compare:g2p -->", "<!-- /compare:g2p --> <!-- compare:g2p -->"])
def test_a_document_without_a_place_is_left_alone(full, tmp_path, text):
    document = tmp_path / "results.md"
    document.write_text(text)
    with pytest.raises(PrunekitError, match="has no place for the table; put <!-- compare:g2p -->"):
        insert_tables(full, document)
    assert document.read_text() == text
    with pytest.raises(PrunekitError, match="cannot be read"):
        insert_tables(full, tmp_path / "none.md")


def test_the_data_reads_back_and_the_page_and_the_tables_hold_it(full, tmp_path):
    write_comparison(full, tmp_path)
    assert Summary.model_validate(json.loads((tmp_path / "comparison.json").read_text())) == full
    assert (tmp_path / "results.md").read_text().startswith("# g2p\n\n`prunekit compare g2p.yaml`")
    assert "67.00% ± 1.00" in (tmp_path / "comparison.html").read_text()
