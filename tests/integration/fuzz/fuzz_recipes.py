"""Recipes drawn by hypothesis: a plain one, with a few twists that users come up with, and a few odd rows."""

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import datasets
import fuzz_models
import numpy as np
import soundfile
from fuzz_models import MULTILINGUAL, PLAIN, QUIRKS, SPEECH, TEXT, Model
from hypothesis import strategies as st

PLAIN_ROWS = [("a b c", "c b a"), ("d e", "e d"), ("f", "f"), ("a c", "c a"), ("b d f", "f d b"), ("e h", "h e")]
ODD_TEXTS = (
    "",
    " \t ",
    "x",
    "7",
    "null",
    "a" * 5000,
    "a b " * 60,
    "\U0001f600 \U0001f469\u200d\U0001f52c",
    "\u05e9\u05dc\u05d5\u05dd \u202eabc",
    "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35",
    "\u4f60\u597d\u4e16\u754c",
    "a\nb\r\nc",
    "a\u2028b\u0085c",
    "</s> a <pad>",
    "<|de|> a <unk> hello <name>",
    "...",
    "\u0301",
    "a\x00b",
)
ODD_VALUES = (7, 1.5, None, True, [], ["a b", "b a"], ["a", None], [["a"]], {"x": "y"}, {})
"""What stands in a column where a text is expected; a list of texts is several right answers."""
RECORDINGS = ("stereo", "slow", "none", "missing", "torn", "long", "one-sample", "loud", "silent")

LANGUAGES = ("en", "de", "eng_Latn", "deu_Latn", "en_XX", "de_DE", "German", "<|de|>", "xx", "deu_Lat", "")
RIGHT: Mapping[str, tuple[str, ...]] = {
    "nllb": ("eng_Latn", "deu_Latn"),
    "mbart-25": ("en_XX", "de_DE"),
    "mbart-50": ("en_XX", "de_DE"),
    "m2m": ("en", "de"),
}
"""A source and a target language of each multilingual tokenizer."""
LENGTHS = (1, 2, 3, 7, 36)
METRICS = ("bleu", "cer", "chrf", "exact_match", "per", "rouge1", "rouge2", "rougeL", "wer")

Values = Mapping[str, tuple[Any, ...]]

