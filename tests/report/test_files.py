"""Writing a report: both files or none, with the curves of the log beside them."""

import errno
import json
from pathlib import Path

import pytest

from prunekit.errors import PrunekitError
from prunekit.report.files import write_report
from prunekit.report.report import Report


def test_the_json_is_exactly_the_data(full, data, tmp_path):
    write_report(full, tmp_path / "new")
    assert json.loads((tmp_path / "new/report.json").read_text()) == data
    assert Report.load(tmp_path / "new/report.json") == full


def test_the_page_draws_the_curves_of_the_log_beside_it(full, tmp_path):
    line = {"phase": "learn", "loss": 2.0, "encoder_sparsity": 0.1, "encoder_target": 0.2}
    log = "".join(json.dumps({**line, "step": step}) + "\n" for step in (5, 10))
    (tmp_path / "log.jsonl").write_text(log)
    write_report(full, tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert page.count("<polyline") == 2 * 3  # loss, sparsity and target, for wide and narrow windows
    assert "encoder, expected; dashed: its target" in page


def test_a_full_disk_leaves_the_old_report_and_no_draft(full, tmp_path, monkeypatch):
    write_report(full, tmp_path)
    before = (tmp_path / "report.json").read_text()
    real = Path.write_text

    def half(path, text, **options):
        real(path, text[:100], **options)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", half)
    with pytest.raises(PrunekitError, match=r"cannot be written into .*: No space left on device"):
        write_report(full.model_copy(update={"seed": 8}), tmp_path)
    assert (tmp_path / "report.json").read_text() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "report.json"]


def test_a_file_in_the_place_of_the_directory_gets_one_sentence(full, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(PrunekitError, match="cannot be written into"):
        write_report(full, tmp_path / "taken")
