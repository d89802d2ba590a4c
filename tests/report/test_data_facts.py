"""What the look found, as rows of text."""

from prunekit.recipe import Workload
from prunekit.report.data_facts import asked_facts, data_facts, forecast_facts
from prunekit.report.data_section import DataSection, DatasetSection, FirstTokenLoss, SampleScore, SideSection
from prunekit.report.forecast_section import ForecastSection, ShapeForecast


def side(**more):
    return SideSection(**{"limit": 128, "cut": 3, "median": 40, "p95": 120, "longest": 1411, "unknown": 0.025, **more})


def a_set(**more):
    return DatasetSection(**{"rows": 12_000, "sources": side(), "targets": side(limit=64, cut=0), **more})


def test_a_column_for_every_set_that_there_is():
    found = DataSection(train=a_set(), dev=a_set(rows=500), test=None)
    rows = {name: cells for name, *cells in data_facts(found)}
    assert rows[""] == ["train", "dev and test"]
    assert rows["rows"] == ["12,000", "500"]
    assert rows["  cut to 128 (task.source_length)"] == ["3", "3"]
    assert rows["  cut to 64 (task.target_length)"] == ["0", "0"]
    assert not [name for name in rows if "looked at" in name]


def test_a_sample_is_said():
    found = DataSection(train=a_set(looked_at=2_000), dev=a_set(rows=500), test=a_set(rows=600))
    rows = {name: cells for name, *cells in data_facts(found)}
    assert rows[""] == ["train", "dev", "test"]
    assert rows["  looked at, by chance"] == ["2,000", "500", "600"]


def test_recordings_have_no_source_tokens():
    rows = data_facts(DataSection(train=None, dev=a_set(sources=None), test=None))
    assert not [name for name, *_ in rows if "source" in name]


def test_how_the_model_is_asked():
    found = DataSection(
        train=None,
        dev=a_set(),
        test=None,
        source_language="eng_Latn",
        target_language="deu_Latn",
        labels_begin_with=("deu_Latn",),
        asked_with=("</s>", "deu_Latn"),
        first_token_loss=FirstTokenLoss(first=0.25, others=1.5),
        dense=SampleScore(metric="bleu", score=0.21, fraction=True, rows=32),
    )
    rows = dict(asked_facts(found))
    assert rows["languages"] == "eng_Latn to deu_Latn"
    assert rows["answers begin with"] == "</s> deu_Latn"
    assert "0.25" in rows["dense loss per token"]
    assert rows["dense bleu"] == "21.00% on 32 dev rows"


def test_what_to_expect():
    shape = ShapeForecast(
        encoder_layers=6, dense_encoder_layers=6, decoder_layers=2, dense_decoder_layers=6, parameters=30_000_000,
        dense_parameters=60_000_000, workload=Workload(), speedup=3.04,
    )  # fmt: skip
    rows = dict(forecast_facts(ForecastSection(shape=shape, steps=None, seconds=5400, disk=10**9, free=10**10)))
    assert rows["  decoder layers"] == "2 of 6"
    assert rows["will be kept"].endswith("(50.0% are removed)")
    assert rows["expected speed"].startswith("3.04x")
    assert "1.5 h" in rows["time"]
    assert rows["disk"] == "up to 1.0 GB of 10.0 GB that are free"
    unknown = dict(forecast_facts(ForecastSection(shape=None, steps=7, seconds=None, disk=1, free=2)))
    assert "time" not in unknown
    assert unknown["training steps"] == "7"


def test_rows_that_were_left_out_and_languages_of_rows_are_counted():
    languages = {f"en to {name}": number for number, name in enumerate("abcdefg", 1)}
    found = DataSection(train=a_set(skipped=7), dev=a_set(languages=languages), test=None)
    assert ("  left out", "7", "0") in data_facts(found)
    text = dict(asked_facts(found))["asked row by row"]
    assert text.startswith("7 rows en to g, 6 rows en to f, ")
    assert text.endswith("3 rows en to c, and 2 more")
