"""The files of a front."""

from prunekit.front.figures import Front
from prunekit.front.output import front_markdown, write_front


def test_three_files_with_the_same_figures(found, tmp_path):
    write_front(found, tmp_path)
    assert Front.model_validate_json((tmp_path / "front.json").read_text()) == found
    assert (tmp_path / "results.md").read_text() == front_markdown(found)
    assert "<svg" in (tmp_path / "front.html").read_text()


def test_the_table_in_markdown_is_whole(found):
    lines = [line for line in front_markdown(found).splitlines() if line.startswith("|")]
    assert len(lines) == 2 + 4
    assert {line.count("|") for line in lines} == {10}
    assert lines[4].startswith("| decoder-3 | 65.99% | 98.2% |")