SETTINGS: Values = {
    "task.source_length": (*LENGTHS, 1000),
    "task.target_length": LENGTHS,
    "task.prefix": ("", "say: ", "x" * 500, "\u202e", "</s>"),
    "task.metric": (*METRICS, ",".join(METRICS), " wer , cer", None),
    "task.source_language": LANGUAGES,
    "task.target_language": LANGUAGES,
    "task.name": ("mine", ""),
    "task.test": ("rows", ""),
    "task.skip": (True,),
    "task.limit": (1, 3, 100),
    "task.streaming": (True,),
    "measure.workloads": (
        [],
        [{"batch": 2, "source": 5, "new_tokens": 3, "beams": 2}],
        [{"source": 1, "new_tokens": 1}],
        [{"source": 40, "new_tokens": 36}, {"source": 3, "new_tokens": 2, "batch": 3}],
        [{"source": 4, "new_tokens": 3}, {"source": 4, "new_tokens": 3}],
    ),
    "measure.batch": (1, 3, 1000),
    "measure.repeats": (3,),
    "measure.threads": (2,),
    "measure.eval_examples": (1, 100),
    "measure.dev_examples": (1, 2),
    "measure.least_quality": (0.01,),
    "dtype": ("bfloat16",),
    "round_to": (8, 1000),
    "device": ("auto",),
    "seed": (1, 2**32 - 1),
    "trust_remote_code": (True,),
    "training.batch": (1, 3, 100),
    "training.accumulate": (2, 7),
    "training.learning_rate": (1e-12, 1.0, 1e30),
    "training.warmup": (0.5,),
    "training.optimizer": ("muon",),
    "training.clip": (0.1,),
    "training.dropout": (0.0, 0.9),
    "training.precision": ("bf16",),
    "training.save_every": (1,),
    "training.log_every": (1,),
    "teacher.steps": (1,),
    "teacher": ({"steps": 1, "learning_rate": 1e30}, {"steps": 2, "distillation": {"logits": 1.0}}),
    "recovery.steps": (0, 2),
    "recovery.weights": ("random",),
    "recovery.frozen": (["encoder"], ["decoder", "embedding"], ["encoder", "decoder", "embedding"]),
    "recovery.stages": ([{"frozen": ["encoder"], "share": 3}, {"rate": 0.3}], [{"share": 0}, {"frozen": ["decoder"]}]),
    "recovery.learning_rate": (1.0,),
    "recovery.distillation": (
        {"cross_entropy": 0.0, "logits": 0.0, "encoder_hidden": 0.0},
        {"cross_entropy": 0.0, "logits": 1.0, "decoder_hidden": 1.0},
        {"temperature": 1e-30, "logits": 1.0},
    ),
    "vocabulary.corpus": ("task", "task", "rows", "empty.txt"),
    "vocabulary": ({"corpus": "task", "keep": ["a", "\u4f60", "<nothing>"]}, {"keep": ["a"]}),
    "budget.examples": (1, 9),
    "budget.cpu_seconds": (0.001, 0.2),
    "output": ("a/b/c", "with blank"),
}
WRONG: Values = {
    "task.source_length": (40, 41, 10**9, 0, "many", 2.5),
    "task.target_length": (40, 41, 10**9, -1),
    "task.prefix": (None, 3),
    "task.metric": ("bleu,bleu", "", "nothing", ","),
    "task.limit": (0, "all"),
    "task.target_language_column": ("lang", "a", "nowhere"),
    "task.name": ("g2p", "asr"),
    "task.source": ("nowhere", "", None, "A"),
    "task.test": ("nowhere.jsonl",),
    "task.train": (None, "nowhere.jsonl", "."),
    "task": (None, [], "rows"),
    "measure.workloads": (
        [{"source": 41, "new_tokens": 2}],
        [{"source": 4, "new_tokens": 41}],
        [{"source": 0}],
        [{"tokens": 3}],
        "many",
    ),
    "measure.batch": (0,),
    "measure.eval_examples": (0,),
    "measure.least_quality": (2, -1),
    "measure.dense_predictions": ("nowhere.jsonl", "rows"),
    "dtype": ("float16",),
    "round_to": (0,),
    "seed": (-1, 2**32, 2**70, None),
    "device": ("cuda", "nowhere"),
    "adapter": ("t5", "bart", "whisper", "nothing"),
    "training.batch": (0,),
    "training.learning_rate": (0, float("nan"), float("inf")),
    "training.optimizer": ("sgd",),
    "training.dropout": (1,),
    "recovery.frozen": (["head"],),
    "recovery.stages": ([{"share": 0}], [{"frozen": ["head"]}], [{"steps": 3}]),
    "vocabulary.corpus": ("nowhere.txt", ""),
    "target.speedup": (1.0,),
    "strategy": ("magic", ""),
    "output": ("full", "a file"),
    "modle": ("t5",),
}
SLOW: Values = {"target.speedup": (1.05, 50.0), "training.precision": ("auto",)}
STRATEGIES: tuple[Mapping[str, Any], ...] = (
    {"strategy": "nash", "options": {"decoder_layers": 1}},
    {"strategy": "nash", "options": {"decoder_layers": 2, "narrowing": "gates", "steps": 1}},
    {"strategy": "nash", "options": {"decoder_layers": [0, 2], "encoder_sparsity": 0.5, "steps": 1}},
    {"strategy": "nash", "options": {"preset": "code-faithful", "decoder_layers": 1, "steps": 1}},
    {"strategy": "nash", "options": {"decoder_layers": 2, "layer_choice": "loss", "decoder_steps": 1}},
    {"strategy": "nash", "options": {"decoder_layers": 2, "encoder_sparsity": 0.0}},
    {"strategy": "nash", "options": {"decoder_layers": 1, "encoder_sparsity": 0.99}},
    {"strategy": "cofi", "options": {"sparsity": 0.15, "steps": 2}},
    {"strategy": "cofi", "options": {"sparsity": 0.1, "steps": 1, "masks": ["ffn", "hidden"], "stacks": "encoder"}},
    {"strategy": "cofi", "options": {"sparsity": 0.3, "steps": 1, "constraints": "separate", "matching": "same"}},
    {"strategy": "uniform", "options": {"encoder_sparsity": 0.3, "decoder_sparsity": 0.9}},
    {"strategy": "uniform", "options": {"importance": "first_order", "rounds": 2, "steps": 1}},
    {"strategy": "uniform", "options": {"importance": "reconstruction", "decoder_sparsity": 0.5}},
    {"strategy": "uniform", "options": {"importance": "random", "encoder_layers": 1, "decoder_layers": [1]}},
    {"strategy": "depth", "options": {"decoder_layers": [2, 0], "encoder_layers": 1}},
    {"strategy": "depth", "options": {"decoder_layers": 1, "spacing": "loss"}},
    {"strategy": "depth", "options": {"decoder_layers": None}},
)
WRONG_STRATEGIES: tuple[Mapping[str, Any], ...] = (
    {"strategy": "nash", "options": {"decoder_layers": 0}},
    {"strategy": "nash", "options": {"decoder_layers": 9}},
    {"strategy": "nash", "options": {"decoder_layers": [0, 0]}},
    {"strategy": "nash", "options": {"preset": "none of these"}},
    {"strategy": "cofi", "options": {"sparsity": 0.9, "steps": 1, "masks": ["heads"]}},
    {"strategy": "cofi", "options": {"sparsity": 0.97, "steps": 1}},
    {"strategy": "depth", "options": {"decoder_layers": [], "encoder_layers": [7]}},
    {"strategy": "depth", "options": {"layers": 2}},
    {"strategy": "depth", "options": []},
)
PLANS: tuple[Any, ...] = ({}, {"decoder.layers": [0]}, {"decoder.layers": [1, 2], "encoder.layers": [1]})
WRONG_PLANS: tuple[Any, ...] = (
    {"decoder.layers": [0, 99]},
    {"decoder.layers": [-1]},
    {"decoder.layers": []},
    {"nothing": [0]},
    {"decoder.layers": 2},
    [],
    "{",
)
"""Plan files: what is kept by group, or the text that stands there."""
GENERATION: Values = {
    "num_beams": (2, 3),
    "do_sample": (True,),
    "top_k": (1, 5),
    "temperature": (0.7,),
    "max_length": (1, 2, 5, 50),
    "max_new_tokens": (1, 3, None),
    "min_length": (5, 100),
    "min_new_tokens": (2,),
    "forced_bos_token_id": (5,),
    "forced_eos_token_id": (2, [2]),
    "decoder_start_token_id": (3,),
    "eos_token_id": ([2, 3], None),
    "pad_token_id": (None, 0),
    "bos_token_id": (None,),
    "no_repeat_ngram_size": (2,),
    "encoder_no_repeat_ngram_size": (2,),
    "repetition_penalty": (1.2,),
    "length_penalty": (0.0, 2.0),
    "early_stopping": (True, "never"),
    "bad_words_ids": ([[3]],),
    "suppress_tokens": ([3],),
    "begin_suppress_tokens": ([3, 4],),
    "sequence_bias": ([[[3], 1.5]],),
    "prompt_lookup_num_tokens": (2,),
    "use_cache": (False,),
    "cache_implementation": ("static",),
    "return_dict_in_generate": (True,),
    "output_scores": (True,),
    "output_attentions": (True,),
    "guidance_scale": (1.5,),
    "renormalize_logits": (True,),
    "remove_invalid_values": (True,),
    "exponential_decay_length_penalty": ([2, 1.5],),
    "disable_compile": (True,),
    "max_time": (0.0001,),
    "stop_strings": (["a"], "b"),
    "watermarking_config": ({"bias": 2.0},),
}
WRONG_GENERATION: Values = {
    "num_beams": (0, -1, "two"),
    "num_return_sequences": (2,),
    "num_beam_groups": (2,),
    "top_k": (-1,),
    "temperature": (0.0, -1),
    "max_length": (-3, 0),
    "max_new_tokens": (45, 0, -1, "x"),
    "min_new_tokens": (300,),
    "forced_bos_token_id": (10**6, "a", -1),
    "forced_eos_token_id": (10**6,),
    "decoder_start_token_id": (10**6, None),
    "eos_token_id": (10**6, "a"),
    "pad_token_id": (10**6,),
    "no_repeat_ngram_size": (-1,),
    "repetition_penalty": (0, -1),
    "length_penalty": ("long",),
    "early_stopping": ("soon",),
    "bad_words_ids": ([], [[10**6]], 3),
    "suppress_tokens": ([10**6], 3),
    "cache_implementation": ("quantized", "none of these"),
    "penalty_alpha": (0.6,),
    "dola_layers": ("low",),
    "assistant_early_exit": (1,),
    "watermarking_config": (3,),
    "custom_generate": ("x",),
    "streamer": (1,),
    "beams": (2,),
    "trust_remote_code": (True,),
}
SPOKEN: Values = {
    "generation.language": ("de", "German", "xx", ["de"], 3),
    "generation.task": ("transcribe", "translate", "sing"),
    "generation.return_timestamps": (True,),
    "task.task_column": ("lang",),
}
BY_ROW: Values = {
    "task.source_language": LANGUAGES,
    "task.target_language": LANGUAGES,
    "task.source_language_column": ("lang", "lang", "nowhere"),
    "task.target_language_column": ("lang", "lang", "a"),
}
THIRD_COLUMNS: tuple[tuple[Any, ...], ...] = (
    ("en", "de"),
    ("de",),
    ("deu_Latn", "eng_Latn"),
    ("de_DE", "en_XX"),
    ("transcribe", "translate"),
    ("German", None),
    ("xx",),
    ("",),
    (3, ["de"]),
)
"""What stands in the column ``lang``, row by row and from the first one again."""
FORMATS = (".jsonl", ".csv", ".tsv", ".json", ".parquet")


