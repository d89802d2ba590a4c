"""Files of rows: every format gives the same rows, and a damaged file one sentence."""

import json
import re
from pathlib import Path

import datasets
import pytest

from prunekit.data.row_files import MalformedRow, read_rows
from prunekit.errors import PrunekitError

WRITTEN = [{"a": "2020-05-01", "b": "null"}, {"a": "007", "b": 'say "é", \tplease'}]


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def jsonl(path: Path) -> str:
    return write(path, "\n\n".join(json.dumps(row) for row in WRITTEN) + "\n")


def json_list(path: Path) -> str:
    return write(path, "\ufeff" + json.dumps(WRITTEN, indent=1))


def separated(path: Path, separator: str = ",") -> str:
    quoted = (['"' + value.replace('"', '""') + '"' for value in row.values()] for row in WRITTEN)
    return write(path, "\n".join(separator.join(line) for line in (["a", "b"], *quoted)))


def tsv(path: Path) -> str:
    return separated(path, "\t")


def parquet(path: Path) -> str:
    datasets.Dataset.from_list(WRITTEN).to_parquet(path)
    return str(path)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("x.jsonl", jsonl),
        ("x.json", jsonl),
        ("x.JSON", json_list),
        ("x.csv", separated),
        ("x.tsv", tsv),
        ("x.parquet", parquet),
    ],
)
def test_every_format_gives_the_same_text_and_leaves_nothing_behind(tmp_path, monkeypatch, name, make):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    place = make(tmp_path / name)
    assert [dict(row) for row in read_rows(place, ())] == WRITTEN
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("x.json", '[{"a": "1"}, {', "'.*x.json' is not valid JSON: "),
        ("x.csv", '"a,b\n1,2\n', "Line 1 of .* is malformed: unexpected end of data"),
        ("x.parquet", "PAR1 no", "is not a readable Parquet file"),
        ("x.txt", "hello", "not a file of a known kind; name one that ends in .csv, .json"),
    ],
)
def test_a_malformed_file_gets_one_sentence(tmp_path, name, text, sentence):
    with pytest.raises(PrunekitError, match=sentence) as caught:
        list(read_rows(write(tmp_path / name, text), ()))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_utf8_is_refused(tmp_path):
    (tmp_path / "x.csv").write_bytes("a,b\ncaf\xe9,1\n".encode("latin-1"))
    with pytest.raises(PrunekitError, match="is not UTF-8 text"):
        list(read_rows(str(tmp_path / "x.csv"), ()))


@pytest.mark.parametrize(
    ("name", "text", "problems"),
    [
        (
            "x.jsonl",
            '{"a": "1"}\n{"a": \n["a"]\n{"a": "2"}\n',
            {"line 2": "not valid JSON: Expect", "item 1 of line 3": "no JSON"},
        ),
        ("x.json", '[{"a": "1"}, 3, {"a": "2"}]', {"item 2 of line 1": "no JSON object"}),
        ("x.csv", "a,b\n1,2\n1,2,3\n1\n2,3\n", {"line 3": "malformed: .*2 fields", "line 4": "malformed: .*2 fields"}),
        ("x.csv", 'a,b\n1,2\n"1" 3,2\n2,3\n', {"line 3": "malformed: .* expected after"}),
        ("x.tsv", 'a\tb\n1\t2\n2\t1\n"1\t2\n', {"line 4": "malformed: unexpected end of data"}),
    ],
)
def test_rows_that_cannot_be_read_come_by_their_lines_between_the_others(tmp_path, name, text, problems):
    found = list(read_rows(write(tmp_path / name, text), ()))
    bad = [row for row in found if isinstance(row, MalformedRow)]
    assert [row.where for row in bad] == list(problems)
    assert all(re.match(problems[row.where], row.what) for row in bad)
    assert [row["a"] for row in found if row not in bad] == ["1", "2"]


def test_a_directory_that_is_no_saved_data_set_is_refused(tmp_path):
    with pytest.raises(PrunekitError, match="is a directory, but no data set that was saved by save_to_disk"):
        list(read_rows(str(tmp_path), ()))


def test_a_saved_data_set_gives_the_same_rows(tmp_path):
    one = datasets.Dataset.from_list(WRITTEN)
    one.save_to_disk(tmp_path / "one")
    datasets.DatasetDict({"train": one, "validation": one.select([1])}).save_to_disk(tmp_path / "several")
    assert list(read_rows(str(tmp_path / "one"), ("train",))) == WRITTEN
    assert list(read_rows(str(tmp_path / "several"), ("dev", "validation"))) == WRITTEN[1:]
    assert list(read_rows(f"{tmp_path}/several:train", ("dev",))) == WRITTEN
    with pytest.raises(PrunekitError, match="no split 'trian'; did you mean 'train'"):
        read_rows(f"{tmp_path}/several:trian", ("dev",))


