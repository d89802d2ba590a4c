import errno
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

from prunekit.errors import PrunekitError
from prunekit.report.report import Report, _quality_rows, table

SPLIT = {"encoder": 0.1, "decoder": 0.6, "head": 0.05, "loop": 0.25}
TIMING = {
    "workload": {"batch": 1, "source": 9, "new_tokens": 8, "beams": 1},
    "device": "cpu",
    "threads": 1,
    "dense_s": 0.12,
    "pruned_s": 0.04,
    "dense_wall_s": 0.2,
    "pruned_wall_s": 0.08,
    "speedup": 3.0,
    "wall_speedup": 2.5,
    "speedup_error": 0.04,
    "predicted_speedup": None,
    "real_time": None,
    "split": {"dense": SPLIT, "pruned": SPLIT},
}
BEAMS = {**TIMING, "workload": {"batch": 32, "source": 9, "new_tokens": 8, "beams": 4}, "speedup": 4.25}
FULL = {
    "adapter": "t5",
    "strategy": "nash",
    "task": "g2p",
    "seed": 7,
    "environment": {"python": "3.11.9", "cores": 2},
    "parameters": {
        "dense": 3950000,
        "pruned": 1300000,
        "by_part": {"encoder": 500000, "decoder": 790000, "embedding": 10000, "head": 0},
        "dense_by_part": {"encoder": 790000, "decoder": 3150000, "embedding": 10000, "head": 0},
    },
    "sparsity": {"encoder": 0.31, "non_embedding": 0.665, "total": 0.67},
    "layers": {"encoder_kept": [0, 1], "encoder_dense": 2, "decoder_kept": [0, 11], "decoder_dense": 12},
    "widths": {
        "heads": {"encoder.self": [4, 0], "decoder.self": [4, 4]},
        "ffn": {"encoder": [512, 136]},
        "dense_heads": {"encoder.self": [4, 4], "decoder.self": [4, 4]},
        "dense_ffn": {"encoder": [512, 512]},
        "hidden": {"hidden": 128},
        "dense_hidden": {"hidden": 128},
        "tokens": 69,
        "dense_tokens": 69,
    },
    "kept": {
        "heads": {
            "encoder.self": {"layers": [0, 1], "units": [4, 4], "kept": [[1, 1, 1, 1], [0, 0, 0, 0]]},
            "decoder.self": {"layers": [0, 1, 2], "units": [4, 4, 4], "kept": [[1, 0, 1, 1], None, [1, 1, 1, 1]]},
        },
        "ffn": {"encoder": {"layers": [0], "units": [128], "kept": [[2, 1, 0, *[2] * 61]]}},
    },
    "quality": {
        "metric": "exact_match",
        "higher_is_better": True,
        "dense": 0.67,
        "pruned": 0.6164,
        "retained": 0.92,
        "examples": 6323,
        "others": {"per": {"dense": 0.0912, "pruned": 0.1134}},
        "intervals": {"dense": [0.658, 0.682], "pruned": [0.604, 0.629]},
        "loss": {"dense": 0.1571, "pruned": 0.2004},
    },
    "latency": {**TIMING, "workloads": [TIMING, BEAMS]},
    "equivalence": {"max_abs_diff": 3e-6, "max_rel_diff": 2e-7, "tokens_equal": True},
    "seconds": {"find": 0.1, "learn": 100.0, "cut": 0.2, "recover": 60.5, "measure": 30.0},
    "spent": {"examples": 204800, "cpu_seconds": 321.5, "device": "cpu"},
    "samples": [{"source": "<b>café</b>", "reference": "K", "dense": "K", "pruned": "K <script>"}],
}
BARE = {**FULL, "strategy": None, "task": None, "quality": None, "latency": None, "equivalence": None, "samples": []}


@pytest.fixture
def full():
    return Report.model_validate(FULL)


def test_the_json_is_exactly_the_data(full, tmp_path):
    full.write(tmp_path / "new")
    assert json.loads((tmp_path / "new/report.json").read_text()) == FULL
    assert Report.load(tmp_path / "new/report.json") == full


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


