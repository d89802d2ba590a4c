"""Tiny models of all families with tokenizers of all kinds, as directories that a fuzzed recipe names."""

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import sentencepiece
import torch
import transformers as hf
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors
from transformers.models.m2m_100.tokenization_m2m_100 import FAIRSEQ_LANGUAGE_CODES

from prunekit import plugins
from prunekit.conformance.model_under_test import enlarge

WORDS = "abcdefgh"
LETTERS = "abcdefghijklmnopqrstuvwxyz.,:0123456789éß"
FRAME = ("<s>", "<pad>", "</s>", "<unk>")
STACKS = {"encoder_layers": 2, "decoder_layers": 3, "encoder_ffn_dim": 12, "decoder_ffn_dim": 16}
STACKS |= {"encoder_attention_heads": 2, "decoder_attention_heads": 4}
BART = {"d_model": 16, **STACKS, "max_position_embeddings": 40, "forced_eos_token_id": None}
T5 = {"d_model": 16, "d_kv": 6, "num_heads": 4, "d_ff": 12, "num_layers": 2, "num_decoder_layers": 3}
T5 |= {"decoder_layers": 3, "relative_attention_num_buckets": 8, "relative_attention_max_distance": 16}
LED = {key: value for key, value in BART.items() if key != "max_position_embeddings"}
LED |= {"attention_window": [4, 4], "max_encoder_position_embeddings": 48, "max_decoder_position_embeddings": 40}
PROPHET = {"hidden_size": 16, "num_encoder_layers": 3, "num_decoder_layers": 3, "num_encoder_attention_heads": 2}
PROPHET |= {"num_decoder_attention_heads": 2, "encoder_ffn_dim": 12, "decoder_ffn_dim": 16, "num_buckets": 8}
PROPHET |= {"max_position_embeddings": 40, "relative_max_distance": 16}
MOONSHINE = {"hidden_size": 16, "intermediate_size": 12, "encoder_num_hidden_layers": 2, "decoder_num_hidden_layers": 3}
MOONSHINE |= {"encoder_num_attention_heads": 2, "decoder_num_attention_heads": 2, "max_position_embeddings": 40}
SPEECH_T5 = {"hidden_size": 16, **STACKS, "conv_dim": (8, 8, 8), "conv_stride": (5, 4, 4), "conv_kernel": (10, 3, 3)}
SPEECH_T5 |= {"num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 4, "encoder_max_relative_position": 6}
SPEECH_T5 |= {"max_speech_positions": 60, "max_text_positions": 40}
WHISPER = {"d_model": 16, **STACKS, "num_mel_bins": 8, "max_source_positions": 50, "max_target_positions": 40}
WHISPER |= {"suppress_tokens": None, "begin_suppress_tokens": None}
LISTENER = {"d_model": 16, **STACKS, "conv_channels": 16, "input_feat_per_channel": 8, "max_target_positions": 40}
GEMMA = {"hidden_size": 16, "num_hidden_layers": 2, "intermediate_size": 12, "head_dim": 6, "sliding_window": 4}
GEMMA |= {"num_attention_heads": 4, "num_key_value_heads": 2, "query_pre_attn_scalar": 6, "max_position_embeddings": 64}
BERT = {"hidden_size": 16, "num_hidden_layers": 2, "intermediate_size": 12, "num_attention_heads": 4}
VIT = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 12}
TROCR = {"hidden_size": 16, "decoder_layers": 2, "decoder_attention_heads": 4, "decoder_ffn_dim": 12}

Sizes = Mapping[str, Any]


def _t5gemma(**common: Any) -> Any:
    parts = {"encoder": {**GEMMA, **common}, "decoder": {**GEMMA, **common}}
    return hf.T5GemmaConfig(**parts, **common)


def _fsmt(**common: Any) -> Any:
    size = common["vocab_size"]
    return hf.FSMTConfig(**BART, **common, src_vocab_size=size, tgt_vocab_size=size, num_beams=1)


