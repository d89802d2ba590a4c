"""Model directories small enough to build in a moment, as a user would have them on disk."""

import copy
import importlib.metadata
import io
import json
import os
import shutil
import signal
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest
import sentencepiece
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    ByT5Tokenizer,
    M2M100Tokenizer,
    MBart50Tokenizer,
    MBartTokenizer,
    MT5Config,
    MT5ForConditionalGeneration,
    NllbTokenizer,
    PLBartTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
    WhisperTokenizer,
)
from transformers.models.m2m_100.tokenization_m2m_100 import FAIRSEQ_LANGUAGE_CODES

from prunekit.cut.surgery import cut
from prunekit.find.adapter import Adapter
from prunekit.find.graph import DependencyGraph, discover
from prunekit.testing import FAMILIES, tiny

SPECIAL = ["<pad>", "</s>", "<unk>"]
ROOT = Path(__file__).parents[1]


def _ignore_no_signal():
    """Whoever started the tests may ignore signals (nohup, a shell with them in the background); tests send some."""
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


def pytest_configure(config):
    """Let this checkout's entry points stand for older installed ones, so that another checkout's environment serves.

    `tests/house/test_door.py` still says that the environment is to be set up anew.
    """
    _ignore_no_signal()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = project["entry-points"]
    lines = {f"{name} = {value}" for entries in declared.values() for name, value in entries.items()}
    installed = importlib.metadata.distribution("prunekit").entry_points
    if lines <= {f"{entry.name} = {entry.value}" for entry in installed}:
        return
    site = Path(tempfile.mkdtemp(prefix="prunekit-entry-points-"))
    config.add_cleanup(lambda: shutil.rmtree(site))
    metadata = site / f"prunekit-{project['version']}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: prunekit\nVersion: {project['version']}\n")
    sections = (
        "\n".join([f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())])
        for group, entries in declared.items()
    )
    (metadata / "entry_points.txt").write_text("\n".join(sections))
    sys.path.insert(0, str(site))
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(site), os.environ.get("PYTHONPATH"))))


@pytest.fixture(scope="session")
def letters() -> PreTrainedTokenizerFast:
    """A tokenizer of words that are single letters: "a b c" is three tokens and an end."""
    vocabulary = [*SPECIAL, *"abcdefghijklmnopqrstuvwxyz"]
    core = Tokenizer(models.WordLevel({piece: i for i, piece in enumerate(vocabulary)}, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    core.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=64
    )


@pytest.fixture
def whisper_tokenizer() -> WhisperTokenizer:
    """A tokenizer of a multilingual Whisper that knows three languages, whose words are bytes; tests may change it."""
    pieces = ["<|endoftext|>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    names = ("startoftranscript", "en", "zh", "de", "translate", "transcribe", "startofprev", "notimestamps")
    marks = [f"<|{name}|>" for name in names]
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    return WhisperTokenizer(vocab=vocabulary, merges=[], extra_special_tokens=marks, pad_token="<|endoftext|>")


PIECES = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *((piece, -1.0) for piece in "\u2581abcdefgh")]


@pytest.fixture(scope="session")
def sentencepiece_file(tmp_path_factory):
    """A model of the letters a to d."""
    file = io.BytesIO()
    settings = {"vocab_size": 12, "model_type": "bpe", "minloglevel": 2, "hard_vocab_limit": False}
    lines = iter(["a b c d"] * 100)
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=lines, model_writer=file, **settings)
    path = tmp_path_factory.mktemp("pieces") / "spm.model"
    path.write_bytes(file.getvalue())
    return path


@pytest.fixture
def multilingual_tokenizer(sentencepiece_file):
    """Makes a new tokenizer of letters of a multilingual family: nllb, mbart, mbart50, m2m, plbart."""

    def m2m():
        pieces = sentencepiece.SentencePieceProcessor(model_file=str(sentencepiece_file))
        names = ["<s>", "<pad>", "</s>", "<unk>", *(pieces.id_to_piece(n) for n in range(3, len(pieces)))]
        vocabulary = sentencepiece_file.with_name("vocab.json")
        vocabulary.write_text(json.dumps({name: n for n, name in enumerate(names)}))
        codes = [f"__{code}__" for code in FAIRSEQ_LANGUAGE_CODES["m2m100"]]  # as published tokenizers have them
        return M2M100Tokenizer(str(vocabulary), str(sentencepiece_file), additional_special_tokens=codes)

    letters = {piece: number for number, (piece, _) in enumerate(PIECES)}
    makers = {
        "nllb": lambda: NllbTokenizer(vocab=letters, merges=[]),
        "mbart": lambda: MBartTokenizer(vocab=PIECES),
        "mbart50": lambda: MBart50Tokenizer(vocab=PIECES),
        "m2m": m2m,
        "plbart": lambda: PLBartTokenizer(str(sentencepiece_file), language_codes="multi"),
    }
    return lambda family: makers[family]()


@pytest.fixture(scope="session")
def t5_directory(tmp_path_factory, letters) -> Path:
    """A T5 with 2 encoder and 3 decoder layers and large weights, with its tokenizer."""
    torch.manual_seed(0)
    sizes = {"d_model": 16, "d_kv": 4, "num_heads": 4, "d_ff": 24, "num_layers": 2, "num_decoder_layers": 3}
    config = T5Config(vocab_size=32, **sizes, initializer_factor=3.0, decoder_start_token_id=0)
    return _saved(tmp_path_factory.mktemp("t5"), T5ForConditionalGeneration(config), letters)


