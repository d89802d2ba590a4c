"""Markdown: a table that renders, with its command and what is missing."""

from prunekit.compare.markdown import comparison_markdown


def test_markdown_is_a_table_with_its_command_and_what_is_missing(full):
    text = comparison_markdown(full)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in rows}) == 1
    assert len(rows) == 2 + 3
    assert "`prunekit compare g2p.yaml`" in text
    assert "600 CPU-seconds and 200,000 training examples each" in text
    assert "depth (baseline, 2 of 3 seeds)" in text
    assert "cofi-600cpu-1: it <broke>" in text
    assert "5.2 CPU-hours and 0.5 GPU-hours in all" in text
    assert "Runs made on A | B, 2 cores, torch 2.13.0." in text
    assert "Speeds measured on C, 4 cores, torch 2.13.0." in text
