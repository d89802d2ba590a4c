"""The page: every figure, nothing from outside, nothing that a row's text could run."""

import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

from prunekit.measure.answers import AnswerHealth, AnswersSection
from prunekit.report.data_section import DataSection, DatasetSection, SideSection
from prunekit.report.html import differing, report_html
from prunekit.report.training_log import trainings


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


def test_the_page_shows_the_figures(full):
    text = Page(report_html(full)).text
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
    html = report_html(full)
    page = Page(html)
    assert not {"script", "link", "img", "b", "iframe", "use"} & set(page.tags)
    assert not {"src", "href", "xlink:href", "onclick"} & set(page.attributes)
    assert not re.search(r"https?:|url\(|@import", html)
    assert "<b>café</b>" in page.text
    assert "K <script>" in page.text


def test_every_element_is_closed(full, bare):
    for report in (full, bare):
        ElementTree.fromstring(re.sub(r"<!doctype html>|<meta[^>]*>|&[a-z]+;", "", report_html(report)))


def test_curves_are_drawn_where_there_is_a_log(full, tmp_path):
    assert "polyline" not in Page(report_html(full)).tags
    line = {"phase": "learn", "loss": 2.0}
    (tmp_path / "log.jsonl").write_text("".join(json.dumps({**line, "step": step}) + "\n" for step in (5, 10)))
    assert Page(report_html(full, trainings(tmp_path / "log.jsonl"))).tags.count("polyline") == 2


def test_the_page_shows_which_layers_were_dropped(full):
    text = Page(report_html(full)).text
    assert "decoder.self heads 7 of 12 kept 0 3 of 4 1 dropped 2 4 of 4" in text
    assert "encoder FFN channels 125 of 128 kept" in text


def test_without_maps_there_is_no_heading_for_them(full):
    assert "Kept units, layer by layer" in report_html(full)
    old = report_html(full.model_copy(update={"kept": None}))
    assert "Kept units, layer by layer" not in old
    assert "Sample outputs" in old


def test_words_that_differ_are_marked_in_both_answers(changed):
    sample = {"source": "x", "reference": "y", "dense": "S P <IY> D", "pruned": "S P EH D"}
    assert re.findall(r"<mark>(.*?)</mark>", report_html(changed(samples=[sample]))) == ["&lt;IY&gt;", "EH"]


def test_bars_are_as_long_as_the_time_they_stand_for(full):
    lengths = [style for style in Page(report_html(full)).attributes["style"] if style.startswith("width")]
    assert lengths[:6] == [f"width: {share}%" for share in ("100.0", "10.0", "60.0", "5.0", "25.0", "33.33")]


def test_a_bare_report_makes_a_page(bare):
    text = Page(report_html(bare)).text
    assert text.count("Not measured.") == 3
    assert "A given plan (t5)" in text


def test_an_accelerator_has_wall_time_only(changed, data):
    timing = {**data["latency"]["workloads"][0], "device": "Some GPU"}
    text = Page(report_html(changed(latency={**timing, "workloads": [timing]}))).text
    assert "CPU time" not in text
    assert "wall time" in text


def test_words_missing_from_the_other_text_are_found():
    assert differing("S P IY D", "S P EH D") == (
        [("S P", False), ("IY", True), ("D", False)],
        [("S P", False), ("EH", True), ("D", False)],
    )


def test_words_of_only_one_text_are_found_there():
    assert differing("a b c", "a c") == ([("a", False), ("b", True), ("c", False)], [("a", False), ("c", False)])
    assert differing("", "x y") == ([], [("x y", True)])
    assert differing("same", "same") == ([("same", False)], [("same", False)])


def test_what_the_model_was_given_and_how_answers_fare_stands_on_the_page(full):
    side = SideSection(limit=8, cut=2, median=3, p95=7, longest=9, unknown=0.0)
    rows = DatasetSection(rows=4, sources=side, targets=side)
    found = DataSection(train=rows, dev=rows, test=None, asked_with=("<s>",), warnings=("2 of 4 <sources> are cut.",))
    well = AnswerHealth(mean_length=6.5, empty=0.0, unended=None, repeating=0.25)
    more = {"data": found, "answers": AnswersSection(dense=well, pruned=well)}
    page = report_html(full.model_copy(update=more))
    assert "cut to 8 (task.source_length)" in page
    assert "2 of 4 &lt;sources&gt; are cut." in page
    assert "<td>&lt;s&gt;</td>" in page
    assert "25.0%" in page
    assert "unknown" in page
