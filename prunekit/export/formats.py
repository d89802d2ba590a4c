"""The forms in which a model can be exported."""

from enum import StrEnum


class ExportFormat(StrEnum):
    """What an export is written for: a stock model of transformers, or an engine."""

    PLAIN = "plain"
    CTRANSLATE2 = "ctranslate2"
    ONNX = "onnx"
