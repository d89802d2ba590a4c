"""The model card: front matter for the hub, the report's figures, and code that loads the model."""

import re

import yaml

from prunekit.report.data_section import DataSection, DatasetSection, SideSection
from prunekit.report.model_card import model_card


def test_the_card_has_front_matter_and_the_figures(full):
    text = model_card(full)
    _, front, body = text.split("---\n", 2)
    assert yaml.safe_load(front) == {
        "library_name": "transformers",
        "tags": ["prunekit", "pruning", "custom_code", "t5"],
    }
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in body.splitlines() if line.startswith("|")]
    assert ["exact_match", "67.00%", "61.64%"] in rows
    assert ["per", "9.12%", "11.34%"] in rows
    assert ["parameters", "3,950,000", "1,300,000"] in rows
    assert ["speed, batch 1, 9+8 tokens (cpu)", "1x", "3.00x ± 0.04"] in rows
    assert "decoder 0, 11 (numbered as in the dense model)" in body


def test_only_a_stock_model_loads_without_trusting_code(full):
    loading = re.compile(r"^model = (\w+)\.from_pretrained\(\"this/directory\"(.*)\)$", re.MULTILINE)
    assert loading.search(model_card(full)).groups() == ("AutoModelForSeq2SeqLM", ", trust_remote_code=True")
    speech = model_card(full, "AutoModelForSpeechSeq2Seq", stock=True)
    assert loading.search(speech).groups() == ("AutoModelForSpeechSeq2Seq", "")
    assert "modeling_prunekit.py" not in speech


def test_figures_that_were_not_measured_have_no_row(bare):
    assert "speed" not in model_card(bare)
    assert "exact_match" not in model_card(bare)


def test_the_card_lists_what_the_run_warned_of(full):
    side = SideSection(limit=None, cut=0, median=1, p95=1, longest=1, unknown=0.0)
    sides = DatasetSection(rows=1, sources=side, targets=side)
    warned = full.model_copy(update={"data": DataSection(train=None, dev=sides, test=None, warnings=("One.", "Two."))})
    assert "\n- One.\n- Two.\n" in model_card(warned)
    assert "warned" not in model_card(full)


def test_what_the_model_was_given_stands_in_the_card(full):
    side = SideSection(limit=8, cut=2, median=3, p95=7, longest=9, unknown=0.0)
    rows = DatasetSection(rows=4, sources=side, targets=side)
    found = DataSection(train=rows, dev=rows, test=None, asked_with=("</s>", "<|de|>"))
    body = model_card(full.model_copy(update={"data": found}))
    assert "| cut to 8 (task.source_length) | 2 | 2 |" in body
    assert "- answers begin with: `</s> <|de|>`" in body
