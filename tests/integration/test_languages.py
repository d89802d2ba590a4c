"""Models of several languages, pruned with a language in a column: each row is answered in its own, wherever asked.

Tiny translators learn by heart two languages of single letters: German is the next letter, French the one after. Then
they are pruned, and asked after the run, from the saved directory without prunekit, from CTranslate2 and from ONNX.
"""

import json
import subprocess
import sys
from string import ascii_lowercase

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import (
    M2M100Config,
    M2M100ForConditionalGeneration,
    MBart50Tokenizer,
    MBartConfig,
    MBartForConditionalGeneration,
    NllbTokenizer,
)
from typer.testing import CliRunner

import prunekit
from prunekit import Recipe
from prunekit.cli import app
from prunekit.pipeline.run import run

ctranslate2 = pytest.importorskip("ctranslate2")

SHIFT = {"german": 1, "french": 2}
WORDS = [f"{one} {other}" for one, other in zip(ascii_lowercase[:20], ascii_lowercase[3:23], strict=True)]

SIZES = {"d_model": 32, "encoder_layers": 2, "decoder_layers": 3, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48}
SIZES |= {"encoder_attention_heads": 4, "decoder_attention_heads": 4, "max_position_embeddings": 64, "init_std": 0.1}
SIZES |= {"dropout": 0.0, "attention_dropout": 0.0, "activation_dropout": 0.0}


def shifted(text, by):
    return " ".join(ascii_lowercase[(ascii_lowercase.index(letter) + by) % 26] for letter in text.split())


def nllb():
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    trainer = trainers.BpeTrainer(vocab_size=100, special_tokens=special, show_progress=False)
    core.train_from_iterator(list(ascii_lowercase), trainer)
    made = json.loads(core.to_str())["model"]
    tokenizer = NllbTokenizer(vocab=made["vocab"], merges=[tuple(pair) for pair in made["merges"]])
    config = M2M100Config(**SIZES, vocab_size=len(tokenizer))
    return tokenizer, M2M100ForConditionalGeneration(config), ("eng_Latn", "deu_Latn", "fra_Latn")


def mbart50():
    pieces = [("<unk>", 0.0), ("<s>", 0.0), ("</s>", 0.0), ("\u2581", -3.0)]  # in SentencePiece's own order
    pieces += [(f"\u2581{letter}", -2.0) for letter in ascii_lowercase]
    tokenizer = MBart50Tokenizer(vocab=pieces)
    config = MBartConfig(**SIZES, vocab_size=len(tokenizer), decoder_start_token_id=tokenizer.eos_token_id)
    return tokenizer, MBartForConditionalGeneration(config), ("en_XX", "de_DE", "fr_XX")


MAKERS = {"nllb": nllb, "mbart50": mbart50}


def taught(tokenizer, model, source, targets):
    """A few seconds of plain training on all words in both languages."""
    sources, answers = [], []
    for name, code in targets.items():
        tokenizer.src_lang, tokenizer.tgt_lang = source, code
        both = tokenizer(WORDS, text_target=[shifted(word, SHIFT[name]) for word in WORDS])
        sources += both["input_ids"]
        answers += both["labels"]
    assert len({len(row) for row in sources}) == len({len(row) for row in answers}) == 1
    batch = {"input_ids": torch.tensor(sources), "labels": torch.tensor(answers)}
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    model.train()
    for _ in range(200):
        optimizer.zero_grad()
        model(**batch).loss.backward()
        optimizer.step()
    return model.eval()


