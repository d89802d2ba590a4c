"""The speech task: prompts chosen, up-sampled and divided; weights and recordings only where they have been made."""

import gzip
import json
from collections import Counter
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

wavfile = pytest.importorskip("scipy.io.wavfile")

ROOT = Path(__file__).parents[3]
PREPARED = ROOT / "runs/whisper"


@pytest.fixture(scope="module")
def prepare(load):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "examples/whisper"))
        yield load("whisper/prepare.py")


# The recordings


def record(path, rate, samples):
    path.parent.mkdir(parents=True, exist_ok=True)
    wavfile.write(path, rate, np.asarray(samples, np.int16))
    return path


@pytest.mark.parametrize(("hertz", "rate"), list(product((100, 440, 1000, 3000), (8000, 16000))))
def test_a_tone_keeps_its_pitch_and_its_loudness(prepare, tmp_path, hertz, rate):
    tone = 16384 * np.sin(2 * np.pi * hertz * np.arange(2 * rate) / rate)
    heard = prepare.speech(record(tmp_path / "tone.wav", rate, np.rint(tone)))
    assert heard.dtype == np.float32
    assert heard.shape == (32000,)
    middle = heard[8000:24000]
    power = np.abs(np.fft.rfft(middle)) ** 2
    assert power.argmax() == hertz
    assert power[hertz] > 0.999 * power.sum()
    assert np.sqrt(2 * np.mean(middle**2)) == pytest.approx(0.5, rel=0.01)


def test_other_recordings_get_one_sentence(prepare, tmp_path):
    with pytest.raises(SystemExit, match="int16, mono, is due"):
        prepare.speech(record(tmp_path / "stereo.wav", 8000, np.zeros((5, 2))))


def test_only_usable_prompts_with_a_recording_are_taken(prepare, tmp_path):
    lines = {
        "a/first": "One two three four.",
        "short": "One two three.",
        "beep": "[this is a tone]",
        "lost": "One two three four.",
        "long": "One two three four.",
        "remark": "IAX (says no more)",
        "star": "Press * and then #: go (softly).",
    }
    for name in lines.keys() - {"lost"}:
        record(tmp_path / prepare.SOUNDS / f"{name}.wav", 8000, np.zeros(80_000 if name == "long" else 79_999))
    listing = tmp_path / prepare.SENTENCES
    listing.parent.mkdir(parents=True)
    listing.write_bytes(gzip.compress("\n".join(["; A list", "", *map(": ".join, lines.items())]).encode()))
    found = prepare.prompts(tmp_path)
    assert [(one.name, one.text) for one in found] == [(name, lines[name]) for name in ("a/first", "remark", "star")]
    heard = [prepare.spoken(one).text for one in found]
    assert heard == ["One two three four.", "IAX", "Press star and then pound: go."]
    prepare.write(found[:1], tmp_path / "data", "set")
    (row,) = map(json.loads, (tmp_path / "data/set.jsonl").read_text().splitlines())
    assert row == {"audio": "audio/a/first.wav", "text": "One two three four."}
    rate, samples = wavfile.read(tmp_path / "data" / row["audio"])
    assert (rate, samples.dtype, len(samples)) == (16000, np.int16, 2 * 79_999)


def test_the_novels_sentences_find_their_recordings(prepare, tmp_path):
    (tmp_path / prepare.LIBRI).mkdir(parents=True)
    (tmp_path / prepare.LIBRI / "transcription").write_text("<s> he was not </s> (page-1)\n\n<s> a man </s> (page-2)\n")
    found = [(one.name, one.text, one.recording.name) for one in prepare.novel(tmp_path)]
    assert found == [("libri/page-1", "he was not", "page-1.wav"), ("libri/page-2", "a man", "page-2.wav")]


def test_a_missing_package_gets_one_sentence(prepare, tmp_path):
    with pytest.raises(SystemExit, match=r"There is no asterisk-core-sounds-en_\*\.deb in"):
        prepare.unpack_all(tmp_path, tmp_path)