@dataclass(frozen=True)
class Draw:
    """One drawn run. Example: ``Draw(Model("t5", "words"), rows, (("seed", 1),))`` is the plain run with another seed.

    `repr` is all that is needed to repeat it: ``python tests/integration/fuzz/repeat.py "Draw(...)"``.
    """

    model: Model
    rows: tuple[tuple[Any, Any], ...]
    twists: tuple[tuple[str, Any], ...] = ()
    format: str = ".jsonl"
    columns: tuple[str, str] = ("a", "b")
    command: bool = False
    after: str = ""
    languages: tuple[str, ...] = ()
    third: tuple[Any, ...] = ()

    def data(self, root: Path, place: Path) -> dict[str, Any]:
        """The recipe's keys; models are below `root`, everything else is written to `place`."""
        speech = self.model.family in SPEECH
        (place / "empty.txt").write_text("")
        (place / "full").mkdir()
        (place / "full/mine.txt").write_text("mine")
        (place / "a file").write_text("mine")
        if speech:
            write_recordings(place)
        rows = str(write_rows(self._whole_rows(), place / f"rows{self.format}", self._all_columns()))
        named = dict(zip(("source_language", "target_language"), self.languages, strict=False))
        data = base(str(self.model.at(root)), rows, self.columns, place, speech, named)
        for key, value in self.twists:
            local = write_plan(value, place) if key == "plan" else _local(value, rows, place, key)
            _put(data, key, local)
        return data

    def _all_columns(self) -> tuple[str, ...]:
        return (*self.columns, *(("lang",) if self.third else ()))

    def _whole_rows(self) -> tuple[tuple[Any, ...], ...]:
        """The rows with the third column, if there is one."""
        values = cycle(self.third)
        return tuple((*row, next(values)) for row in self.rows) if self.third else self.rows


