"""Which Auto classes of transformers open a model class."""

from typing import Any

import transformers

_REGISTERS = {
    "AutoModelForSeq2SeqLM": "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING",
    "AutoModelForSpeechSeq2Seq": "MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING",
    "AutoModelForImageTextToText": "MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING",
}
"""The Auto classes that open encoder-decoders, with the mappings from configs to models behind them."""


def auto_classes(stock: type[Any]) -> list[str]:
    """The names of the Auto classes that open a stock model class; ``["AutoModel"]`` where none is known.

    Example: ``["AutoModelForSeq2SeqLM"]`` for ``T5ForConditionalGeneration``.
    """
    names = [name for name, register in _REGISTERS.items() if _opens(getattr(transformers, register, {}), stock)]
    return names or ["AutoModel"]


def _opens(register: Any, stock: type[Any]) -> bool:
    config = stock.config_class
    return config in register and register[config].__name__ == stock.__name__