def _bert2bert(vocab_size: int, **tokens: Any) -> Any:
    half = hf.BertConfig(vocab_size=vocab_size, max_position_embeddings=40, **BERT)
    return hf.EncoderDecoderConfig.from_encoder_decoder_configs(half, half, **tokens)


def _trocr(vocab_size: int, **tokens: Any) -> Any:
    image = hf.ViTConfig(**VIT, image_size=8, patch_size=4)
    text = hf.TrOCRConfig(vocab_size=vocab_size, max_position_embeddings=40, **TROCR, **tokens)
    return hf.VisionEncoderDecoderConfig.from_encoder_decoder_configs(image, text, **tokens)


def _with(kind: Any, sizes: Sizes, **more: Any) -> Callable[..., Any]:
    return lambda **common: kind(**{**sizes, **more, **common})


TEXT: Mapping[str, Callable[..., Any]] = {
    "t5": _with(hf.T5Config, T5),
    "t5-gated": _with(hf.T5Config, T5, feed_forward_proj="gated-gelu", tie_word_embeddings=False),
    "mt5": _with(hf.MT5Config, T5),
    "umt5": _with(hf.UMT5Config, T5),
    "longt5": _with(hf.LongT5Config, T5, local_radius=2),
    "longt5-global": _with(
        hf.LongT5Config, T5, encoder_attention_type="transient-global", local_radius=2, global_block_size=3
    ),
    "t5gemma": _t5gemma,
    "bart": _with(hf.BartConfig, BART),
    "mbart": _with(hf.MBartConfig, BART),
    "plbart": _with(hf.PLBartConfig, BART),
    "pegasus": _with(hf.PegasusConfig, BART),
    "marian": _with(hf.MarianConfig, BART),
    "marian-two-vocabularies": _with(
        hf.MarianConfig, BART, share_encoder_decoder_embeddings=False, tie_word_embeddings=False
    ),
    "m2m_100": _with(hf.M2M100Config, BART),
    "blenderbot": _with(hf.BlenderbotConfig, BART),
    "blenderbot-small": _with(hf.BlenderbotSmallConfig, BART),
    "mvp": _with(hf.MvpConfig, BART),
    "bigbird_pegasus": _with(hf.BigBirdPegasusConfig, BART, attention_type="original_full"),
    "bigbird_pegasus-sparse": _with(hf.BigBirdPegasusConfig, BART, block_size=4, num_random_blocks=1),
    "fsmt": _fsmt,
    "led": _with(hf.LEDConfig, LED),
    "pegasus_x": _with(hf.PegasusXConfig, BART, block_size=4, num_global_tokens=3),
    "prophetnet": _with(hf.ProphetNetConfig, PROPHET),
    "encoder-decoder": _bert2bert,
}
SPEECH: Mapping[str, Callable[..., Any]] = {
    "whisper": _with(hf.WhisperConfig, WHISPER),
    "speech_to_text": _with(hf.Speech2TextConfig, LISTENER),
    "moonshine": _with(hf.MoonshineConfig, MOONSHINE),
    "speecht5": _with(hf.SpeechT5Config, SPEECH_T5),
}
OTHERS: Mapping[str, Callable[..., Any]] = {
    "pop2piano": _with(hf.Pop2PianoConfig, T5, composer_vocab_size=3),
    "vision-encoder-decoder": _trocr,
}
ALL = {**TEXT, **SPEECH, **OTHERS}


def _extractor(family: str) -> Any:
    """What hears for a speech model; Whisper's window is one second."""
    made = {
        "whisper": lambda: hf.WhisperFeatureExtractor(feature_size=8, chunk_length=1),
        "speech_to_text": lambda: hf.Speech2TextFeatureExtractor(feature_size=8, num_mel_bins=8),
        "moonshine": lambda: hf.Wav2Vec2FeatureExtractor(return_attention_mask=True),
        "speecht5": lambda: hf.SpeechT5FeatureExtractor(),
    }
    return made[family]()


# Tokenizers


def _scored(*special: str) -> list[tuple[str, float]]:
    return [*((name, 0.0) for name in special), *((piece, -1.0) for piece in f"\u2581{LETTERS}")]