def test_people_see_the_spread_of_the_headline_and_the_loss(full):
    shown = Console(width=120)
    with shown.capture() as text:
        shown.print(table(full))
    for words in ("3.00x ± 0.04", "95% of resamples", "65.8-68.2%", "60.4-62.9%", "loss per token", "0.157", "0.200"):
        assert words in text.get()
        assert words in full.html()


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({}, "92.0% kept"),
        ({"higher_is_better": False, "metric": "wer", "dense": 0.05, "pruned": 0.145}, "2.90x the errors"),
        ({"dense": 0.0, "retained": None}, ""),
        ({"higher_is_better": False, "dense": 0.0, "retained": 0.8}, ""),
    ],
)
def test_what_is_left_of_the_quality_is_told_as_it_is_counted(keys, words):
    report = Report.model_validate({**FULL, "quality": {**FULL["quality"], **keys}})
    line = next(iter(_quality_rows(report)))
    assert line[3] == words
    assert words in report.html()


def test_what_was_not_measured_is_null(tmp_path):
    Report.model_validate(BARE).write(tmp_path)
    data = json.loads((tmp_path / "report.json").read_text())
    assert [data[name] for name in ("strategy", "quality", "latency", "equivalence")] == [None] * 4


def test_lists_of_numbers_take_one_line_of_the_json(full):
    assert '      "encoder.self": [4, 0],\n' in full.json_text()
    assert json.loads(full.json_text()) == FULL


def test_text_that_looks_like_a_list_stays_as_it_is():
    samples = [{"source": "[\n 1,\n  2 ]", "reference": "[1,  2]", "dense": "", "pruned": ""}]
    report = Report.model_validate({**FULL, "samples": samples})
    assert json.loads(report.json_text())["samples"] == samples


def test_a_report_from_before_the_maps_still_loads(tmp_path):
    (tmp_path / "report.json").write_text(json.dumps({k: v for k, v in FULL.items() if k not in ("kept", "spent")}))
    old = Report.load(tmp_path / "report.json")
    assert old.kept is None
    assert "What stayed, layer by layer" not in old.html()
    assert "Sample outputs" in old.html()


def test_unknown_fields_are_refused():
    with pytest.raises(ValueError, match="surprise"):
        Report.model_validate({**FULL, "surprise": 1})


class Page(HTMLParser):
    """A page's tags, and its text in one line."""

    def __init__(self, html: str):
        super().__init__()
        self.tags, self.attributes, self.words = [], {}, []
        self.feed(html)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            self.attributes.setdefault(name, []).append(value)

    def handle_data(self, data):
        self.words.append(data)


def test_the_page_says_the_figures(full):
    text = Page(full.html()).text
    for words in (
        "nash on g2p (t5)",
        "3.00x batch 1, 9+8 tokens",
        "61.64% dense 67.00%, 92.0% kept",
        "1,300,000 of 3,950,000",
        "2 of 12 kept 0, 11",
        "per 9.12% 11.34%",
        "CPU time 120.0 ms 40.0 ms 3.00x ± 0.04 wall time 200.0 ms 80.0 ms 2.50x",
        "batch 32, 9+8 tokens, 4 beams",
        "encoder 31.0%, non-embedding 66.5%, total 67.0%",
        "encoder.self heads 8 4 4 0 of 4 a layer",
        "encoder FFN channels 1,024 648 512 136 of 512 a layer",
        "The same greedy tokens; logits differ by at most 3.0e-06",
        "recover 60.5",
        "python 3.11.9",
    ):
        assert words in text


def test_the_page_needs_nothing_else_and_takes_no_orders(full):
    html = full.html()
    page = Page(html)
    assert not {"script", "link", "img", "b", "iframe", "use"} & set(page.tags)
    assert not {"src", "href", "xlink:href", "onclick"} & set(page.attributes)
    assert not re.search(r"https?:|url\(|@import", html)
    assert "<b>café</b>" in page.text
    assert "K <script>" in page.text


def test_every_element_is_closed(full):
    for report in (full, Report.model_validate(BARE)):
        ElementTree.fromstring(re.sub(r"<!doctype html>|<meta[^>]*>|&[a-z]+;", "", report.html()))


