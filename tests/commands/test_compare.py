"""``prunekit compare``: tables on stdout, failures on stderr, and a document that holds the table."""

import pytest
import yaml


@pytest.fixture
def file(t5_directory, pairs, tmp_path):
    """A comparison of one variant that works and one that cannot, at 8 examples."""
    task = {"train": str(pairs), "eval": str(pairs), "source": "a", "target": "b", "metric": "exact_match"}
    measure = {"batch": 8, "repeats": 1, "least_quality": 0, "workloads": [{"source": 4, "new_tokens": 3}]}
    base = {"model": str(t5_directory), "strategy": "uniform", "task": {**task, "target_length": 8}}
    base |= {"training": {"batch": 4, "precision": "fp32"}, "measure": measure, "device": "cpu", "round_to": 1}
    variants = {"narrow": {}, "broken": {"options": {"encoder_layers": 7}}}
    keys = {"base": base, "variants": variants, "budgets": [{"examples": 8}], "output": str(tmp_path / "out")}
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(keys))
    return path


def test_what_works_is_shown_and_what_failed_is_said(prunekit, file, tmp_path):
    document = tmp_path / "results.md"
    document.write_text("before\n<!-- compare:tiny -->\n<!-- /compare:tiny -->\n")
    result = prunekit("compare", file, "--write", document)
    assert result.exit_code == 1
    assert "narrow" in result.stdout
    assert "dense-further" in result.stdout
    assert "error: broken-8ex-0: encoder_layers is 7, but the encoder has 2 layers" in result.stderr
    assert "| narrow (1 seed) |" in document.read_text()
    assert "`prunekit compare tiny.yaml`" in document.read_text()
    assert str(tmp_path) not in document.read_text()
    again = prunekit("compare", file, "--only", "narrow", "--budget", "8ex")
    assert again.exit_code == 0
    assert again.stdout == result.stdout


@pytest.mark.parametrize(("option", "given", "meant"), [("--only", "narow", "narrow"), ("--budget", "9ex", "8ex")])
def test_an_unknown_variant_or_budget_is_refused(prunekit, file, tmp_path, option, given, meant):
    result = prunekit("compare", file, option, given)
    assert result.exit_code == 1
    assert f"did you mean {meant!r}" in result.stderr
    assert not (tmp_path / "out").exists()