def test_a_damaged_data_set_gets_one_sentence(tmp_path):
    datasets.Dataset.from_list(WRITTEN).save_to_disk(tmp_path / "one")
    next((tmp_path / "one").glob("*.arrow")).write_bytes(b"no")
    with pytest.raises(PrunekitError, match="is not a readable data set: "):
        read_rows(str(tmp_path / "one"), ())


@pytest.mark.parametrize("place", ["nowhere.jsonl", "./no/where", "a/b/c"])
def test_a_path_to_nothing_is_no_data_set_id(monkeypatch, place):
    monkeypatch.setattr(datasets, "load_dataset", lambda *_: pytest.fail("the hub was asked for a path"))
    with pytest.raises(PrunekitError, match="There is no file"):
        read_rows(place, ())


def test_a_data_set_that_cannot_be_reached_gets_one_sentence(monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(PrunekitError, match="'some/set' is neither a file here nor a data set that can be loaded: "):
        read_rows("some/set", ("train",))


class TestDataSetIds:
    @pytest.fixture(autouse=True)
    def hub(self, monkeypatch):
        self.asked = []

        def load(name, config, streaming=False):
            self.asked.append((name, config))
            split = lambda word: datasets.Dataset.from_list([{"pair": {"en": word}}])  # noqa: E731
            sets = {"train": split("t"), "validation": split("v")}
            if streaming:
                return datasets.IterableDatasetDict({name: one.to_iterable_dataset() for name, one in sets.items()})
            return datasets.DatasetDict(sets)

        monkeypatch.setattr(datasets, "load_dataset", load)

    def test_the_first_present_split_is_taken_and_columns_are_flat(self):
        assert list(read_rows("some/set", ("dev", "validation"))) == [{"pair.en": "v"}]
        assert self.asked == [("some/set", None)]

    def test_a_stream_gives_the_same_rows(self):
        assert list(read_rows("some/set", ("dev", "validation"), streaming=True)) == [{"pair.en": "v"}]
        assert list(read_rows("set:ro-en:train", (), streaming=True)) == [{"pair.en": "t"}]

    @pytest.mark.parametrize("streaming", [False, True])
    def test_lists_and_nested_columns_are_those_of_files(self, monkeypatch, streaming):
        one = datasets.Dataset.from_list(NESTED)
        sets = {"train": one.to_iterable_dataset() if streaming else one}
        monkeypatch.setattr(datasets, "load_dataset", lambda *_, **how: sets)
        assert list(read_rows("some/set", ("train",), streaming)) == FLAT

    def test_configuration_and_split_may_be_named(self):
        assert list(read_rows("set:ro-en:train", ("validation",))) == [{"pair.en": "t"}]
        assert self.asked == [("set", "ro-en")]

    def test_a_split_that_is_not_there_gets_a_hint(self):
        with pytest.raises(PrunekitError, match="no split 'valdation'; did you mean 'validation'"):
            read_rows("set:x:valdation", ("train",))


NESTED = [
    {"translation": {"en": "one", "de": {"formal": "eins"}}, "answers": ["a", "b"]},
    {"translation": {"en": "two", "de": {"formal": "zwei"}}, "answers": ["c"]},
]
FLAT = [
    {"translation.en": "one", "translation.de.formal": "eins", "answers": ["a", "b"]},
    {"translation.en": "two", "translation.de.formal": "zwei", "answers": ["c"]},
]


@pytest.mark.parametrize("name", ["x.jsonl", "x.json", "x.parquet", "saved"])
def test_nested_columns_have_dotted_names_in_every_format(tmp_path, name):
    path = tmp_path / name
    if name == "saved":
        datasets.Dataset.from_list(NESTED).save_to_disk(path)
    elif name == "x.parquet":
        datasets.Dataset.from_list(NESTED).to_parquet(path)
    elif name == "x.json":
        path.write_text(json.dumps(NESTED))
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in NESTED))
    assert list(read_rows(str(path), ())) == FLAT


@pytest.mark.parametrize(("name", "separator"), [("x.csv", ","), ("x.tsv", "\t")])
def test_a_document_may_be_longer_than_the_csv_modules_own_limit(name, separator, tmp_path):
    text = "a b " * 50_000
    (tmp_path / name).write_text(f"a{separator}b\n{text}{separator}c\n")
    assert list(read_rows(str(tmp_path / name), ())) == [{"a": text, "b": "c"}]
