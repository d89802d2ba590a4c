"""What a run will come to, as data."""

from prunekit.report.forecast_section import ForecastSection, ShapeForecast


def test_a_full_disk_is_told_with_both_numbers():
    short = ForecastSection(shape=None, steps=1, seconds=None, disk=3_000_000_000, free=2_000_000_000)
    assert [("3.000 GB" in text, "2.000 GB" in text) for text in short.complaints()] == [(True, True)]
    assert list(short.model_copy(update={"free": 4_000_000_000}).complaints()) == []


def test_what_is_removed_is_a_share_of_all():
    shape = ShapeForecast(
        encoder_layers=2, dense_encoder_layers=2, decoder_layers=1, dense_decoder_layers=4, parameters=25,
        dense_parameters=100,
    )  # fmt: skip
    assert shape.removed == 0.75