def test_windows_are_whole_utterances_with_their_words_in_order(prepare, tmp_path):
    """Utterance n is one second of the value n + 1, and n words; what lies between them is silence."""
    rows = [{"audio": f"{n}.wav", "text": f"this is {n}"} for n in range(8)]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for n in range(8):
        record(tmp_path / f"{n}.wav", prepare.RATE, np.full(3 * prepare.RATE, n + 1))
    prepare.join(tmp_path, windows=20)
    first = (tmp_path / "joined.jsonl").read_text()
    made = [json.loads(line) for line in first.splitlines()]
    assert made[:8] == rows
    assert len(made) == 28
    for row in made[8:]:
        rate, samples = wavfile.read(tmp_path / row["audio"])
        assert rate == prepare.RATE
        heard = [int(value) - 1 for value in samples[np.flatnonzero(np.diff(samples, prepend=0))] if value]
        assert row["text"] == " ".join(f"this is {n}" for n in heard)
        assert len(heard) == len(set(heard)) == 6, "six times three seconds fit into twenty, with five pauses"
        assert len(samples) == round((6 * 3 + 5 * prepare.PAUSE) * rate)
    assert len({row["text"] for row in made[8:]}) > 15
    prepare.join(tmp_path, windows=20)
    assert (tmp_path / "joined.jsonl").read_text() == first


# The splits


@pytest.mark.parametrize(
    ("left", "right", "related"),
    [
        ("You are muted.", "you are MUTED", True),
        ("press 4 to call now", "press 4 to go back", True),  # three of five
        ("press 4 to call", "press 4 and go", False),  # two of four
        ("the line is busy", "we are sorry, but the line is busy right now, goodbye then", True),  # all of the shorter
        ("the the the end", "the start of it", False),
    ],
)
def test_kin_share_most_words(prepare, left, right, related):
    assert prepare.kin(left, right) is prepare.kin(right, left) is related


COLOURS = ["red", "green", "blue", "gold", "grey", "pink"]
sentences = st.lists(st.lists(st.sampled_from(COLOURS), min_size=2, max_size=6), max_size=10)


def common(left, right):
    """How many words two lists share, each as often as both have it."""
    right = list(right)
    return sum(1 for word in left if word in right and not right.remove(word))


@given(sentences, st.randoms(use_true_random=False), st.integers(0, 5), st.integers(0, 5))
@settings(max_examples=80, deadline=None)
def test_no_prompt_has_kin_on_another_side(prepare, words, random, test, dev):
    given = [prepare.Utterance(f"n{n}", " ".join(each), Path(f"{n}.wav")) for n, each in enumerate(words)]
    sides = prepare.split(given, {"test": test, "dev": dev})
    assert Counter(one for side in sides.values() for one in side) == Counter(given)
    assert len(sides["test"]) <= test
    assert len(sides["dev"]) <= dev
    for (here, ours), (there, theirs) in product(sides.items(), repeat=2):
        for left, right in product(ours, theirs) if here != there else ():
            first, second = left.text.split(), right.text.split()
            assert common(first, second) <= max(len(first), len(second)) / 2
            assert common(first, second) < min(len(first), len(second))
    shuffled = random.sample(given, len(given))
    again = prepare.split(shuffled, {"test": test, "dev": dev})
    assert {name: set(side) for name, side in again.items()} == {name: set(side) for name, side in sides.items()}


def test_strangers_fill_the_room(prepare):
    given = [prepare.Utterance(f"n{n}", f"a{n} b{n} c{n} d{n}", Path("x.wav")) for n in range(30)]
    assert {name: len(side) for name, side in prepare.split(given, {"test": 9, "dev": 4}).items()} == {
        "train": 17,
        "test": 9,
        "dev": 4,
    }


# The real thing, where it has been made


@pytest.mark.skipif(
    not (PREPARED / "model/model.safetensors").exists() or not (PREPARED / "data/all.jsonl").exists(),
    reason="no Whisper weights and prompts in runs/whisper (examples/whisper/prepare.py makes them)",
)
def test_whisper_hears_what_is_said():
    from transformers import AutoModelForSpeechSeq2Seq, AutoProcessor
    from transformers.models.whisper.english_normalizer import EnglishTextNormalizer

    processor = AutoProcessor.from_pretrained(PREPARED / "model", local_files_only=True)
    model = AutoModelForSpeechSeq2Seq.from_pretrained(PREPARED / "model", local_files_only=True, dtype=torch.float32)
    rows = [json.loads(line) for line in (PREPARED / "data/all.jsonl").read_text().splitlines()[:2]]
    samples = [wavfile.read(PREPARED / "data" / row["audio"])[1] / 2**15 for row in rows]
    inputs = processor(samples, sampling_rate=16000, return_tensors="pt")
    texts = processor.batch_decode(model.generate(**inputs, max_new_tokens=40), skip_special_tokens=True)
    normal = EnglishTextNormalizer({})
    assert [normal(text) for text in texts] == [normal(row["text"]) for row in rows]
