"""Exports by format: each is written and compared, and what cannot be is refused before anything is opened."""

import json

import pytest
from tokenizers import Tokenizer
from transformers import WhisperFeatureExtractor

from prunekit import PrunekitError, PruningPlan
from prunekit.export.export import check_exportable, export_model
from prunekit.export.formats import ExportFormat

PLAN = PruningPlan({"encoder.0.self.heads": (0, 2), "decoder.layers": (1, 2), "decoder.1.ffn": (3, 4, 5)})


@pytest.fixture
def small(case):
    return case("t5").cut(PLAN).float().eval()


@pytest.mark.parametrize(
    ("to", "files"),
    [
        (ExportFormat.PLAIN, {"config.json", "generation_config.json", "model.safetensors"}),
        (ExportFormat.ONNX, {"config.json", "generation_config.json", "encoder.onnx", "decoder.onnx"}),
        (ExportFormat.CTRANSLATE2, {"config.json", "model.bin", "shared_vocabulary.json"}),
    ],
)
def test_each_format_is_written_and_compares_equal(case, small, words, tmp_path, to, files):
    pytest.importorskip({ExportFormat.ONNX: "onnxruntime", ExportFormat.PLAIN: "torch"}.get(to, "ctranslate2"))
    t5 = case("t5")
    found = export_model(small, t5.adapter, t5.graph, tmp_path, to, words(t5.config))
    assert found.equal == found.rows > 0
    assert found.difference < 1e-5
    assert {path.name for path in tmp_path.iterdir()} == files


def test_exact_weights_are_compared_before_rounded_ones(case, small, words, tmp_path, monkeypatch):
    pytest.importorskip("ctranslate2")
    from prunekit.export import export

    t5, compared = case("t5"), []
    check = export.check_ctranslate2
    monkeypatch.setattr(export, "check_ctranslate2", lambda *a, exact: compared.append(exact) or check(*a, exact=exact))
    found = export_model(
        small, t5.adapter, t5.graph, tmp_path, ExportFormat.CTRANSLATE2, words(t5.config), quantization="int8"
    )
    assert compared == [True, False]
    assert found.mean > 0


def test_a_tokenizer_is_needed_where_words_are_looked_up(case, small, tmp_path):
    t5 = case("t5")
    with pytest.raises(PrunekitError, match="needs the model's tokenizer"):
        export_model(small, t5.adapter, t5.graph, tmp_path, ExportFormat.CTRANSLATE2)
    assert not list(tmp_path.iterdir())


def test_a_dense_model_is_plain_already_but_may_be_exported_for_an_engine(case, small):
    dense = case("t5").config
    with pytest.raises(PrunekitError, match="is not a pruned model, so it is a stock model already"):
        check_exportable(dense, ExportFormat.PLAIN)
    check_exportable(dense, ExportFormat.ONNX)
    check_exportable(small.config, ExportFormat.PLAIN)


@pytest.mark.parametrize("given", [True, False], ids=["extractor", "none"])
def test_the_files_that_faster_whisper_reads_are_beside_the_model(whisper, tmp_path, given):
    """Its tokens by number, and the arguments of its own extractor, as its loader picks them."""
    pytest.importorskip("ctranslate2")
    specimen, tokenizer = whisper()
    extractor = WhisperFeatureExtractor(feature_size=8, chunk_length=1) if given else None
    to = ExportFormat.CTRANSLATE2
    export_model(specimen.model, specimen.adapter, specimen.graph, tmp_path, to, tokenizer, extractor=extractor)
    words = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    for mark in ("<|startoftranscript|>", "<|de|>", "<|transcribe|>", "<|notimestamps|>", "<|endoftext|>"):
        assert words.token_to_id(mark) == tokenizer.convert_tokens_to_ids(mark)
    path = tmp_path / "preprocessor_config.json"
    assert path.exists() == given
    if given:
        read = json.loads(path.read_text())
        keys = ("feature_size", "sampling_rate", "hop_length", "chunk_length", "n_fft")
        assert {key: read[key] for key in keys} == dict(zip(keys, (8, 16000, 160, 1, 400), strict=True))
