"""The Auto classes that open a model class: what they really make of its config."""

import pytest
import transformers

from prunekit.cut.auto_classes import auto_classes


@pytest.mark.parametrize(
    ("stock", "names"),
    [
        ("T5ForConditionalGeneration", ["AutoModelForSeq2SeqLM"]),
        ("WhisperForConditionalGeneration", ["AutoModelForSpeechSeq2Seq"]),
        ("VisionEncoderDecoderModel", ["AutoModelForImageTextToText"]),
        ("EncoderDecoderModel", ["AutoModelForSeq2SeqLM"]),
        ("T5EncoderModel", ["AutoModel"]),
    ],
)
def test_they_are_found_by_their_registers(stock, names):
    assert auto_classes(getattr(transformers, stock)) == names


def test_what_is_found_makes_the_class():
    config = transformers.T5Config(d_model=8, d_kv=4, d_ff=8, num_heads=2, num_layers=1, vocab_size=16)
    kind = transformers.T5ForConditionalGeneration
    assert all(type(getattr(transformers, name).from_config(config)) is kind for name in auto_classes(kind))
