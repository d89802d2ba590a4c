"""Recordings: against files of known samples, and the extractor asked directly."""

import logging

import numpy as np
import pytest
import soundfile
import torch
from transformers import Speech2TextFeatureExtractor, WhisperFeatureExtractor

from prunekit.data import recordings
from prunekit.data.audio import AudioProcessor
from prunekit.data.recordings import AudioFiles
from prunekit.data.speech_prompt import SpeechPrompt
from prunekit.data.tasks import task_table
from prunekit.errors import PrunekitError
from prunekit.recipe import TaskSection

RATE = 16_000


def tone(seconds: float, rate: int = RATE, pitch: float = 440.0):
    return (0.5 * np.sin(2 * np.pi * pitch * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


@pytest.fixture
def wav(tmp_path):
    def write(name, samples, rate=RATE):
        soundfile.write(tmp_path / name, samples, rate)
        return str(tmp_path / name)

    return write


def test_samples_come_as_they_were_written(wav):
    found = AudioFiles([wav("a.flac", tone(0.5)), wav("b.wav", tone(0.25))], RATE)
    assert (len(found), found.lengths) == (2, [8000, 4000])
    np.testing.assert_allclose(found[1], tone(0.25), atol=1e-4)


@pytest.mark.parametrize(("kind", "value"), [("FLOAT", np.nan), ("DOUBLE", np.inf)])
def test_samples_that_are_no_numbers_are_named_with_the_other_bad_ones(tmp_path, wav, kind, value):
    samples = tone(0.5)
    samples[100] = value
    broken = str(tmp_path / "broken.wav")
    soundfile.write(broken, samples, RATE, subtype=kind)
    with pytest.raises(PrunekitError, match=r"(?s)2 of 3 .*broken\.wav' holds samples that are no numbers.*none\.wav"):
        AudioFiles([wav("good.wav", tone(0.5)), broken, str(tmp_path / "none.wav")], RATE)


def test_another_rate_and_two_channels_become_one_tone_at_the_models_rate(wav):
    """Half the rate, and the tone on one side only: half as loud, twice as many samples, of the same pitch."""
    slow = tone(0.5, RATE // 2)
    found = AudioFiles([wav("a.wav", np.stack([slow, np.zeros_like(slow)], axis=1), RATE // 2)], RATE)
    assert found.lengths == [len(found[0])] == [8000]
    middle = slice(1000, 7000)  # a resampler rings at the edges
    np.testing.assert_allclose(found[0][middle], tone(0.5)[middle] / 2, atol=1e-3)


@pytest.mark.parametrize(
    ("content", "sentence"), [(None, "There is no recording"), (b"no sound", "is no recording that can be read")]
)
def test_files_that_are_no_recordings_are_named_before_anything_begins(tmp_path, content, sentence):
    path = tmp_path / "x.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PrunekitError, match=rf"{sentence}|'{path}' {sentence}"):
        AudioFiles([str(path)], RATE)


def test_a_missing_package_is_named(monkeypatch):
    with pytest.raises(PrunekitError, match=r"need the package nowhere; install 'prunekit\[speech\]'"):
        recordings.audio_library("nowhere")


def test_whisper_gets_its_window_and_others_the_longest_sound(wav, letters):
    """Batches hold what the extractor makes of each recording alone; only padding differs."""
    rows = task_table([wav("a.wav", tone(0.3)), wav("b.wav", tone(0.6))], ["a b", "c"], [["a b"], ["c"]])
    window = WhisperFeatureExtractor(feature_size=8, chunk_length=1)
    processor = AudioProcessor(letters, TaskSection(), window, start=None)
    encoded = processor.encode(rows)
    batch = processor.pad([encoded.sources[0], encoded.sources[1]])
    assert batch["input_features"].shape == (2, 8, 100)
    alone = window(tone(0.3), sampling_rate=RATE, return_tensors="pt")["input_features"]
    torch.testing.assert_close(batch["input_features"][:1], alone, atol=1e-2, rtol=0)  # 16 bits in the file
    free = AudioProcessor(
        letters, TaskSection(), Speech2TextFeatureExtractor(num_mel_bins=8, feature_size=8), start=None
    )
    batch = free.pad([encoded.sources[0], encoded.sources[1]])
    assert batch["input_features"].shape[0] == 2
    frames = batch["attention_mask"].sum(dim=1).tolist()
    assert frames[1] == batch["input_features"].shape[1] > frames[0] == pytest.approx(frames[1] / 2, abs=2)


@pytest.mark.parametrize(("start", "expected"), [(3, [4, 1]), (4, [3, 4, 1]), (None, [3, 4, 1])])
def test_the_token_with_which_decoding_starts_is_no_label(wav, letters, start, expected):
    rows = task_table([wav("a.wav", tone(0.3))], ["a b"], [["a b"]])
    processor = AudioProcessor(letters, TaskSection(), WhisperFeatureExtractor(feature_size=8, chunk_length=1), start)
    assert processor.encode(rows)[0]["labels"] == expected
    assert processor.decode(torch.tensor([[3, 4, 1, 0]])) == ["a b"]


def test_noise_is_seeded_and_as_long_as_asked(letters):
    processor = AudioProcessor(
        letters, TaskSection(), Speech2TextFeatureExtractor(num_mel_bins=8, feature_size=8), None
    )
    one, again, other, longer = (processor.noise(2, *asked) for asked in ((50, 0), (50, 0), (50, 1), (100, 0)))
    torch.testing.assert_close(one, again)
    assert not torch.equal(one["input_features"], other["input_features"])
    lengths = [batch["attention_mask"].shape[1] for batch in (one, longer)]
    assert lengths == pytest.approx([50, 100], abs=3)  # hundredths of a second; a frame is longer than its step


def test_a_recording_longer_than_the_model_hears_is_refused(wav, letters):
    """Cut silently, it would teach the model to write what it has not heard."""
    processor = AudioProcessor(letters, TaskSection(), WhisperFeatureExtractor(feature_size=8, chunk_length=1), None)
    rows = task_table([wav("long.wav", tone(1.5))], ["a"], [["a"]])
    with pytest.raises(PrunekitError, match=r"long.wav' lasts 1.5 s, but the model hears 1 s; cut it"):
        processor.encode(rows)
    with pytest.raises(PrunekitError, match=r"A recording of a workload lasts 2.0 s, but the model hears 1 s"):
        processor.noise(1, 200, 0)


def test_a_recording_too_short_to_be_heard_is_refused(wav, letters):
    """An extractor of spectrograms takes a single sample for no waveform at all."""
    extractor = Speech2TextFeatureExtractor(num_mel_bins=8, feature_size=8)
    rows = task_table([wav("short.wav", tone(0.001))], ["a"], [["a"]])
    with pytest.raises(PrunekitError, match=r"short.wav' lasts 0.001 s, which nobody hears; leave the row out"):
        AudioProcessor(letters, TaskSection(), extractor, None).encode(rows)


def test_silence_has_features_that_are_numbers_and_a_warning(wav, letters, caplog):
    """Normalised to a variance of one, silence is divided by 0."""
    extractor = Speech2TextFeatureExtractor(num_mel_bins=8, feature_size=8)
    silent = wav("silent.wav", 0 * tone(0.3))
    with np.errstate(invalid="ignore", divide="ignore"):
        assert not np.isfinite(extractor(0 * tone(0.3), sampling_rate=RATE)["input_features"]).all()
        processor = AudioProcessor(letters, TaskSection(), extractor, None)
        batch = processor.pad(list(processor.encode(task_table([silent], ["a"], [["a"]])).sources))
    assert batch["input_features"].abs().max() == 0
    assert "recordings are silent" in caplog.text


def test_every_bad_recording_is_named_at_once_or_left_out(wav, letters, tmp_path, caplog):
    """A file too long, one without samples, one that is no audio and one that is missing, among two good ones."""
    (tmp_path / "text.wav").write_bytes(b"no sound")
    good = [wav("a.wav", tone(0.3)), wav("b.wav", tone(0.6))]
    bad = [wav("long.wav", tone(1.5)), wav("empty.wav", tone(0)), str(tmp_path / "text.wav"), str(tmp_path / "no.wav")]
    paths = [good[0], *bad, good[1]]
    rows = task_table(paths, ["a"] * 6)
    processor = AudioProcessor(letters, TaskSection(), WhisperFeatureExtractor(feature_size=8, chunk_length=1), None)
    with pytest.raises(PrunekitError, match=r"4 of 6 recordings cannot be used \(task.skip=true") as caught:
        processor.encode(rows)
    assert all(path in str(caught.value) for path in bad)
    with caplog.at_level(logging.WARNING):
        processor.section = processor.section.model_copy(update={"skip": True})
        left = processor.usable(rows, "training")
    assert left["source"][:] == good
    assert "4 of 6 training rows cannot be used and are left out: row 2: " in caplog.text
    assert processor.usable(left, "training") is left
    with pytest.raises(PrunekitError, match="2 of 2 dev rows"):
        processor.usable(rows.select([1, 2]), "dev")


def test_a_processor_writes_what_another_process_needs(tmp_path, letters):
    AudioProcessor(letters, TaskSection(), WhisperFeatureExtractor(feature_size=8), None).save_pretrained(tmp_path)
    assert WhisperFeatureExtractor.from_pretrained(tmp_path).feature_size == 8
    assert type(letters).from_pretrained(tmp_path)("a")["input_ids"] == letters("a")["input_ids"]


def test_nothing_is_said_while_recordings_are_read(wav, letters, caplog):
    caplog.set_level(logging.WARNING)
    processor = AudioProcessor(letters, TaskSection(), WhisperFeatureExtractor(feature_size=8, chunk_length=1), None)
    processor.pad([processor.encode(task_table([wav("a.wav", tone(0.3))], ["a"], [["a"]])).sources[0]])
    assert caplog.text == ""


@pytest.mark.parametrize("language", ["de", None])
def test_the_limit_of_targets_counts_the_text_and_its_end_alone(wav, whisper_tokenizer, language):
    """As in generation, where what stands before an answer is no new token: "abcd" and its end fit into 5."""
    prompt = SpeechPrompt(language) if language else None
    extractor = WhisperFeatureExtractor(feature_size=8, chunk_length=1)
    start = whisper_tokenizer.convert_tokens_to_ids("<|startoftranscript|>")
    processor = AudioProcessor(whisper_tokenizer, TaskSection(target_length=5), extractor, start, prompt)
    rows = task_table([wav("a.wav", tone(0.3)), wav("b.wav", tone(0.3))], ["abcd", "abcdefg"])
    encoded = processor.encode(rows)
    texts = [whisper_tokenizer.decode(encoded.labels[n], skip_special_tokens=True) for n in (0, 1)]
    assert texts == ["abcd", "abcde"]
    assert encoded.labels[0][-1] == whisper_tokenizer.eos_token_id
    assert (encoded.target_side.lengths, encoded.target_side.cut) == ((5, 8), 1)
