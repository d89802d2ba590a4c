"""Small tokenizers of every kind that sequence-to-sequence models have; what the tests of exports share."""

import io
import json
import random
from functools import cache

import pytest
import sentencepiece
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    AddedToken,
    BartTokenizer,
    BertTokenizer,
    M2M100Tokenizer,
    MarianTokenizer,
    MBartTokenizer,
    NllbTokenizer,
    PegasusTokenizer,
    PreTrainedTokenizerFast,
    Speech2TextTokenizer,
    T5Tokenizer,
    WhisperTokenizer,
)
from transformers.models.mbart.tokenization_mbart import FAIRSEQ_LANGUAGE_CODES
from transformers.models.whisper.tokenization_whisper import LANGUAGES

from prunekit.data import g2p

FOREIGN = ["Größe", "café", "naïve", "Щука", "мир", "日本語", "12.5%", "(so!)", "-----", "hahaha", "e-mail", "☃"]


@cache
def sentences():
    """Lines of seven English words and one of other signs and scripts."""
    draw, words = random.Random(0), [*g2p.words("dev")]
    return [" ".join(draw.choices(words, k=7) + draw.choices(FOREIGN, k=1)) for _ in range(1500)]


@cache
def spm(kind, **options):
    """A SentencePiece model of 900 pieces or what `options` say, as the bytes of its file."""
    file = io.BytesIO()
    options = {"vocab_size": 900, "model_type": kind, "minloglevel": 2, "hard_vocab_limit": False, **options}
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(sentences()), model_writer=file, **options)
    return file.getvalue()


def pieces(proto):
    """Names and scores behind unknown, start and end."""
    model = sentencepiece.SentencePieceProcessor(model_proto=proto)
    return {model.id_to_piece(n): model.get_score(n) for n in range(3, len(model))}


def scored(*special):
    """Unigram's pieces behind the special ones of an architecture."""
    return [*((name, 0.0) for name in special), *pieces(spm("unigram")).items()]


def library(model, trainer, pre, normalizer=None, **options):
    """A tokenizer of the tokenizers library, trained on the sentences."""
    core = Tokenizer(model)
    core.pre_tokenizer, core.normalizer = pre, normalizer
    core.train_from_iterator(sentences(), trainer(show_progress=False, **options))
    return core


def bpe(pre, special, size=1200, alphabet=()):
    """What a class that builds its own byte-pair encoding is given."""
    options = {"vocab_size": size, "special_tokens": special, "initial_alphabet": [*alphabet]}
    model = json.loads(library(models.BPE(), trainers.BpeTrainer, pre, **options).to_str())["model"]
    return {"vocab": model["vocab"], "merges": [tuple(pair) for pair in model["merges"]]}


def bytewise(*special):
    return bpe(pre_tokenizers.ByteLevel(), [*special], alphabet=pre_tokenizers.ByteLevel.alphabet())


def plain(core, processor, **special):
    """The class that holds whatever the library made."""
    core.post_processor = processor
    return PreTrainedTokenizerFast(tokenizer_object=core, pad_token="<pad>", **special)


def t5(_):
    return T5Tokenizer(vocab=scored("<pad>", "</s>", "<unk>"))


def mt5(place):
    """What transformers makes of a SentencePiece file, with its normalizer."""
    (place / "spiece.model").write_bytes(spm("unigram", pad_id=0, eos_id=1, unk_id=2, bos_id=-1))
    return T5Tokenizer.from_pretrained(place, extra_ids=0)


def pegasus(_):
    masks = ["<mask_1>", "<mask_2>", *(f"<unk_{n}>" for n in range(2, 103))]
    return PegasusTokenizer(vocab=scored("<pad>", "</s>", *masks, "<unk>"))


def mbart(_):
    codes = [(code, 0.0) for code in FAIRSEQ_LANGUAGE_CODES]
    return MBartTokenizer(vocab=[*scored("<s>", "<pad>", "</s>", "<unk>"), *codes], src_lang="en_XX", tgt_lang="de_DE")


def bart(_):
    return BartTokenizer(**bytewise("<s>", "<pad>", "</s>", "<unk>", "<mask>"))


def whisper(_):
    marks = ["<|startoftranscript|>", *(f"<|{code}|>" for code in LANGUAGES), "<|translate|>", "<|transcribe|>"]
    marks += ["<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"]
    tokenizer = WhisperTokenizer(**bytewise(), extra_special_tokens=marks, pad_token="<|endoftext|>")
    tokenizer.add_tokens([AddedToken(f"<|{n * 0.02:.2f}|>", normalized=False) for n in range(1501)])
    tokenizer.set_prefix_tokens(language="de", task="transcribe")
    return tokenizer