@pytest.fixture(scope="module", params=MAKERS)
def pruned(request, tmp_path_factory):
    """The directory of a run with a language in a column, its rows, and the codes of the languages."""
    place = tmp_path_factory.mktemp(request.param)
    torch.manual_seed(0)
    tokenizer, model, (source, german, french) = MAKERS[request.param]()
    codes = {"german": german, "french": french}
    taught(tokenizer, model, source, codes)
    for part in (tokenizer, model):
        part.save_pretrained(place / "dense")
    rows = [
        {"from": source, "to": code, "text": word, "right": shifted(word, SHIFT[name])}
        for word in WORDS
        for name, code in codes.items()
    ]
    (place / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = {
        "model": str(place / "dense"),
        "output": str(place / "run"),
        "strategy": "depth",
        "options": {"decoder_layers": 2},
        "task": {
            "train": str(place / "rows.jsonl"),
            "eval": str(place / "rows.jsonl"),
            "source": "text",
            "target": "right",
            "source_language_column": "from",
            "target_language_column": "to",
            "metric": "exact_match",
        },
        "training": {"batch": 16, "learning_rate": 0.005, "precision": "fp32"},
        "recovery": {"steps": 60},
        "measure": {"batch": 16, "repeats": 1, "workloads": [{"source": 4, "new_tokens": 3}]},
        "device": "cpu",
        "round_to": 1,
    }
    report = run(Recipe.parse(recipe))
    return report, place / "run", rows


def test_every_row_is_answered_in_its_own_language(pruned):
    report, _, _ = pruned
    assert report.quality.dense == 1.0
    assert report.quality.pruned == 1.0
    assert report.equivalence.tokens_equal


ALONE = """
import json, sys
import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

directory, rows = sys.argv[1], json.loads(sys.argv[2])
tokenizer = AutoTokenizer.from_pretrained(directory)
model = AutoModelForSeq2SeqLM.from_pretrained(directory, trust_remote_code=True)
said = []
for row in rows:
    tokenizer.src_lang = row["from"]
    forced = tokenizer.convert_tokens_to_ids(row["to"])
    answer = model.generate(**tokenizer(row["text"], return_tensors="pt"), forced_bos_token_id=forced, max_new_tokens=8)
    said.append(tokenizer.decode(answer[0], skip_special_tokens=True).strip())
assert "prunekit" not in sys.modules
print(json.dumps(said))
"""


def test_transformers_alone_answers_likewise(pruned):
    _, directory, rows = pruned
    command = [sys.executable, "-c", ALONE, str(directory / "model"), json.dumps(rows[:8])]
    done = subprocess.run(command, capture_output=True, text=True, cwd=directory)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [row["right"] for row in rows[:8]]


def test_ctranslate2_does_too(pruned, prunekit_command, tmp_path):
    _, directory, rows = pruned
    prunekit_command("export", directory / "model", "--to", "ctranslate2", "--output", tmp_path / "small")
    translator = ctranslate2.Translator(str(tmp_path / "small"))
    tokenizer = opened(directory)
    for row in rows[:8]:
        tokenizer.src_lang = row["from"]
        pieces = tokenizer.convert_ids_to_tokens(tokenizer(row["text"])["input_ids"])
        found = translator.translate_batch([pieces], target_prefix=[[row["to"]]], beam_size=1)[0].hypotheses[0]
        assert tokenizer.convert_tokens_to_string(found[1:]).strip() == row["right"]


def test_onnx_does_too(pruned, prunekit_command, tmp_path):
    _, directory, rows = pruned
    prunekit_command("export", directory / "model", "--to", "onnx", "--output", tmp_path / "small")
    model = prunekit.from_onnx(tmp_path / "small")
    tokenizer = opened(directory)
    for row in rows[:8]:
        tokenizer.src_lang = row["from"]
        forced = tokenizer.convert_tokens_to_ids(row["to"])
        batch = tokenizer(row["text"], return_tensors="pt")
        answer = model.generate(**batch, forced_bos_token_id=forced, max_new_tokens=8)
        assert tokenizer.decode(answer[0], skip_special_tokens=True).strip() == row["right"]


@pytest.fixture
def prunekit_command():
    """The command line, which must succeed."""

    def call(*words):
        result = CliRunner().invoke(app, list(map(str, words)))
        assert result.exit_code == 0, result.stderr

    return call


def opened(directory):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(directory / "model")
