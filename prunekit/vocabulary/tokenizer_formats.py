"""The two formats in which transformers keeps the pieces of tokenizers, and their files rewritten with fewer pieces."""

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    M2M100Tokenizer,
    MarianTokenizer,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    Speech2TextTokenizer,
)

from prunekit.errors import PrunekitError
from prunekit.vocabulary.pieces import BYTE, alphabet_pieces, merged_pair, pieces_before_unknown, with_merge_parts


class TokenizerFormat(Protocol):
    """How a tokenizer keeps its pieces: which of them need which, and in which files they are.

    Example: a T5 has 32,000 pieces in a ``tokenizer.json``, a Marian 58,000 in a ``vocab.json`` and two ``.spm`` files.
    """

    vocabulary: Mapping[str, int]
    """The id of every piece, added tokens included."""

    def required_ids(self) -> set[int]:
        """The ids that are needed for any text."""

    def with_dependencies(self, names: set[str]) -> set[str]:
        """The pieces `names`, those that they are made of, and those that spell other words."""

    def pieces_of_unknown_words(self, text: str, ids: Sequence[int]) -> set[str]:
        """The pieces because of which words of `text`, whose ids are given, are unknown."""

    def rewrite(self, directory: Path, number: Mapping[int, int]) -> None:
        """Rewrite the saved files in `directory` with only the ids in `number`, which maps old ones to new ones."""

    def loaded_as_written(self, pruned: Any, directory: Path) -> bool:
        """Whether `pruned`, loaded from `directory`, is what was written there."""


def format_of(tokenizer: PreTrainedTokenizerBase) -> TokenizerFormat:
    """The format of a tokenizer; raises `PrunekitError` for one that cannot be rewritten."""
    name = type(tokenizer).__name__
    if isinstance(tokenizer, PreTrainedTokenizerFast):
        return UnifiedFormat(tokenizer)
    if not isinstance(tokenizer, (MarianTokenizer, M2M100Tokenizer, Speech2TextTokenizer)):
        raise PrunekitError(
            f"The vocabulary of a {name} cannot be pruned: possible are tokenizers of the tokenizers library (Unigram, "
            "BPE, WordPiece or WordLevel in a tokenizer.json), MarianTokenizer, M2M100Tokenizer and "
            "Speech2TextTokenizer; keep the whole vocabulary."
        )
    if getattr(tokenizer, "separate_vocabs", False) or getattr(tokenizer, "lang_codes", None):
        raise PrunekitError(
            f"The vocabulary of this {name} cannot be pruned: its two languages have a vocabulary each, or its "
            "language codes are numbered by the SentencePiece model; keep the whole vocabulary."
        )
    return FileFormat(tokenizer)


def _special(tokenizer: Any, vocabulary: Mapping[str, int]) -> set[int]:
    """Added tokens, which all special ones are, and the pieces for bytes."""
    byte = (number for name, number in vocabulary.items() if BYTE.fullmatch(name))
    return {*tokenizer.added_tokens_decoder, *byte}


class UnifiedFormat:
    """One ``tokenizer.json``, whose model is Unigram, BPE, WordPiece or WordLevel."""

    def __init__(self, tokenizer: Any):
        self.tokenizer = tokenizer
        self.vocabulary: Mapping[str, int] = tokenizer.get_vocab()
        self.data: dict[str, Any] = json.loads(tokenizer.backend_tokenizer.to_str())
        self.model: dict[str, Any] = self.data["model"]
        self.prefix: str = self.model.get("continuing_subword_prefix") or ""

    def required_ids(self) -> set[int]:
        """Special tokens, the ends that every text gets, bytes, and what scores unknown characters.

        Unigram scores an unknown character below the worst piece, which is therefore kept. Classes like T5Tokenizer
        have the id of the unknown piece in their code, so no id before it is removed.
        """
        kept = {*_special(self.tokenizer, self.vocabulary), *self.tokenizer.backend_tokenizer.encode("").ids}
        if self.model["type"] == "Unigram":
            scores = [score for _, score in self.model["vocab"]]
            kept.add(scores.index(min(scores)))
            kept.update(range((-1 if self.model["unk_id"] is None else self.model["unk_id"]) + 1))
        elif self.model["unk_token"] in self.vocabulary:
            kept.add(self.vocabulary[self.model["unk_token"]])
        if "ByteLevel" in str(self.data["decoder"]):
            kept.update(self.vocabulary[byte] for byte in ByteLevel.alphabet() if byte in self.vocabulary)
        return kept

    def with_dependencies(self, names: set[str]) -> set[str]:
        """With the parts of every merge that leads to a piece, and the letters of its script."""
        mark = self.prefix if self.model["type"] == "WordPiece" else ""
        names = names | alphabet_pieces(self.vocabulary, names, mark)
        if self.model["type"] == "BPE":
            names = with_merge_parts(names, [(a, b) for a, b in self.model["merges"]], self.prefix)
        return names & self.vocabulary.keys()

    def pieces_of_unknown_words(self, text: str, ids: Sequence[int]) -> set[str]:
        """The pieces that WordPiece found in words before it gave them up; other models do not give up words."""
        if self.model["type"] != "WordPiece" or self.vocabulary.get(self.model["unk_token"]) not in ids:
            return set()
        core = self.tokenizer.backend_tokenizer
        plain = core.normalizer.normalize_str(text) if core.normalizer else text
        words = [word for word, _ in core.pre_tokenizer.pre_tokenize_str(plain)] if core.pre_tokenizer else [plain]
        return {piece for word in words for piece in pieces_before_unknown(word, self.model["vocab"], self.prefix)}

    def rewrite(self, directory: Path, number: Mapping[int, int]) -> None:
        """Ids are in the model, in added tokens, in padding and in the post-processor."""
        path = directory / "tokenizer.json"
        data = json.loads(path.read_text(encoding="utf-8"))
        model = data["model"]
        if model["type"] == "Unigram":
            model["vocab"] = [entry for old, entry in enumerate(model["vocab"]) if old in number]
        else:
            model["vocab"] = {name: number[old] for name, old in model["vocab"].items() if old in number}
        if "merges" in model:
            model["merges"] = [
                [a, b] for a, b in model["merges"] if {a, b, merged_pair((a, b), self.prefix)} <= model["vocab"].keys()
            ]
        for token in data["added_tokens"]:
            token["id"] = number[token["id"]]
        if data["padding"]:
            data["padding"]["pad_id"] = number[data["padding"]["pad_id"]]
        _renumber(data["post_processor"], number)
        path.write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")

    def loaded_as_written(self, pruned: Any, directory: Path) -> bool:
        """Compares all but scores, whose last digit the library may round."""
        written = json.loads((directory / "tokenizer.json").read_text(encoding="utf-8"))
        read = json.loads(pruned.backend_tokenizer.to_str())
        for data in (written, read):
            if data["model"]["type"] == "Unigram":
                data["model"]["vocab"] = [name for name, _ in data["model"]["vocab"]]
        return all(read[key] == written[key] for key in written.keys() - {"padding", "truncation"})


