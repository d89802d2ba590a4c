"""The report as data: every key of the contract, and files of earlier versions byte for byte."""

import json
import shutil
from pathlib import Path

import pytest

from prunekit.errors import PrunekitError
from prunekit.report.report import Report

SAMPLE = Path(__file__).parent / "samples/report.json"
"""Written by the version before sections and measurements became one model each."""

RECORDS = sorted((Path(__file__).parents[2] / "examples").glob("*/records/*.json"))


def test_a_stored_report_is_read_and_written_byte_for_byte():
    text = SAMPLE.read_text(encoding="utf-8")
    assert Report.load(SAMPLE).json_text() == text
    assert list(json.loads(text)["latency"]["workloads"][0])[-1] == "split"


@pytest.mark.parametrize("directory", sorted({path.parent for path in RECORDS}), ids=lambda path: path.parent.name)
def test_reports_of_stored_records_lose_no_figure(directory):
    stored = [
        json.loads(path.read_text())["report"] for path in RECORDS if path.parent == directory and path.stem != "speeds"
    ]
    assert stored
    for data in stored:
        assert contains(Report.model_validate(data).model_dump(mode="json"), data)


def contains(new, old):
    """Whether `new` has every value of `old`; keys that were added since then are allowed."""
    if isinstance(old, dict):
        return isinstance(new, dict) and all(key in new and contains(new[key], value) for key, value in old.items())
    if isinstance(old, list):
        return len(new) == len(old) and all(map(contains, new, old))
    return new == old


def test_the_json_has_every_field_of_the_contract(full):
    contract = {
        "": "adapter strategy task seed environment parameters sparsity layers widths",
        "parameters": "dense pruned by_part",
        "sparsity": "encoder non_embedding total",
        "layers": "decoder_kept",
        "widths": "heads ffn",
        "quality": "metric higher_is_better dense pruned retained",
        "latency": "workload device threads dense_s pruned_s speedup wall_speedup predicted_speedup split",
        "equivalence": "max_abs_diff max_rel_diff tokens_equal",
        "seconds": "find learn cut recover measure",
        "spent": "examples cpu_seconds device",
    }
    data = full.model_dump(mode="json")
    assert set(contract) - {""} <= set(data)
    for section, names in contract.items():
        assert set(names.split()) <= set(data[section] if section else data)


def test_sections_that_were_not_measured_are_null(bare):
    data = json.loads(bare.json_text())
    assert [data[name] for name in ("strategy", "quality", "latency", "equivalence")] == [None] * 4


def test_lists_of_numbers_take_one_line_of_the_json(full, data):
    assert '      "encoder.self": [4, 0],\n' in full.json_text()
    assert json.loads(full.json_text()) == data


def test_text_that_looks_like_a_list_is_unchanged(changed):
    samples = [{"source": "[\n 1,\n  2 ]", "reference": "[1,  2]", "dense": "", "pruned": ""}]
    assert json.loads(changed(samples=samples).json_text())["samples"] == samples


def test_a_report_from_before_the_maps_still_loads(data, tmp_path):
    old = {key: value for key, value in data.items() if key not in ("kept", "spent")}
    (tmp_path / "report.json").write_text(json.dumps(old))
    report = Report.load(tmp_path / "report.json")
    assert report.kept is None
    assert report.spent.examples == 0


def test_unknown_fields_are_refused(changed):
    with pytest.raises(ValueError, match="surprise"):
        changed(surprise=1)


def test_a_file_that_is_no_report_is_one_sentence(tmp_path):
    with pytest.raises(PrunekitError, match=r"cannot be read: No such file"):
        Report.load(tmp_path / "none.json")
    shutil.copy(SAMPLE, tmp_path / "report.json")
    (tmp_path / "report.json").write_text(SAMPLE.read_text().replace('"adapter"', '"adaptor"'))
    with pytest.raises(PrunekitError, match=r"is no report of this version: adapter: Field required"):
        Report.load(tmp_path / "report.json")
