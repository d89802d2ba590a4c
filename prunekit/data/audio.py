"""Audio: recordings that are opened one by one when they are needed, and what a speech model reads of them."""

import inspect
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from datasets import Dataset
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from prunekit.data.encoded import EncodedDataset, RaggedInts
from prunekit.data.processors import Processor
from prunekit.data.speech_prompt import SpeechPrompt
from prunekit.errors import PrunekitError
from prunekit.recipe import AUDIO_FRAME, TaskSection

log = logging.getLogger(__name__)

LISTED = 10
"""How many bad recordings a sentence names."""


class AudioFiles(Sequence[Any]):
    """Audio files as arrays of samples at one rate, mono. Example: five seconds at 16,000 Hz are 80,000 floats.

    `lengths` in samples are read from the files' headers, so that a missing file is noticed before anything begins.
    Raises `PrunekitError` that names every file that is missing, is no audio, has no samples or more than `window`.
    """

    def __init__(self, paths: Sequence[str], rate: int, window: int | None = None):
        self.paths = list(paths)
        self.rate = rate
        bad = bad_recordings(self.paths, rate, window)
        if bad:
            raise PrunekitError(_all_problems(bad, len(self.paths)))
        self.lengths = [_measured(path, rate, window) for path in self.paths]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: Any) -> Any:
        path = self.paths[index]
        samples, rate = _read(path, lambda soundfile: soundfile.read(path, dtype="float32", always_2d=True))
        mono = np.ascontiguousarray(samples.mean(axis=1))
        return mono if rate == self.rate else audio_library("soxr").resample(mono, rate, self.rate)


def _measured(path: str, rate: int, window: int | None) -> int:
    """How many samples of `rate` a recording has; raises `PrunekitError` where it has none, or more than `window`."""
    header = _read(path, lambda soundfile: soundfile.info(path))
    samples: int = header.frames * rate // header.samplerate
    if samples == 0:
        raise PrunekitError(f"{path!r} holds no samples; record it again or leave the row out.")
    _check_length(f"{path!r}", samples, rate, window)
    return samples


def bad_recordings(paths: Sequence[str], rate: int, window: int | None) -> dict[int, str]:
    """A sentence for each recording that cannot be used, by its row's number from 0."""
    audio_library("soundfile")
    found = {}
    for number, path in enumerate(paths):
        try:
            _measured(path, rate, window)
        except PrunekitError as error:
            found[number] = str(error)
    return found


def _all_problems(found: Mapping[int, str], rows: int) -> str:
    """One sentence about every bad recording of so many rows."""
    sentences = list(found.values())
    if rows == 1:
        return sentences[0]
    listed = "; ".join(sentence.rstrip(".") for sentence in sentences[:LISTED])
    more = f"; and {len(sentences) - LISTED} more" if len(sentences) > LISTED else ""
    return f"{len(sentences)} of {rows} recordings cannot be used (task.skip=true leaves them out): {listed}{more}."


def _check_length(what: str, samples: int, rate: int, window: int | None) -> None:
    """Raise `PrunekitError` for a recording whose end the model would not hear."""
    if window is not None and samples > window:
        raise PrunekitError(f"{what} lasts {samples / rate:.1f} s, but the model hears {window / rate:g} s; cut it.")


def _read(path: str, read: Callable[[Any], Any]) -> Any:
    """What `read` returns, by the package soundfile, of the file at `path`; one sentence where it cannot."""
    soundfile: Any = audio_library("soundfile")
    if not Path(path).is_file():
        raise PrunekitError(f"There is no recording {path!r}; a row names a file, by its path from the rows' own file.")
    try:
        return read(soundfile)
    except (soundfile.SoundFileError, TypeError) as error:  # a file of raw samples has no header, which is a TypeError
        raise PrunekitError(f"{path!r} is no recording that can be read (WAV, FLAC, Ogg, MP3): {error}") from error