def bert(_):
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    parts = pre_tokenizers.BertPreTokenizer(), normalizers.BertNormalizer()
    model = models.WordPiece(unk_token="[UNK]")
    core = library(model, trainers.WordPieceTrainer, *parts, vocab_size=900, special_tokens=special)
    return BertTokenizer(vocab=core.get_vocab())


def nllb(_):
    made = bpe(pre_tokenizers.Metaspace(), ["<s>", "<pad>", "</s>", "<unk>"], size=900)
    return NllbTokenizer(**made, src_lang="eng_Latn", tgt_lang="deu_Latn")


def fallback(_):
    """Byte-pair encoding with bytes for rare characters, where words that are pieces need no merges."""
    special = ["<pad>", "</s>", "<unk>", *(f"<0x{n:02X}>" for n in range(256))]
    model = models.BPE(unk_token="<unk>", byte_fallback=True, ignore_merges=True, fuse_unk=True)
    options = {"vocab_size": 900, "special_tokens": special, "limit_alphabet": 40}
    core = library(model, trainers.BpeTrainer, pre_tokenizers.Metaspace(), **options)
    core.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse(), decoders.Metaspace()])
    end = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return plain(core, end, eos_token="</s>", unk_token="<unk>")


def wordlevel(_):
    """Words, whose unknown one and end only the library knows, not transformers."""
    names = [*dict.fromkeys(word for line in sentences()[:400] for word in line.split()), "<unk>", "</s>", "<pad>"]
    number = {name: n for n, name in enumerate(names)}
    core = Tokenizer(models.WordLevel(number, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    end = ("</s>", number["</s>"])
    return plain(core, processors.Sequence([processors.BertProcessing(end, end)]))


def marian(place):
    """Two SentencePiece models and one vocabulary for both, which lacks some pieces of either."""
    protos = {"source": spm("unigram"), "target": spm("bpe", character_coverage=0.99)}
    found = {name for proto in protos.values() for name in pieces(proto) if not {*"ö%"} & {*name}}
    names = ["</s>", "<unk>", ">>de<<", *sorted(found), "<pad>"]
    for side, proto in protos.items():
        (place / f"{side}.spm").write_bytes(proto)
    (place / "vocab.json").write_text(json.dumps({name: n for n, name in enumerate(names)}))
    return MarianTokenizer(*(str(place / name) for name in ("source.spm", "target.spm", "vocab.json")))


def counted(kind, place, **options):
    """A ``vocab.json`` that counts the pieces of a SentencePiece model with bytes."""
    proto = spm("bpe", byte_fallback=True, vocab_size=1100)
    names = ["<s>", "<pad>", "</s>", "<unk>", *pieces(proto)]
    (place / "vocab.json").write_text(json.dumps({name: n for n, name in enumerate(names)}))
    (place / "model.spm").write_bytes(proto)
    return kind(str(place / "vocab.json"), str(place / "model.spm"), **options)


def m2m(place):
    return counted(M2M100Tokenizer, place, src_lang="en", tgt_lang="de")


def speech(place):
    return counted(Speech2TextTokenizer, place, do_upper_case=True)


FAMILIES = (t5, mt5, pegasus, mbart, bart, whisper, bert, nllb, fallback, wordlevel, marian, m2m, speech)


@pytest.fixture(scope="session")
def tokenizers(tmp_path_factory):
    """The tokenizers of all families by name, as a user has them: read from their files."""

    def opened(make):
        place, made = tmp_path_factory.mktemp(make.__name__), tmp_path_factory.mktemp(make.__name__)
        tokenizer = make(place)
        tokenizer.save_pretrained(made)
        return type(tokenizer).from_pretrained(made)

    return {make.__name__: opened(make) for make in FAMILIES}


@pytest.fixture(params=[make.__name__ for make in FAMILIES])
def family(request):
    return request.param


@pytest.fixture
def old(tokenizers, family):
    return tokenizers[family]


@pytest.fixture(scope="session")
def texts():
    """What the tokenizers were trained on."""
    return sentences()


@pytest.fixture(scope="session")
def same():
    """Check that two tokenizers read texts alike: the new numbers of the same pieces, and the same string back."""

    def check(old, new, kept, texts, side="text"):
        number = {before: after for after, before in enumerate(kept)}
        for text in texts:
            before, after = old(**{side: text})["input_ids"], new(**{side: text})["input_ids"]
            assert after == [number[n] for n in before], text
            for skip in (False, True):
                assert new.decode(after, skip_special_tokens=skip) == old.decode(before, skip_special_tokens=skip)

    return check
