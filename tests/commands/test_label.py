"""``prunekit label``: what it prints of what was labelled and dropped."""

import json


def test_what_was_dropped_is_counted_by_reason_with_its_rows(prunekit, t5_directory, pairs, tmp_path):
    output = tmp_path / "labels.jsonl"
    words = ("label", t5_directory, "--rows", pairs, "--output", output, "--source", "a", "--target", "b")
    result = prunekit(*words, "--set", "task.target_length=6", "--unended", "--most-word-errors", "0.0", "--beams", "2")
    assert result.exit_code == 0, result.stderr
    dropped = [json.loads(line) for line in (tmp_path / "labels.dropped.jsonl").read_text().splitlines()]
    first, second, *table = [line.split() for line in result.stdout.splitlines()]
    assert first[1:] == [str(8 - len(dropped)), "of", "8", "rows", "labelled"]
    assert second[1:] == [str(len(dropped)), "rows", "dropped"]
    assert table[0][:3] == ["most_word_errors", str(len(dropped)), "rows"]
    again = prunekit(*words)
    assert again.exit_code == 1
    assert "exists already" in again.stderr


def test_wrong_limits_are_wrong_usage_of_the_recipe(prunekit, t5_directory, pairs, tmp_path):
    words = ("label", t5_directory, "--rows", pairs, "--output", tmp_path / "x.jsonl", "--source", "a", "--target", "b")
    result = prunekit(*words, "--least-score", "0.5")
    assert result.exit_code == 1
    assert "recovery.filter.least_score" in result.stderr
    assert "no column 'c'" in prunekit(*words[:-4], "--source", "c", "--target", "b").stderr