def _renumber(processor: Any, number: Mapping[int, int]) -> None:
    """Renumber the tokens that a post-processor puts around texts."""
    for part in (processor or {}).get("processors", ()):
        _renumber(part, number)
    for token in ((processor or {}).get("special_tokens") or {}).values():
        token["ids"] = [number[old] for old in token["ids"]]
    for end in {"sep", "cls"} & (processor or {}).keys():
        processor[end][1] = number[processor[end][1]]


class FileFormat:
    """A ``vocab.json`` with the ids of the pieces of the SentencePiece models beside it, read in Python."""

    def __init__(self, tokenizer: Any):
        self.tokenizer = tokenizer
        codes = getattr(tokenizer, "lang_token_to_id", {})  # M2M100 counts them on after the last piece
        self.vocabulary: Mapping[str, int] = {**tokenizer.encoder, **tokenizer.added_tokens_encoder, **codes}
        self.codes = {*codes, *(name for name in tokenizer.encoder if name.startswith(">>") and name.endswith("<<"))}

    def required_ids(self) -> set[int]:
        """Special tokens, bytes and languages."""
        return _special(self.tokenizer, self.vocabulary) | {self.vocabulary[code] for code in self.codes}

    def with_dependencies(self, names: set[str]) -> set[str]:
        """With the letters of their scripts; SentencePiece itself knows what pieces are made of."""
        return names | alphabet_pieces(self.vocabulary, names)

    def pieces_of_unknown_words(self, text: str, ids: Sequence[int]) -> set[str]:
        """None: a piece without an id is unknown by itself."""
        return set()

    def rewrite(self, directory: Path, number: Mapping[int, int]) -> None:
        """Ids are in the vocabulary and in the config; SentencePiece models learn which pieces they may use."""
        encoder = {name: number[old] for name, old in self.tokenizer.encoder.items() if old in number}
        (directory / "vocab.json").write_text(json.dumps(encoder, ensure_ascii=False), encoding="utf-8")
        path = directory / "tokenizer_config.json"
        config = json.loads(path.read_text(encoding="utf-8"))
        added = config["added_tokens_decoder"].items()
        config["added_tokens_decoder"] = {str(number[int(old)]): token for old, token in added}
        path.write_text(json.dumps(config, ensure_ascii=False), encoding="utf-8")
        for name in self.tokenizer.vocab_files_names.values():
            if name.endswith((".spm", ".model")):
                _mark_unused(directory / name, self.tokenizer.encoder.keys() - encoder.keys())

    def loaded_as_written(self, pruned: Any, directory: Path) -> bool:
        """Compares the ids of all pieces, and of the added tokens in the config."""
        written = json.loads((directory / "vocab.json").read_text(encoding="utf-8"))
        config = json.loads((directory / "tokenizer_config.json").read_text(encoding="utf-8"))
        added = {token["content"]: int(new) for new, token in config["added_tokens_decoder"].items()}
        return bool(pruned.encoder == written and pruned.added_tokens_encoder == added)


def _mark_unused(path: Path, removed: Collection[str]) -> None:
    """Mark pieces of a SentencePiece model as unused, so that it encodes words by smaller ones instead.

    Its own numbering is unchanged. The piece with the lowest score is kept, since unknown characters score below it.
    """
    try:
        from sentencepiece import sentencepiece_model_pb2 as messages
    except ImportError as error:
        raise PrunekitError("Pruning this tokenizer needs the package protobuf; run pip install protobuf.") from error
    model: Any = messages
    proto = model.ModelProto.FromString(path.read_bytes())
    kinds = model.ModelProto.SentencePiece.Type
    normal = [piece for piece in proto.pieces if piece.type == kinds.NORMAL]
    worst = min(normal, key=lambda piece: piece.score, default=None)
    for piece in normal:
        if piece.piece in removed and piece is not worst:
            piece.type = kinds.UNUSED
    path.write_bytes(proto.SerializeToString())
