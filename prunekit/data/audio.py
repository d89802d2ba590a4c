"""Recordings: opened one by one when they are needed, and turned into what a speech model reads."""

import inspect
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from datasets import Dataset
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from prunekit.data.encoded import EncodedDataset
from prunekit.data.processors import Processor, encode_targets
from prunekit.errors import PrunekitError
from prunekit.recipe import AUDIO_FRAME, TaskSection


class AudioFiles(Sequence[Any]):
    """Files of sound as arrays of samples at one rate, mono. Example: five seconds at 16,000 Hz are 80,000 floats.

    `lengths` are told from the files' heads, so that all of them are known to be there before anything begins. Raises
    `PrunekitError` for a file that is missing, or is no sound.
    """

    def __init__(self, paths: Sequence[str], rate: int):
        self.paths, self.rate = list(paths), rate
        self.lengths = [self._length(path) for path in self.paths]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: Any) -> Any:
        samples, rate = _opened(self.paths[index], "read", dtype="float32", always_2d=True)
        mono = np.ascontiguousarray(samples.mean(axis=1))
        return mono if rate == self.rate else audio_library("soxr").resample(mono, rate, self.rate)

    def _length(self, path: str) -> int:
        head = _opened(path, "info")
        samples: int = head.frames * self.rate // head.samplerate
        return samples


def _opened(path: str, how: str, **options: Any) -> Any:
    """What soundfile finds in a file."""
    soundfile = audio_library("soundfile")
    if not Path(path).is_file():
        raise PrunekitError(f"There is no recording {path!r}; a row names a file, by its path from the rows' own file.")
    try:
        return getattr(soundfile, how)(path, **options)
    except (soundfile.SoundFileError, TypeError) as error:  # a file of raw samples has no head, which is a TypeError
        raise PrunekitError(f"{path!r} is no recording that can be read (WAV, FLAC, Ogg, MP3): {error}") from error


def audio_library(name: str) -> ModuleType:
    """The package called `name`, or one sentence on how to get it."""
    try:
        return __import__(name)
    except ImportError as error:
        raise PrunekitError(f"Recordings need the package {name}; install 'prunekit[speech]'.") from error


class AudioProcessor(Processor):
    """Reads recordings, by the feature extractor that belongs to the model; sources are samples at its rate.

    `start` is the id with which the decoder starts. Tokenizers that write it before a text, as Whisper's do, have it
    taken off the labels, since models put it before them too.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, section: TaskSection, extractor: Any, start: int | None):
        super().__init__(tokenizer, section)
        self.extractor, self.start = extractor, start
        usual = inspect.signature(extractor.__call__).parameters.get("padding")
        self._padding = (usual and usual.default) or True

    @property
    def rate(self) -> int:
        """Samples a second."""
        return int(self.extractor.sampling_rate)

    def encode(self, rows: Dataset) -> EncodedDataset:
        """Recordings, each opened whenever it is asked for, with the ids of what is said."""
        sources = AudioFiles(rows["source"][:], self.rate)
        for path, length in zip(sources.paths, sources.lengths, strict=True):
            self._check_length(f"{path!r}", length)
        labels = encode_targets(rows[:], self.tokenizer, self.section) if len(rows) else []
        return EncodedDataset(
            sources, sources.lengths, [ids[1:] if ids and ids[0] == self.start else ids for ids in labels]
        )

    def pad(self, sources: Sequence[Any]) -> dict[str, Tensor]:
        """The features that the extractor makes, padded as the model needs it."""
        return dict(self.extractor(list(sources), sampling_rate=self.rate, padding=self._padding, return_tensors="pt"))

    def noise(self, rows: int, frames: int, seed: int) -> dict[str, Tensor]:
        """Features of random sounds, `frames` hundredths of a second long each."""
        samples = round(frames * AUDIO_FRAME * self.rate)
        self._check_length("A sound of a workload", samples)
        generator = np.random.default_rng(seed)
        return self.pad(list(generator.normal(0, 0.1, (rows, samples)).astype(np.float32)))

    def _check_length(self, what: str, samples: int) -> None:
        """Raise `PrunekitError` for a sound of which the model would not hear the end."""
        window = getattr(self.extractor, "n_samples", None)
        if window is not None and samples > window:
            raise PrunekitError(
                f"{what} lasts {samples / self.rate:.1f} s, but the model hears {window / self.rate:g} s; cut it."
            )

    def save_pretrained(self, directory: Path) -> None:
        """Write tokenizer and feature extractor."""
        super().save_pretrained(directory)
        self.extractor.save_pretrained(directory)