def audio_library(name: str) -> ModuleType:
    """The package called `name`, or one sentence on how to get it."""
    try:
        return __import__(name)
    except ImportError as error:
        raise PrunekitError(f"Recordings need the package {name}; install 'prunekit[speech]'.") from error


class AudioProcessor(Processor):
    """Processes recordings, by the model's feature extractor; sources are samples at its rate.

    Tokenizers that write the decoder's start before a text, as Whisper's do, have it taken off the labels. Labels of a
    multilingual model begin with its `prompt`, whatever the tokenizer writes before them.
    """

    drops_start = True

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        section: TaskSection,
        extractor: Any,
        start: int | None,
        prompt: SpeechPrompt | None = None,
    ):
        self.prompt = prompt
        super().__init__(tokenizer, section, start)
        self.extractor = extractor
        padding = inspect.signature(extractor.__call__).parameters.get("padding")
        self._padding = (padding and padding.default) or True

    def _tell_languages(self) -> None:
        if self.prompt is None:
            super()._tell_languages()
        else:
            self.prompt.tell(self.tokenizer)

    def generation_settings(self) -> Mapping[str, Any]:
        """Language, task and timestamps for a model that is asked by a prompt."""
        return super().generation_settings() if self.prompt is None else self.prompt.settings

    def prompt_ids(self) -> list[int]:
        """The prompt's tokens."""
        tokens = () if self.prompt is None else self.prompt.tokens
        tokenizer: Any = self.tokenizer
        return [tokenizer.convert_tokens_to_ids(token) for token in tokens]

    def _labels(self, rows: list[list[int]]) -> Iterator[list[int]]:
        if self.prompt is None:
            yield from super()._labels(rows)
            return
        prompt = self.prompt_ids()
        written = [token for token in self._tokenized(text_target=[""])[0] if token != self.tokenizer.eos_token_id]
        for ids in rows:
            yield [*prompt, *ids[len(written) :]]

    @property
    def rate(self) -> int:
        """Samples per second."""
        return int(self.extractor.sampling_rate)

    def encode(self, rows: Dataset) -> EncodedDataset:
        """Recordings, each opened whenever it is needed, with the token ids of their transcripts."""
        sources = AudioFiles(rows["source"][:], self.rate, self._window)
        written = self._counter()
        labels = RaggedInts(self.target_ids(rows["target"], written))
        side = written.side(self._limit("target_length"))
        return EncodedDataset(sources, sources.lengths, labels, target_side=side)

    def _pad(self, sources: Sequence[Any]) -> dict[str, Tensor]:
        """The extractor's features, padded as the model needs them."""
        return dict(self.extractor(list(sources), sampling_rate=self.rate, padding=self._padding, return_tensors="pt"))

    def noise(self, rows: int, frames: int, seed: int) -> dict[str, Tensor]:
        """Features of `rows` random recordings, `frames` hundredths of a second long each."""
        samples = round(frames * AUDIO_FRAME * self.rate)
        _check_length("A recording of a workload", samples, self.rate, self._window)
        generator = np.random.default_rng(seed)
        return self.pad(list(generator.normal(0, 0.1, (rows, samples)).astype(np.float32)))

    @property
    def _window(self) -> int | None:
        """The most samples that the model hears; None where there is no limit."""
        return getattr(self.extractor, "n_samples", None)

    def usable(self, rows: Dataset, name: str) -> Dataset:
        """The rows whose recordings can be used; a warning counts the others. Raises `PrunekitError` if none is left.

        `name` says which rows they are.
        """
        found = bad_recordings(rows["source"][:], self.rate, self._window)
        if not found:
            return rows
        sentence = _all_problems(found, len(rows))
        if len(found) == len(rows):
            raise PrunekitError(sentence)
        log.warning("%d of %d %s rows are left out: %s", len(found), len(rows), name, sentence)
        return rows.select([number for number in range(len(rows)) if number not in found])

    def save_pretrained(self, directory: Path) -> None:
        """Write tokenizer and feature extractor."""
        super().save_pretrained(directory)
        self.extractor.save_pretrained(directory)
