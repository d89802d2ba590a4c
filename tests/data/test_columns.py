"""The user's columns: recordings in every form that data sets hold them, and streams of rows."""

import io
import json

import datasets
import numpy as np
import pytest
import soundfile

from prunekit.data.columns import read_table
from prunekit.errors import PrunekitError
from prunekit.recipe import TaskSection

TONE = (0.5 * np.sin(np.arange(4000) * 0.1)).astype(np.float32)


def wav() -> bytes:
    file = io.BytesIO()
    soundfile.write(file, TONE, 8000, format="WAV", subtype="FLOAT")
    return file.getvalue()


def section(**more) -> TaskSection:
    return TaskSection(source="audio", target="text", **more)


def heard(table):
    samples, rate = soundfile.read(io.BytesIO(table[0]["recording"]), dtype="float32")
    assert rate == 8000
    np.testing.assert_array_equal(samples, TONE)


def test_a_recording_may_be_bytes_samples_or_a_path(tmp_path):
    samples = {"array": TONE.tolist(), "sampling_rate": 8000, "path": None}
    (tmp_path / "x.jsonl").write_text(json.dumps({"audio": samples, "text": "a"}) + "\n")
    table = read_table(str(tmp_path / "x.jsonl"), (), section()).table
    heard(table)
    assert table["source"][:] == ["row 1"]
    (tmp_path / "y.jsonl").write_text(json.dumps({"audio": {"path": "a.wav"}, "text": "a"}) + "\n")
    table = read_table(str(tmp_path / "y.jsonl"), (), section()).table
    assert table[:] == {"source": ["a.wav"], "target": ["a"], "references": [["a"]]}
    rows = [
        {"audio": {"bytes": wav(), "path": "a.wav"}, "text": "a"},
        {"audio": {"bytes": None, "path": None}, "text": "b"},
    ]
    datasets.Dataset.from_list(rows).to_parquet(tmp_path / "z.parquet")
    found = read_table(str(tmp_path / "z.parquet"), (), section(skip=True))
    heard(found.table)
    assert (found.table["source"][:], found.skipped) == (["a.wav"], 1)
    with pytest.raises(PrunekitError, match=r"1 of 2 rows .*: row 2: no text in 'audio'"):
        read_table(str(tmp_path / "z.parquet"), (), section())


@pytest.fixture
def hub(monkeypatch):
    """Lets the library's `load_dataset` give a data set of one split, whatever is asked for."""

    def give(stream):
        sets = datasets.IterableDatasetDict({"train": stream})
        monkeypatch.setattr(datasets, "load_dataset", lambda *_, streaming: sets)

    return give


def test_a_stream_is_read_no_further_than_the_limit(hub):
    drawn = []

    def rows():
        for number in range(1000):
            drawn.append(number)
            yield {"audio": f"{number}.wav", "text": "a", "other": {"lang": "de"}}

    hub(datasets.IterableDataset.from_generator(rows))
    asked = section(streaming=True, limit=3, source_language_column="other.lang")
    table = read_table("some/set", ("train",), asked).table
    assert table["source"][:] == ["0.wav", "1.wav", "2.wav"]
    assert table["source_language"][:] == ["de"] * 3
    assert len(drawn) < 20


def test_recordings_come_in_a_stream_as_they_are_stored(tmp_path, hub):
    rows = [{"audio": {"bytes": wav(), "path": f"{number}.wav"}, "text": "a"} for number in range(4)]
    held = datasets.Dataset.from_list(rows).cast_column("audio", datasets.Audio())
    held.to_parquet(tmp_path / "x.parquet")
    hub(datasets.load_dataset("parquet", data_files=str(tmp_path / "x.parquet"), streaming=True, split="train"))
    table = read_table("some/set", ("train",), section(streaming=True, limit=2)).table
    heard(table)
    assert table["source"][:] == ["0.wav", "1.wav"]
