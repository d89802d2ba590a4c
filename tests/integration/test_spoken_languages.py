"""A speech model of two languages and both tasks, pruned with columns that name them: each row is asked as taught.

A tiny Whisper learns by heart four tones. Told that a tone is German it writes the next letter, told Chinese the one
after; asked to translate it writes three letters further on.
"""

import json
import subprocess
import sys
from string import ascii_lowercase

import numpy as np
import pytest
import soundfile
import torch
from transformers import AutoTokenizer, WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration
from typer.testing import CliRunner

from prunekit import Recipe
from prunekit.cli import app
from prunekit.pipeline.run import run

ctranslate2 = pytest.importorskip("ctranslate2")

RATE = 16_000
SHIFT = {("de", "transcribe"): 1, ("zh", "transcribe"): 2, ("de", "translate"): 4, ("zh", "translate"): 5}
TONES = {letter: 0.05 + 0.07 * number for number, letter in enumerate("aceg")}

SIZES = {"d_model": 32, "encoder_layers": 2, "decoder_layers": 3, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48}
SIZES |= {"encoder_attention_heads": 4, "decoder_attention_heads": 4, "max_target_positions": 40}
SIZES |= {"num_mel_bins": 8, "max_source_positions": 50, "init_std": 0.1, "suppress_tokens": None}


def right(tone, asked):
    return ascii_lowercase[ascii_lowercase.index(tone) + SHIFT[asked]]


def heard(tone):
    return np.sin(np.arange(8000) * TONES[tone]).astype(np.float32)


def untaught(tokenizer):
    number = tokenizer.convert_tokens_to_ids
    end = number("<|endoftext|>")
    tokens = {"pad_token_id": end, "bos_token_id": end, "eos_token_id": end, "begin_suppress_tokens": None}
    start = number("<|startoftranscript|>")
    config = WhisperConfig(**SIZES, **tokens, vocab_size=len(tokenizer), decoder_start_token_id=start)
    return WhisperForConditionalGeneration(config)


def taught(model, tokenizer, extractor):
    """A few seconds of plain training on every tone, language and task."""
    cases = [(tone, asked) for tone in TONES for asked in SHIFT]
    number = tokenizer.convert_tokens_to_ids
    labels = []
    for tone, asked in cases:
        letter = tokenizer(right(tone, asked), add_special_tokens=False)["input_ids"]
        prompt = [number(f"<|{name}|>") for name in (*asked, "notimestamps")]
        labels.append([*prompt, *letter, tokenizer.eos_token_id])
    features = extractor([heard(tone) for tone, _ in cases], sampling_rate=RATE, return_tensors="pt")["input_features"]
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    model.train()
    for _ in range(150):
        optimizer.zero_grad()
        model(input_features=features, labels=torch.tensor(labels)).loss.backward()
        optimizer.step()
    return model.eval()


@pytest.fixture(scope="module")
def pruned(tmp_path_factory, request):
    """The report and the directory of a run with language and task in columns, and its rows."""
    place = tmp_path_factory.mktemp("spoken")
    tokenizer = request.getfixturevalue("spoken_tokenizer")
    extractor = WhisperFeatureExtractor(feature_size=8, chunk_length=1)
    torch.manual_seed(0)
    model = taught(untaught(tokenizer), tokenizer, extractor)
    for part in (tokenizer, extractor, model):
        part.save_pretrained(place / "dense")
    rows = []
    for tone in TONES:
        soundfile.write(place / f"{tone}.wav", heard(tone), RATE)
        rows += [
            {"audio": f"{tone}.wav", "text": right(tone, asked), "spoken": asked[0], "do": asked[1]} for asked in SHIFT
        ]
    (place / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = {
        "model": str(place / "dense"),
        "output": str(place / "run"),
        "strategy": "depth",
        "options": {"decoder_layers": 2},
        "task": {
            "name": "asr",
            "train": str(place / "rows.jsonl"),
            "eval": str(place / "rows.jsonl"),
            "source_language_column": "spoken",
            "task_column": "do",
            "metric": "exact_match",
            "target_length": 12,
        },
        "training": {"batch": 16, "learning_rate": 0.003, "precision": "fp32"},
        "recovery": {"steps": 60},
        "measure": {"batch": 16, "repeats": 1, "workloads": [{"source": 60, "new_tokens": 3}]},
        "device": "cpu",
        "round_to": 1,
    }
    return run(Recipe.parse(recipe)), place / "run", rows


@pytest.fixture(scope="module")
def spoken_tokenizer(request):
    from tokenizers import pre_tokenizers
    from transformers import WhisperTokenizer

    pieces = [*sorted(pre_tokenizers.ByteLevel.alphabet()), "<|endoftext|>"]  # marks come after all text
    marks = ("startoftranscript", "en", "zh", "de", "translate", "transcribe", "startofprev", "notimestamps")
    return WhisperTokenizer(
        vocab={piece: number for number, piece in enumerate(pieces)},
        merges=[],
        extra_special_tokens=[f"<|{mark}|>" for mark in marks],
        pad_token="<|endoftext|>",
    )


def test_every_row_is_asked_in_its_language_and_for_its_task(pruned):
    report, _, _ = pruned
    assert report.quality.dense == 1.0
    assert report.quality.pruned == 1.0


ALONE = """
import json, sys
import soundfile
from transformers import AutoModelForSpeechSeq2Seq, AutoTokenizer, AutoFeatureExtractor

directory, rows = sys.argv[1], json.loads(sys.argv[2])
tokenizer = AutoTokenizer.from_pretrained(directory + "/model")
extractor = AutoFeatureExtractor.from_pretrained(directory + "/model")
model = AutoModelForSpeechSeq2Seq.from_pretrained(directory + "/model", trust_remote_code=True)
said = []
for row in rows:
    samples, rate = soundfile.read(directory + "/../" + row["audio"], dtype="float32")
    features = extractor(samples, sampling_rate=rate, return_tensors="pt")
    answer = model.generate(**features, language=row["spoken"], task=row["do"], max_new_tokens=6)
    said.append(tokenizer.decode(answer[0], skip_special_tokens=True).strip())
assert "prunekit" not in sys.modules
print(json.dumps(said))
"""


def test_transformers_alone_answers_likewise(pruned):
    _, directory, rows = pruned
    command = [sys.executable, "-c", ALONE, str(directory), json.dumps(rows[:8])]
    done = subprocess.run(command, capture_output=True, text=True, cwd=directory)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [row["text"] for row in rows[:8]]


def test_ctranslate2_does_too(pruned, tmp_path):
    _, directory, rows = pruned
    words = ["export", directory / "model", "--to", "ctranslate2", "--output", tmp_path / "small"]
    result = CliRunner().invoke(app, list(map(str, words)))
    assert result.exit_code == 0, result.stderr
    engine = ctranslate2.models.Whisper(str(tmp_path / "small"))
    tokenizer = AutoTokenizer.from_pretrained(directory / "model")
    extractor = WhisperFeatureExtractor.from_pretrained(tmp_path / "small")
    for row in rows[:8]:
        samples, rate = soundfile.read(directory.parent / row["audio"], dtype="float32")
        features = extractor(samples, sampling_rate=rate, return_tensors="np")["input_features"]
        prompt = ["<|startoftranscript|>", f"<|{row['spoken']}|>", f"<|{row['do']}|>", "<|notimestamps|>"]
        answer = engine.generate(ctranslate2.StorageView.from_array(features), [prompt], beam_size=1)[0]
        assert tokenizer.decode(answer.sequences_ids[0], skip_special_tokens=True).strip() == row["text"]