def test_the_page_draws_what_the_log_beside_it_says(full, tmp_path):
    without = Page(full.html())
    line = {"phase": "learn", "loss": 2.0, "encoder_sparsity": 0.1, "encoder_target": 0.2}
    log = "".join(json.dumps({**line, "step": step}) + "\n" for step in (5, 10))
    (tmp_path / "log.jsonl").write_text(log)
    full.write(tmp_path)
    drawn = Page((tmp_path / "report.html").read_text())
    assert "polyline" not in without.tags
    assert drawn.tags.count("polyline") == 2 * 3  # loss, sparsity and target, for wide and narrow windows
    assert "encoder, expected; dashed: its target" in drawn.text


def test_the_page_shows_which_layers_went(full):
    text = Page(full.html()).text
    assert "decoder.self heads 7 of 12 kept 0 3 of 4 1 dropped 2 4 of 4" in text
    assert "encoder FFN channels 125 of 128 kept" in text


def test_words_that_differ_are_marked_in_both_answers():
    sample = {"source": "x", "reference": "y", "dense": "S P <IY> D", "pruned": "S P EH D"}
    html = Report.model_validate({**FULL, "samples": [sample]}).html()
    assert re.findall(r"<mark>(.*?)</mark>", html) == ["&lt;IY&gt;", "EH"]


def test_bars_are_as_long_as_the_time_they_stand_for(full):
    lengths = [style for style in Page(full.html()).attributes["style"]]
    assert lengths[:6] == [f"width: {share}%" for share in ("100.0", "10.0", "60.0", "5.0", "25.0", "33.33")]


def test_a_bare_report_makes_a_page_and_a_table():
    bare = Report.model_validate(BARE)
    text = Page(bare.html()).text
    assert text.count("Not measured.") == 3
    assert "A given plan (t5)" in text
    assert "decoder layers" in printed(bare, 80)


def test_an_accelerator_has_wall_time_only():
    latency = {**TIMING, "device": "Some GPU"}
    text = Page(Report.model_validate({**FULL, "latency": {**latency, "workloads": [latency]}}).html()).text
    assert "CPU time" not in text
    assert "wall time" in text


def printed(report: Report, width: int) -> str:
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(table(report))
    return console.export_text()


def test_the_table_fits_a_terminal_and_says_the_figures(full):
    lines = [re.sub(r" {2,}", "  ", line.rstrip()) for line in printed(full, 80).splitlines()]
    for line in (
        "nash on g2p (t5)",
        "exact_match  67.00%  61.64%  92.0% kept",
        "per  9.12%  11.34%",
        "batch 1, 9+8 tokens  120.0 ms  40.0 ms  3.00x ± 0.04 (wall 2.50x)",
        "batch 32, 9+8 tokens, 4 beams  120.0 ms  40.0 ms  4.25x ± 0.04 (wall 2.50x)",
        "parameters  3,950,000  1,300,000  67.0% fewer",
        "decoder layers  12  2  kept 0, 11",
        "encoder.self heads  8  4  4 0",
        "sparsity, encoder  31.0%",
    ):
        assert line in lines


def test_many_layers_take_one_line_of_the_table():
    widths = {**FULL["widths"], "ffn": {"encoder": [8, *[512] * 23]}, "dense_ffn": {"encoder": [512] * 24}}
    assert "8 to 512 a layer" in printed(Report.model_validate({**FULL, "widths": widths}), 80)


def test_a_full_disk_leaves_the_old_report_and_no_draft(full, tmp_path, monkeypatch):
    full.write(tmp_path)
    before = (tmp_path / "report.json").read_text()
    real = Path.write_text

    def half(path, text, **options):
        real(path, text[:100], **options)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", half)
    with pytest.raises(PrunekitError, match=r"cannot be written into .*: No space left on device"):
        full.model_copy(update={"seed": 8}).write(tmp_path)
    assert (tmp_path / "report.json").read_text() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "report.json"]


def test_a_file_in_the_place_of_the_directory_gets_one_sentence(full, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(PrunekitError, match="cannot be written into"):
        full.write(tmp_path / "taken")