def base(
    model: str, rows: str, columns: tuple[str, str], place: Path, speech: bool, languages: Mapping[str, str]
) -> dict[str, Any]:
    """The plain run: one decoder layer of three is dropped, one step of recovery."""
    task = {"train": rows, "eval": rows, "source": columns[0], "target": columns[1], "metric": "exact_match"}
    task |= {"target_length": 8, **({"name": "asr"} if speech else {}), **languages}
    work = {"source": 60 if speech else 4, "new_tokens": 3}
    return {
        "model": model,
        "output": str(place / "run"),
        "device": "cpu",
        "round_to": 1,
        "strategy": "depth",
        "options": {"decoder_layers": 2},
        "task": task,
        "training": {"batch": 4, "learning_rate": 0.003, "precision": "fp32"},
        "measure": {"batch": 8, "repeats": 1, "least_quality": 0, "eval_examples": 6, "workloads": [work]},
        "recovery": {"steps": 1},
    }


def _put(data: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key; a strategy comes with its options."""
    if key == "method":
        data.pop("options")
        data.update(value)
        return
    *outer, last = key.split(".", 1)
    place = data
    for name in outer:
        place[name] = dict(place.get(name) or {}) if not isinstance(place.get(name), str | list) else {}
        place = place[name]
    place[last] = value


def _local(value: Any, rows: str, place: Path, key: str) -> Any:
    """Names of files as paths where they lie."""
    if value == "rows":
        return rows
    if key == "output" or (isinstance(value, str) and value.endswith((".txt", ".jsonl"))):
        return str(place / value)
    return value


def write_plan(content: Any, place: Path) -> str:
    """A plan file; a text stands in it as it is."""
    text = content if isinstance(content, str) else json.dumps({"kept": content} if content != [] else content)
    (place / "plan.json").write_text(text)
    return str(place / "plan.json")


def write_rows(rows: tuple[tuple[Any, ...], ...], path: Path, columns: tuple[str, ...]) -> Path:
    """The rows in a file of the kind that its name says; a dotted column is a nested one, where the kind has such."""
    if path.suffix in (".csv", ".tsv", ".txt"):
        file = io.StringIO()
        writer = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",")
        writer.writerows([columns, *(map(str, row) for row in rows)])
        path.write_text(file.getvalue(), encoding="utf-8", newline="")
        return path
    objects = [_nested(dict(zip(columns, row, strict=True))) for row in rows]
    if path.suffix == ".parquet":
        try:
            datasets.Dataset.from_list(objects).to_parquet(str(path))
            return path
        except Exception:  # a column of several types has no such file
            path = path.with_suffix(".jsonl")
    lines = [json.dumps(each, ensure_ascii=number % 2 == 0) for number, each in enumerate(objects)]
    text = f"[{','.join(lines)}]" if path.suffix == ".json" else "".join(f"{line}\n" for line in lines)
    path.write_text(text, encoding="utf-8")
    return path


def _nested(row: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in row.items():
        outer, _, inner = name.partition(".")
        if inner:
            found.setdefault(outer, {})[inner] = value
        else:
            found[name] = value
    return found


def write_recordings(place: Path) -> None:
    """A tone for every plain row, and a file of every odd kind; one is missing."""
    tone = np.sin(np.arange(12_000) * 0.05).astype(np.float32)
    for number in range(len(PLAIN_ROWS)):
        soundfile.write(place / f"{number}.wav", tone[: 6000 + 500 * number] * (number + 1) / 8, 16_000)
    soundfile.write(place / "stereo.wav", np.stack([tone, -tone], axis=1), 16_000)
    soundfile.write(place / "slow.wav", tone[:5000], 8_000)
    soundfile.write(place / "none.wav", tone[:0], 16_000)
    (place / "torn.wav").write_bytes(b"RIFF no sound")
    soundfile.write(place / "long.wav", np.tile(tone, 2), 16_000)
    soundfile.write(place / "one-sample.wav", tone[:1], 16_000)
    soundfile.write(place / "loud.wav", np.tile(tone[:8000], 1) * 9, 16_000, subtype="FLOAT")
    soundfile.write(place / "silent.wav", np.zeros(8000, np.float32), 16_000)


# What is drawn


def _of(table: Values, prefix: str = "") -> st.SearchStrategy[tuple[str, Any]]:
    """A key of a table with one of its values."""
    keys = st.sampled_from(sorted(table))
    return keys.flatmap(lambda key: st.tuples(st.just(prefix + key), st.sampled_from(table[key])))


def _among(key: str, values: tuple[Any, ...]) -> st.SearchStrategy[tuple[str, Any]]:
    return st.tuples(st.just(key), st.sampled_from(values))


def _twist() -> st.SearchStrategy[tuple[str, Any]]:
    """A setting that a plain recipe does not have; every fourth or so is a wrong one."""
    fair = [_of(SETTINGS)] * 6 + [_of(GENERATION, "generation.")] * 4 + [_among("method", STRATEGIES)] * 4
    fair += [_among("plan", PLANS), _of(SLOW)]
    wrong = [_of(WRONG), _of(WRONG), _of(WRONG_GENERATION, "generation."), _of(SPOKEN)]
    wrong += [st.one_of(_among("method", WRONG_STRATEGIES), _among("plan", WRONG_PLANS))]
    return st.one_of(*fair, *wrong)


def _rows(speech: bool) -> st.SearchStrategy[tuple[tuple[Any, Any], ...]]:
    """Some plain rows, and up to three odd ones among them; now and then one row alone."""
    plain: list[tuple[Any, Any]] = list(PLAIN_ROWS)
    if speech:
        plain = [(f"{number}.wav", target) for number, (_, target) in enumerate(PLAIN_ROWS)]
    source = st.sampled_from(
        [*(f"{name}.wav" for name in RECORDINGS), 7, None] if speech else [*ODD_TEXTS, *ODD_VALUES]
    )
    target = st.sampled_from([*ODD_TEXTS, *ODD_VALUES])
    fair = [text for text in ODD_TEXTS if text.strip()]
    mild = st.sampled_from(["stereo.wav", "slow.wav", "silent.wav"] if speech else fair)
    odd = st.one_of(
        *[st.tuples(mild, st.sampled_from(fair))] * 18,
        st.tuples(source, st.just("a b")),
        st.tuples(st.just(plain[0][0]), target),
    )
    mixed = st.lists(odd, max_size=3).map(lambda found: (*plain, *found))
    alone = st.tuples(st.one_of(odd, st.just(plain[0])))
    return st.one_of(*[st.just(tuple(plain))] * 2, *[mixed] * 3, alone)


def _models(part: str) -> st.SearchStrategy[Model]:
    quirks = st.one_of(*[st.just("")] * 3, st.sampled_from(sorted(QUIRKS)))
    plain = st.one_of(*[st.sampled_from([*PLAIN][:8])] * 3, st.sampled_from(sorted(PLAIN)))
    if part == "text":
        return st.builds(Model, st.sampled_from(sorted(TEXT)), plain, quirks)
    if part == "languages":
        families = ("mbart", "m2m_100", "plbart", "t5", "bart", "led")
        return st.builds(Model, st.sampled_from(families), st.sampled_from(sorted(MULTILINGUAL)), quirks)
    if part == "others":
        return st.builds(Model, st.sampled_from(sorted(fuzz_models.OTHERS)), st.just("characters"))
    hearing = [*fuzz_models.HEARD, "words", "characters", "no-end"]
    whisper = st.builds(Model, st.just("whisper"), st.sampled_from(["whisper-multilingual", "whisper-english"]), quirks)
    return st.one_of(whisper, st.builds(Model, st.sampled_from(sorted(SPEECH)), st.sampled_from(hearing), quirks))


def draws(part: str) -> st.SearchStrategy[Draw]:
    """Runs on models of one part: text, languages, speech, or others, which no task fits."""
    twist = _twist()
    if part == "languages":
        twist = st.one_of(twist, twist, _of(BY_ROW))
    if part == "speech":
        twist = st.one_of(twist, twist, _of(SPOKEN), _of(BY_ROW))
    return _models(part).flatmap(lambda model: _draw(part, model, twist))


def _draw(part: str, model: Model, twist: st.SearchStrategy[tuple[str, Any]]) -> st.SearchStrategy[Draw]:
    """Runs on one model; a multilingual tokenizer is mostly told its languages."""
    named = RIGHT.get(model.tokenizer, ())
    return st.builds(
        Draw,
        st.just(model),
        _rows(part == "speech"),
        st.lists(twist, max_size=3, unique_by=lambda pair: pair[0]).map(tuple),
        st.one_of(*[st.just(".jsonl")] * 6, st.sampled_from(FORMATS)),
        st.one_of(*[st.just(("a", "b"))] * 4, st.just(("row.a", "row.b"))),
        st.booleans(),
        st.sampled_from(["", "eval", "eval", "vocabulary", "plain", "look"]),
        st.sampled_from([named, named, named, ()]),
        st.just(()) if part == "text" else st.one_of(st.just(()), st.sampled_from(THIRD_COLUMNS)),
    )