@pytest.fixture(scope="session")
def mt5_directory(tmp_path_factory, letters) -> Path:
    """An mT5, which is gated, with 2 layers on either side."""
    torch.manual_seed(0)
    sizes = {"d_model": 16, "d_kv": 4, "num_heads": 4, "d_ff": 24, "num_layers": 2, "num_decoder_layers": 2}
    config = MT5Config(vocab_size=32, **sizes, decoder_start_token_id=0)
    return _saved(tmp_path_factory.mktemp("mt5"), MT5ForConditionalGeneration(config), letters)


@pytest.fixture(scope="session")
def bart_directory(tmp_path_factory, letters) -> Path:
    """A BART with 2 layers on either side, with its tokenizer."""
    torch.manual_seed(0)
    sizes = {"d_model": 16, "encoder_layers": 2, "decoder_layers": 2, "encoder_ffn_dim": 24, "decoder_ffn_dim": 24}
    sizes |= {"encoder_attention_heads": 4, "decoder_attention_heads": 4, "max_position_embeddings": 64}
    tokens = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 1, "decoder_start_token_id": 1}
    config = BartConfig(vocab_size=32, **sizes, **tokens, forced_eos_token_id=None, init_std=0.5)
    return _saved(tmp_path_factory.mktemp("bart"), BartForConditionalGeneration(config), letters)


def _saved(directory, model, tokenizer):
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


@pytest.fixture
def pairs(tmp_path) -> Path:
    """Eight rows of single letters and the same letters backwards, as JSONL with the columns a and b."""
    texts = ["a b c", "d e", "f", "g h i", "a c", "b d f", "e", "h a b"]
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps({"a": text, "b": " ".join(reversed(text.split()))}) + "\n" for text in texts))
    return path


@dataclass(frozen=True, repr=False)
class Case:
    """A tiny model of one family with its graph; tests leave `model` as it is and cut copies."""

    family: str
    adapter: Adapter
    config: PretrainedConfig
    model: PreTrainedModel
    graph: DependencyGraph

    def __repr__(self):
        return f"<the tiny {self.family}>"

    def cut(self, plan, model=None, before=None):
        """A cut copy of `model`, which is the dense one unless `before` says what it was cut to already."""
        copied = copy.deepcopy(self.model if model is None else model)
        return cut(copied, plan, self.adapter, self.graph, self.config, before)


_CASES: dict[str, Case] = {}


def _case(family):
    if family not in _CASES:
        adapter, config, model = tiny(family)
        _CASES[family] = Case(family, adapter, config, model, discover(adapter, config, model))
    return _CASES[family]


@pytest.fixture(scope="session")
def case():
    """The case of a family, by name; made once."""
    return _case


EVERY_CHANGE = ("t5", "bart-scaled")
"""Families on which every change is tested, without and with biases; the others are in the full tier."""


@pytest.fixture(
    scope="session",
    params=[pytest.param(name, marks=() if name in EVERY_CHANGE else pytest.mark.full) for name in FAMILIES],
)
def every(request):
    """The case of each family in turn."""
    return _case(request.param)


@pytest.fixture(scope="session")
def batch():
    """Three inputs, padded right, not at all and left, with labels padded by -100."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(3, 60, (3, 7), generator=generator)
    labels = torch.randint(3, 60, (3, 6), generator=generator)
    mask = torch.ones_like(ids)
    mask[0, 4:], mask[2, :2], labels[1, 4:] = 0, 0, -100
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a distribution with one plugin, as its files would lie in site-packages; its module goes afterwards."""
    modules = []

    def add(name, source, group="prunekit.adapters", distribution="outsider", value=None):
        site = tmp_path / distribution
        metadata = site / f"{distribution}-1.0.dist-info"
        metadata.mkdir(parents=True, exist_ok=True)
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        module = f"{distribution}_{name}"
        with (metadata / "entry_points.txt").open("a") as file:
            file.write(f"[{group}]\n{name} = {value or module}\n")
        (site / f"{module}.py").write_text(dedent(source))
        monkeypatch.syspath_prepend(site)
        modules.append(module)
        return module

    yield add
    for module in modules:
        sys.modules.pop(module, None)


@pytest.fixture
def tokenizer():
    """Bytes plus 3: no file, so that ids 3 to 130 are ASCII."""
    return ByT5Tokenizer()


@pytest.fixture
def t5():
    """More decoder than encoder layers; weights large enough that every prefix has its own answer."""
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=131,
        d_model=16,
        d_kv=8,
        num_heads=2,
        d_ff=24,
        num_layers=1,
        num_decoder_layers=3,
        decoder_layers=3,
        dropout_rate=0.5,
        decoder_start_token_id=0,
    )
    return enlarged(T5ForConditionalGeneration(config))


@pytest.fixture
def bart():
    """Forces its first and its last token, as BART's checkpoints do."""
    torch.manual_seed(0)
    config = BartConfig(
        vocab_size=131,
        d_model=16,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        max_position_embeddings=40,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=2,
        decoder_start_token_id=1,
        forced_eos_token_id=1,
        tie_word_embeddings=False,
    )
    model = enlarged(BartForConditionalGeneration(config))
    model.generation_config.forced_bos_token_id = 2
    return model


def enlarged(model):
    """Random weights large enough that outputs depend on inputs."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, 0.6)
    return model.eval()