def _fast(core: Any, **special: str) -> Any:
    return hf.PreTrainedTokenizerFast(tokenizer_object=core, **special)


def _letters(split: Any, end: bool = True, unknown: str | None = "<unk>") -> Tokenizer:
    pieces = {piece: number for number, piece in enumerate([*FRAME, " ", *LETTERS])}
    core = Tokenizer(models.WordLevel(pieces, unk_token=unknown or "a"))
    core.pre_tokenizer = split
    if end:
        core.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 2)])
    return core


@cache
def _spm() -> bytes:
    file = io.BytesIO()
    settings = {"vocab_size": 12, "model_type": "bpe", "minloglevel": 2, "hard_vocab_limit": False}
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(["a b c d"] * 9), model_writer=file, **settings)
    return file.getvalue()


def _counted(place: Path, kind: Any, **options: Any) -> Any:
    """A tokenizer of a SentencePiece model whose ids a ``vocab.json`` counts."""
    place.mkdir(parents=True)
    (place / "model.spm").write_bytes(_spm())
    pieces = sentencepiece.SentencePieceProcessor(model_proto=_spm())
    names = [*FRAME, *(pieces.id_to_piece(n) for n in range(3, len(pieces)))]
    (place / "vocab.json").write_text(json.dumps({name: n for n, name in enumerate(names)}))
    return kind(str(place / "vocab.json"), str(place / "model.spm"), **options)


def _marian(place: Path) -> Any:
    place.mkdir(parents=True)
    pieces = sentencepiece.SentencePieceProcessor(model_proto=_spm())
    names = ["</s>", "<unk>", *(pieces.id_to_piece(n) for n in range(3, len(pieces))), "<pad>"]
    (place / "vocab.json").write_text(json.dumps({name: n for n, name in enumerate(names)}))
    for side in ("source.spm", "target.spm"):
        (place / side).write_bytes(_spm())
    return hf.MarianTokenizer(*(str(place / name) for name in ("source.spm", "target.spm", "vocab.json")))


def _added(place: Path) -> Any:
    tokenizer = hf.T5Tokenizer(vocab=_scored("<pad>", "</s>", "<unk>"), extra_ids=3)
    tokenizer.add_tokens(["hello", hf.AddedToken("<name>", special=True)])
    return tokenizer


def _bytewise(*special: str) -> dict[str, Any]:
    pieces = [*special, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    return {"vocab": {piece: number for number, piece in enumerate(pieces)}, "merges": []}


def _whisper(*languages: str) -> Any:
    names = ("startoftranscript", *languages, "translate", "transcribe", "startofprev", "notimestamps")
    tokens = [f"<|{name}|>" for name in names]
    return hf.WhisperTokenizer(**_bytewise("<|endoftext|>"), extra_special_tokens=tokens, pad_token="<|endoftext|>")


def _m2m(place: Path) -> Any:
    codes = [f"__{code}__" for code in FAIRSEQ_LANGUAGE_CODES["m2m100"]]
    return _counted(place, hf.M2M100Tokenizer, additional_special_tokens=codes)


FRAMED = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
CHARACTERS = pre_tokenizers.Split(Regex("."), "isolated")

PLAIN: Mapping[str, Callable[[Path], Any]] = {
    "words": lambda _: _fast(_letters(pre_tokenizers.WhitespaceSplit()), **FRAMED, model_max_length=64),
    "characters": lambda _: _fast(_letters(CHARACTERS), **FRAMED),
    "bytes": lambda _: hf.ByT5Tokenizer(extra_ids=2),
    "unigram": lambda _: hf.T5Tokenizer(vocab=_scored("<pad>", "</s>", "<unk>"), extra_ids=0),
    "writes-the-start": lambda _: hf.BartTokenizer(**_bytewise(*FRAME, "<mask>")),
    "wordpiece": lambda _: hf.BertTokenizer(
        vocab={piece: n for n, piece in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS])}
    ),
    "marian": _marian,
    "added": _added,
    "no-padding": lambda _: _fast(_letters(CHARACTERS), eos_token="</s>", unk_token="<unk>"),
    "no-end": lambda _: _fast(_letters(CHARACTERS, end=False), pad_token="<pad>", unk_token="<unk>"),
    "no-unknown": lambda _: _fast(_letters(CHARACTERS, unknown=None), pad_token="<pad>", eos_token="</s>"),
    "bare": lambda _: _fast(_letters(pre_tokenizers.WhitespaceSplit(), end=False), pad_token="<pad>"),
}
MULTILINGUAL: Mapping[str, Callable[[Path], Any]] = {
    "nllb": lambda _: hf.NllbTokenizer(vocab={name: n for n, name in enumerate([*FRAME, "\u2581", *WORDS])}, merges=[]),
    "mbart-25": lambda _: hf.MBartTokenizer(vocab=_scored(*FRAME)),
    "mbart-50": lambda _: hf.MBart50Tokenizer(vocab=_scored(*FRAME)),
    "m2m": _m2m,
}
HEARD: Mapping[str, Callable[[Path], Any]] = {
    "whisper-multilingual": lambda _: _whisper("en", "de", "zh"),
    "whisper-english": lambda _: _whisper(),
    "listener": lambda place: _counted(place, hf.Speech2TextTokenizer),
}
TOKENIZERS = {**PLAIN, **MULTILINGUAL, **HEARD}

