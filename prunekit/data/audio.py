"""Audio: recordings that are opened one by one when they are needed, and what a speech model reads of them."""

import inspect
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from prunekit.data.asking import Asking, alike, askings_of, with_askings
from prunekit.data.encoded import EncodedDataset, RaggedInts
from prunekit.data.languages import MARK
from prunekit.data.problems import RowProblem
from prunekit.data.processors import Processor
from prunekit.data.recordings import AudioFiles, check_duration
from prunekit.data.speech_prompt import SpeechPrompt
from prunekit.errors import PrunekitError
from prunekit.recipe import AUDIO_FRAME, TaskSection

log = logging.getLogger(__name__)


class AudioProcessor(Processor):
    """Processes recordings, by the model's feature extractor; sources are samples at its rate.

    Tokenizers that write the decoder's start before a text, as Whisper's do, have it taken off the labels. Labels of a
    multilingual model begin with its `prompt`, whatever the tokenizer writes before them.
    """

    drops_start = True
    _warned_of_silence = False

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
        written = len(self._written())
        for ids in rows:
            yield [*prompt, *ids[written:]]

    def _written(self) -> list[int]:
        """What the tokenizer writes before a text."""
        return [token for token in self._tokenized(text_target=[""])[0] if token != self.tokenizer.eos_token_id]

    def _prompt_in_labels(self) -> int:
        """The prompt; of models without one, Whisper's marks that `generate` begins with by itself."""
        if self.prompt is not None:
            return len(self.prompt.tokens)
        marks = self.tokenizer.convert_ids_to_tokens([token for token in self._written() if token != self.start])
        return sum(MARK.fullmatch(str(mark)) is not None for mark in marks)

    @property
    def rate(self) -> int:
        """Samples per second."""
        return int(self.extractor.sampling_rate)

    def encode(self, rows: Dataset) -> EncodedDataset:
        """Recordings, each opened whenever it is needed, with the token ids of their transcripts."""
        sources = AudioFiles(rows["source"][:], self.rate, self._window, _contents(rows))
        written = self._counter()
        askings = self.askings(rows)
        labels = RaggedInts(self.target_ids(rows["target"], written, askings))
        side = written.side(self._limit("target_length"))
        return EncodedDataset(sources, sources.lengths, labels, target_side=side, askings=askings)

    def _pad(self, sources: Sequence[Any]) -> dict[str, Tensor]:
        """The extractor's features, padded as the model needs them."""
        batch = self.extractor(list(sources), sampling_rate=self.rate, padding=self._padding, return_tensors="pt")
        return {name: self._without_nan(values) for name, values in batch.items()}

    def _without_nan(self, values: Tensor) -> Tensor:
        """Zeros for features that are no numbers, with a warning: silence has no variance to be divided by."""
        if not values.is_floating_point() or bool(values.isfinite().all()):
            return values
        if not self._warned_of_silence:
            self._warned_of_silence = True
            log.warning("Some recordings are silent, so their features are no numbers; zeros stand for them.")
        return values.nan_to_num(0.0, 0.0, 0.0)

    def noise(self, rows: int, frames: int, seed: int) -> dict[str, Tensor]:
        """Features of `rows` random recordings, `frames` hundredths of a second long each."""
        samples = round(frames * AUDIO_FRAME * self.rate)
        check_duration("A recording of a workload", samples, self.rate, self._window)
        generator = np.random.default_rng(seed)
        return self.pad(list(generator.normal(0, 0.1, (rows, samples)).astype(np.float32)))

    @property
    def _window(self) -> int | None:
        """The most samples that the model hears; None where there is no limit."""
        return getattr(self.extractor, "n_samples", None)

    def usable(self, rows: Dataset, name: str) -> Dataset:
        """As in every processor; languages come by their codes, and an answer that is a translation is in English."""
        kept = super().usable(rows, name)
        askings = self.askings(kept)
        if askings is None or self.prompt is None:
            return kept
        prompts = {asking: self.prompt.of_row(self.tokenizer, asking) for asking in alike(askings)}
        return with_askings(kept, [prompts[asking].asking for asking in askings])

    @property
    def has_languages(self) -> bool:
        """Whether languages reach the model: it takes a prompt, or its tokenizer has some."""
        return self.prompt is not None or super().has_languages

    def askings(self, rows: Dataset) -> list[Asking] | None:
        """How every row is asked, where the table says so and the model takes a prompt."""
        if self.prompt is None:
            return None
        by_row = {"source_language", "target_language"} & set(rows.column_names)
        return askings_of(rows, Asking(None if by_row else self.prompt.language, None, self.prompt.task))

    @contextmanager
    def _speaking(self, asking: Asking) -> Iterator[None]:
        before = self.prompt
        assert before is not None, "rows are asked in languages only where there is a prompt"
        self.prompt = before.of_row(self.tokenizer, asking)
        try:
            yield
        finally:
            self.prompt = before

    def _refusal(self, asking: Asking) -> str | None:
        assert self.prompt is not None, "rows are asked in languages only where there is a prompt"
        try:
            self.prompt.of_row(self.tokenizer, asking)
        except PrunekitError as error:
            return str(error)
        return None

    def _problems(self, rows: Dataset) -> dict[int, RowProblem]:
        found = super()._problems(rows)
        if self.section.skip:
            found |= AudioFiles.problems(rows["source"][:], self.rate, self._window, _contents(rows))
        return dict(sorted(found.items()))

    def save_pretrained(self, directory: Path) -> None:
        """Write tokenizer and feature extractor."""
        super().save_pretrained(directory)
        self.extractor.save_pretrained(directory)


def _contents(rows: Dataset) -> Any:
    """The column of recordings as bytes, row by row; None where the rows only name files."""
    return rows["recording"] if "recording" in rows.column_names else None
