"""Recordings: files, or bytes that a data set holds, opened one by one when they are needed."""

import io
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from prunekit.data.problems import RowProblem, problem_listing
from prunekit.errors import PrunekitError

SHORTEST = 0.1
"""Seconds of the shortest recording that can be used: in less there is no word, and extractors need some windows."""
FLOATS = ("FLOAT", "DOUBLE")
"""What soundfile calls the samples of files that can hold something that is no number."""


class AudioFiles(Sequence[Any]):
    """Audio files as arrays of samples at one rate, mono. Example: five seconds at 16,000 Hz are 80,000 floats.

    `contents` are the files' bytes where the rows hold them; None for those that lie at their path. `lengths` in
    samples are read from the headers, so that a missing file is noticed before anything begins. Raises `PrunekitError`
    that names every file that is missing, is no audio, is shorter than `SHORTEST` or longer than `window` samples.
    """

    def __init__(
        self,
        paths: Sequence[str],
        rate: int,
        window: int | None = None,
        contents: Sequence[bytes | None] | None = None,
    ):
        self.paths = list(paths)
        self.contents = [None] * len(self.paths) if contents is None else contents
        self.rate = rate
        lengths, bad = self._measured(window)
        if bad:
            raise PrunekitError(problem_listing(bad.values(), len(self.paths), "recordings"))
        self.lengths = lengths

    @classmethod
    def problems(
        cls, paths: Sequence[str], rate: int, window: int | None, contents: Sequence[bytes | None] | None
    ) -> dict[int, RowProblem]:
        """What is wrong with each file that cannot be used, by its number from 0."""
        files = cls([], rate, window)
        files.paths = list(paths)
        files.contents = [None] * len(files.paths) if contents is None else contents
        return files._measured(window)[1]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: Any) -> Any:
        samples, rate = _opened(
            self.paths[index],
            self.contents[index],
            lambda soundfile, file: soundfile.read(file, dtype="float32", always_2d=True),
        )
        mono = np.ascontiguousarray(samples.mean(axis=1))
        return mono if rate == self.rate else audio_library("soxr").resample(mono, rate, self.rate)

    def _measured(self, window: int | None) -> tuple[list[int], dict[int, RowProblem]]:
        """The lengths of those that can be used, and what is wrong with each of the others by number."""
        audio_library("soundfile")
        lengths = []
        bad = {}
        for number, path in enumerate(self.paths):
            try:
                lengths.append(self._length(path, self.contents[number], window))
            except PrunekitError as error:
                bad[number] = RowProblem(f"row {number + 1}", str(error))
        return lengths, bad

    def _length(self, path: str, content: bytes | None, window: int | None) -> int:
        """Samples of a file, by its header; raises `PrunekitError` where there are too few or too many."""
        header = _opened(path, content, lambda soundfile, file: soundfile.info(file))
        samples: int = header.frames * self.rate // header.samplerate
        if samples == 0:
            raise PrunekitError(f"{path!r} holds no samples; record it again or leave the row out.")
        if samples < SHORTEST * self.rate:
            raise PrunekitError(f"{path!r} lasts {samples / self.rate:.3f} s, which nobody hears; leave the row out.")
        check_duration(f"{path!r}", samples, self.rate, window)
        if header.subtype in FLOATS:
            _check_numbers(path, content)
        return samples


def check_duration(what: str, samples: int, rate: int, window: int | None) -> None:
    """Raise `PrunekitError` for a recording whose end the model would not hear."""
    if window is not None and samples > window:
        raise PrunekitError(f"{what} lasts {samples / rate:.1f} s, but the model hears {window / rate:g} s; cut it.")


def _check_numbers(path: str, content: bytes | None) -> None:
    """Raise `PrunekitError` for samples that are no numbers, which only files of floats can hold."""
    samples = _opened(path, content, lambda soundfile, file: soundfile.read(file, dtype="float32")[0])
    if not np.isfinite(samples).all():
        raise PrunekitError(f"{path!r} holds samples that are no numbers (NaN or infinite); leave the row out.")


def _opened(path: str, content: bytes | None, read: Any) -> Any:
    """What `read` returns, by the package soundfile, of a file or of its `content`; one sentence where it cannot."""
    soundfile: Any = audio_library("soundfile")
    if content is None and not Path(path).is_file():
        raise PrunekitError(f"There is no recording {path!r}; a row names a file, by its path from the rows' own file.")
    try:
        return read(soundfile, path if content is None else io.BytesIO(content))
    except (soundfile.SoundFileError, TypeError) as error:  # a file of raw samples has no header, which is a TypeError
        raise PrunekitError(f"{path!r} is no recording that can be read (WAV, FLAC, Ogg, MP3): {error}") from error


def wav_bytes(samples: Sequence[float], rate: int) -> bytes:
    """Samples of a recording, one channel, as the bytes of a WAV file of 32-bit floats at so many a second."""
    soundfile: Any = audio_library("soundfile")
    file = io.BytesIO()
    soundfile.write(file, np.asarray(samples, dtype=np.float32), rate, format="WAV", subtype="FLOAT")
    return file.getvalue()


def audio_library(name: str) -> ModuleType:
    """The package called `name`, or one sentence on how to get it."""
    try:
        return __import__(name)
    except ImportError as error:
        raise PrunekitError(f"Recordings need the package {name}; install 'prunekit[speech]'.") from error