QUIRKS: Mapping[str, Mapping[str, Any]] = {
    "": {},
    "no-start": {"decoder_start_token_id": None},
    "no-padding-id": {"pad_token_id": None},
    "no-end-id": {"eos_token_id": None},
    "forced": {"forced_bos_token_id": 3, "forced_eos_token_id": 2},
    "wide": {"vocab_size": 7},
    "narrow": {"vocab_size": -1},
    "half": {"dtype": torch.bfloat16},
}
"""What is unusual about a model: how many tokens more than its tokenizer, precision, keys that its files lack."""


@dataclass(frozen=True)
class Model:
    """A model to build. Example: ``Model("bart", "nllb", "no-start")``."""

    family: str
    tokenizer: str
    quirk: str = ""

    def at(self, root: Path) -> Path:
        """The model's directory below `root`, made when it is first asked for."""
        place = root / "-".join(filter(None, (self.family, self.tokenizer, self.quirk)))
        if not place.exists():
            self._build(place, root)
        return place

    def _build(self, place: Path, root: Path) -> None:
        torch.manual_seed(0)
        made = root / f"parts-{place.name}"
        tokenizer = TOKENIZERS[self.tokenizer](made)
        quirk = dict(QUIRKS[self.quirk])
        size = len(tokenizer) + quirk.pop("vocab_size", 0)
        dtype = quirk.pop("dtype", torch.float32)
        tokens = {key: min(token, size - 1) for key, token in _ids(tokenizer).items()}
        config = ALL[self.family](vocab_size=size, **tokens)
        adapter = plugins.load(plugins.ADAPTERS, config.model_type)()
        model = adapter.build(config, "cpu")
        enlarge(model, 0)
        model.to(dtype).save_pretrained(place)
        tokenizer.save_pretrained(place)
        for file in ("config.json", "generation_config.json"):
            _change(place / file, quirk)
        if self.family in SPEECH:
            _extractor(self.family).save_pretrained(place)


def _change(file: Path, quirk: Mapping[str, Any]) -> None:
    """Write values into a JSON file, and take keys without one from it."""
    values = {**json.loads(file.read_text()), **quirk}
    file.write_text(json.dumps({key: value for key, value in values.items() if quirk.get(key, value) is not None}))


def _ids(tokenizer: Any) -> dict[str, Any]:
    """The tokens that a config names, by the tokenizer's numbers."""
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
    end = next((each for each in (tokenizer.eos_token_id, tokenizer.sep_token_id) if each is not None), 2)
    begins = {"<|startoftranscript|>", "[CLS]"} & set(tokenizer.get_vocab())
    start = tokenizer.convert_tokens_to_ids(begins.pop()) if begins else end
    first = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else start
    return {"pad_token_id": pad, "bos_token_id": first, "eos_token_id": end, "decoder_start_token_id": start}
