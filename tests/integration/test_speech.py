"""Whole runs on recordings: a window of fixed length (Whisper), sounds of any length behind a mask (Speech2Text)."""

import functools
import json

import datasets
import numpy as np
import pytest
import soundfile
import torch
import transformers
from transformers import (
    AutoTokenizer,
    Speech2TextConfig,
    Speech2TextFeatureExtractor,
    Speech2TextForConditionalGeneration,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
)

import prunekit
from prunekit import PrunekitError, Recipe
from prunekit.loading.context import open_run_context
from prunekit.loading.resolve import resolve
from prunekit.measure.quality import generate_answers
from prunekit.pipeline.labelling import label_file
from prunekit.pipeline.run import run

SIZES = {"d_model": 16, "encoder_layers": 2, "decoder_layers": 3, "encoder_ffn_dim": 24, "decoder_ffn_dim": 24}
SIZES |= {"encoder_attention_heads": 4, "decoder_attention_heads": 4, "max_target_positions": 40, "vocab_size": 32}
TOKENS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 1, "decoder_start_token_id": 2}
LETTERS = {"suppress_tokens": [0, 1, 2], "begin_suppress_tokens": None, "init_std": 0.5}


@pytest.fixture(scope="session")
def whisper_directory(tmp_path_factory, letters):
    """A Whisper that hears one second, with its tokenizer and feature extractor."""
    torch.manual_seed(0)
    config = WhisperConfig(**SIZES, **TOKENS, **LETTERS, num_mel_bins=8, max_source_positions=50)
    extractor = WhisperFeatureExtractor(feature_size=8, chunk_length=1)
    return saved(tmp_path_factory.mktemp("whisper"), WhisperForConditionalGeneration(config), letters, extractor)


@pytest.fixture(scope="session")
def speech2text_directory(tmp_path_factory, letters):
    """A Speech2Text, which hears sounds as long as they are."""
    torch.manual_seed(0)
    config = Speech2TextConfig(**SIZES, **TOKENS, init_std=0.5, input_feat_per_channel=8, conv_channels=16)
    extractor = Speech2TextFeatureExtractor(feature_size=8, num_mel_bins=8)
    return saved(tmp_path_factory.mktemp("s2t"), Speech2TextForConditionalGeneration(config), letters, extractor)


def saved(directory, model, *others):
    for one in (model, *others):
        one.save_pretrained(directory)
    return directory


@pytest.fixture
def sounds(tmp_path):
    """Eight tones of different pitch and length, beside the rows that name them."""
    rows = []
    for number, text in enumerate(["a b c", "d e", "f", "g h i", "a c", "b d f", "e", "h a b"]):
        samples = np.sin(np.arange(6000 + 500 * number) * (0.05 + 0.02 * number)).astype(np.float32)
        soundfile.write(tmp_path / f"{number}.wav", samples, 16_000)
        rows.append(json.dumps({"audio": f"{number}.wav", "text": text}) + "\n")
    (tmp_path / "rows.jsonl").write_text("".join(rows))
    return tmp_path / "rows.jsonl"


def recipe(directory, sounds, **more):
    base = {
        "model": str(directory),
        "output": str(sounds.parent / "run"),
        "task": {"name": "asr", "train": str(sounds), "eval": str(sounds), "metric": "exact_match", "target_length": 8},
        "training": {"batch": 4, "learning_rate": 0.01, "precision": "fp32"},
        "measure": {"batch": 3, "repeats": 1, "least_quality": 0, "workloads": [{"source": 60, "new_tokens": 3}]},
        "options": {"decoder_layers": 2, "encoder_sparsity": 0.3, "steps": 4, "encoder_hidden": 0.1},
        "recovery": {"steps": 3, "distillation": {"logits": 0.5, "encoder_hidden": 0.1}},
    }
    return Recipe.parse({**base, "device": "cpu", "round_to": 1, **more})


def transcribed(model, extractor, place):
    """What a model says of the eight recordings beside a run's directory, one by one."""
    tokenizer = AutoTokenizer.from_pretrained(place / "model")
    answers = []
    for number in range(8):
        samples, rate = soundfile.read(place.parent / f"{number}.wav", dtype="float32")
        inputs = extractor(samples, sampling_rate=rate, return_tensors="pt").to(model.dtype)
        answer = model.generate(**inputs, max_new_tokens=8)
        answers.append(tokenizer.decode(answer[0], skip_special_tokens=True).strip())
    return answers


@pytest.mark.parametrize("family", ["whisper", "speech2text"])
def test_a_speech_model_is_pruned_saved_and_understood(request, sounds, family):
    """The written model says about every recording what a stock pipeline makes of it, whoever batches it.

    Speech2Text is asked one by one: its second convolution sees the padding of a batch, which may change a word.
    """
    asked = recipe(request.getfixturevalue(f"{family}_directory"), sounds)
    batch = {"whisper": 3, "speech2text": 1}[family]
    report = run(asked.model_copy(update={"measure": asked.measure.model_copy(update={"batch": batch})}))
    assert report.equivalence is not None
    assert report.equivalence.max_rel_diff <= 1e-4
    assert report.layers.decoder_dense - len(report.layers.decoder_kept) == 1
    assert report.sparsity.encoder >= 0.3
    place = sounds.parent / "run"
    model = prunekit.from_pretrained(place / "model")
    assert "from transformers import AutoModelForSpeechSeq2Seq" in (place / "model/README.md").read_text()
    extractor = {"whisper": WhisperFeatureExtractor, "speech2text": Speech2TextFeatureExtractor}[family]
    extractor = extractor.from_pretrained(place / "model")
    said = [json.loads(line)["pruned"] for line in (place / "predictions.jsonl").read_text().splitlines()]
    assert transcribed(model, extractor, place) == said
    assert len(set(said)) > 1, "a model that says the same of every sound proves nothing"


def test_the_report_tells_the_real_time_factor_and_the_loss(whisper_directory, sounds):
    report = run(recipe(whisper_directory, sounds, recovery={"steps": 0}))
    assert report.latency is not None
    assert report.latency.real_time is not None
    assert report.latency.real_time.pruned == pytest.approx(report.latency.pruned_s / 0.6)
    assert report.quality is not None
    assert report.quality.loss is not None
    model = WhisperForConditionalGeneration.from_pretrained(whisper_directory)
    assert report.quality.loss.dense == pytest.approx(by_hand(model, whisper_directory, sounds), rel=1e-5)
    page = (sounds.parent / "run/report.html").read_text()
    assert "batch 1, 0.6 s + 3 tokens" in page
    assert "real-time factor" in page


def by_hand(model, directory, sounds):
    """Every recording alone, token by token."""
    extractor, tokenizer = WhisperFeatureExtractor.from_pretrained(directory), AutoTokenizer.from_pretrained(directory)
    losses = []
    for line in sounds.read_text().splitlines():
        row = json.loads(line)
        samples, rate = soundfile.read(sounds.parent / row["audio"], dtype="float32")
        inputs = extractor(samples, sampling_rate=rate, return_tensors="pt")
        ids = tokenizer(row["text"])["input_ids"]
        with torch.no_grad():
            logits = model(**inputs, decoder_input_ids=torch.tensor([[2, *ids[:-1]]])).logits[0]
        losses += [-float(logits.log_softmax(-1)[place, token]) for place, token in enumerate(ids)]
    return sum(losses) / len(losses)


@pytest.fixture
def heard(whisper_directory, sounds):
    """What the dense model says of the eight recordings, one by one."""
    model = WhisperForConditionalGeneration.from_pretrained(whisper_directory)
    extractor = WhisperFeatureExtractor.from_pretrained(whisper_directory)
    tokenizer = AutoTokenizer.from_pretrained(whisper_directory)
    answers = []
    for number in range(8):
        samples, rate = soundfile.read(sounds.parent / f"{number}.wav", dtype="float32")
        inputs = extractor(samples, sampling_rate=rate, return_tensors="pt")
        answers.append(
            tokenizer.decode(model.generate(**inputs, max_new_tokens=8)[0], skip_special_tokens=True).strip()
        )
    assert len(set(answers)) > 1
    return answers


def test_recordings_are_labelled_by_name_with_scores_and_word_errors(whisper_directory, sounds, heard):
    """Rows name their recordings from where they lie; one label differs from the answer in case and a comma alone."""
    same, other = [number for number, answer in enumerate(heard) if answer][:2]
    first, *words = heard[same].split()
    rows = [{"audio": f"{number}.wav"} for number in range(8)]
    rows[same]["text"] = f"{first.upper()}, {' '.join(words)}."
    rows[other]["text"] = "something else"
    sounds.write_text("".join(json.dumps(row) + "\n" for row in rows))
    output = sounds.parent / "there" / "labels.jsonl"
    asked = {"targets": "teacher", "filter": {"unended": True, "most_word_errors": 0.1}}
    found = label_file(
        resolve(recipe(whisper_directory, sounds, recovery=asked).model_dump(exclude_unset=True)), output
    )
    empty = [number + 1 for number, answer in enumerate(heard) if not answer]
    assert found.dropped() == {
        reason: rows for reason, rows in (("empty", empty), ("most_word_errors", [other + 1])) if rows
    }
    written = [json.loads(line) for line in output.read_text().splitlines()]
    assert [(row["audio"], row["text"]) for row in written] == [
        (f"../{number}.wav", answer) for number, answer in enumerate(heard) if answer and number != other
    ]
    model = WhisperForConditionalGeneration.from_pretrained(whisper_directory)
    one = sounds.parent / "one.jsonl"
    whole = [row for row in written if row["tokens"] == len(row["text"].split()) + 1]  # their ends are not cut off
    assert whole
    for row in whole:
        one.write_text(json.dumps({"audio": row["audio"].removeprefix("../"), "text": row["text"]}) + "\n")
        assert row["score"] == pytest.approx(-by_hand(model, whisper_directory, one), abs=2e-5)


def test_a_student_hears_what_its_teacher_hears(whisper_directory, sounds, heard):
    rows = "".join(json.dumps({"audio": f"{number}.wav"}) + "\n" for number in range(8))
    (sounds.parent / "bare.jsonl").write_text(rows)
    asked = recipe(whisper_directory, sounds, recovery={"targets": "teacher", "steps": 2, "filter": {"unended": True}})
    task = asked.task.model_copy(update={"train": str(sounds.parent / "bare.jsonl")})
    report = run(asked.model_copy(update={"task": task, "strategy": "depth", "options": {"decoder_layers": 2}}))
    written = [json.loads(line) for line in (sounds.parent / "run/targets.jsonl").read_text().splitlines()]
    assert [row["target"] for row in written] == heard
    assert report.data is not None
    assert report.data.targets is not None
    assert report.data.targets.used == sum(map(bool, heard)) > 1


def test_sixteen_bits_hear_too(whisper_directory, sounds):
    """The written model is of that type and says of most recordings, one by one, what it said of them in batches."""
    run(recipe(whisper_directory, sounds, dtype="bfloat16", options={"decoder_layers": 2, "steps": 2}))
    place = sounds.parent / "run"
    model = prunekit.from_pretrained(place / "model")
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    answers = transcribed(model, WhisperFeatureExtractor.from_pretrained(place / "model"), place)
    predicted = [json.loads(line)["pruned"] for line in (place / "predictions.jsonl").read_text().splitlines()]
    same = sum(one == other for one, other in zip(answers, predicted, strict=True))
    assert same >= 6, (answers, predicted)  # of eight: sixteen bits round otherwise in another batch
    assert len(set(predicted)) > 1, "a model that says the same of every sound proves nothing"


def test_only_new_tokens_count_against_a_speech_models_positions(whisper_directory, sounds):
    work = {"repeats": 1, "least_quality": 0, "workloads": [{"source": 60, "new_tokens": 41}]}
    with pytest.raises(PrunekitError, match="has 41 tokens, but the model has positions for 40"):
        run(recipe(whisper_directory, sounds, measure=work))


def test_texts_for_a_model_that_hears_and_sounds_for_one_that_reads(whisper_directory, t5_directory, sounds, pairs):
    task = {"train": str(pairs), "eval": str(pairs), "source": "a", "target": "b", "metric": "wer"}
    with pytest.raises(PrunekitError, match=r"'whisper' reads audio, but the task 'pairs' gives text; .* --task asr"):
        open_run_context(resolve({"model": str(whisper_directory), "task": task}))
    task = {"name": "asr", "train": str(sounds), "eval": str(sounds)}
    with pytest.raises(PrunekitError, match="'t5' reads text, but the task 'asr' gives audio"):
        open_run_context(resolve({"model": str(t5_directory), "task": task}))


def test_a_speech_model_without_its_feature_extractor(whisper_directory, sounds, tmp_path):
    for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / "bare").mkdir(exist_ok=True)
        (tmp_path / "bare" / name).write_bytes((whisper_directory / name).read_bytes())
    with pytest.raises(PrunekitError, match="holds no feature extractor that can be used"):
        open_run_context(resolve(recipe(tmp_path / "bare", sounds).model_dump(exclude_unset=True)))


def test_the_pipeline_of_transformers_knows_a_pruned_whisper_for_one(whisper_directory, sounds):
    """It branches on the type that the config says."""
    run(recipe(whisper_directory, sounds, generation={"max_new_tokens": 6}))
    place = str(sounds.parent / "run/model")
    ask = transformers.pipeline("automatic-speech-recognition", model=place, trust_remote_code=True)
    assert ask.type == "seq2seq_whisper"
    ask.model.save_pretrained(sounds.parent / "again")
    assert json.loads((sounds.parent / "again/config.json").read_text())["model_type"] == "prunekit-whisper"


@pytest.fixture
def multilingual(tmp_path, whisper_tokenizer):
    """A Whisper of three languages whose directory knows neither language nor task."""
    torch.manual_seed(0)
    number = whisper_tokenizer.convert_tokens_to_ids
    end = number("<|endoftext|>")
    tokens = {"pad_token_id": end, "bos_token_id": end, "eos_token_id": end, "suppress_tokens": None}
    config = WhisperConfig(
        **{**SIZES, **LETTERS, **tokens, "vocab_size": len(whisper_tokenizer)},
        decoder_start_token_id=number("<|startoftranscript|>"),
        num_mel_bins=8,
        max_source_positions=50,
    )
    extractor = WhisperFeatureExtractor(feature_size=8, chunk_length=1)
    return saved(tmp_path / "dense", WhisperForConditionalGeneration(config), whisper_tokenizer, extractor)


@pytest.mark.parametrize(
    ("section", "generation", "language", "task"),
    [
        ({"target_language": "german"}, {}, "de", "transcribe"),
        ({}, {"language": "zh", "task": "translate"}, "zh", "translate"),
    ],
)
def test_a_multilingual_model_is_asked_as_it_was_trained(multilingual, sounds, section, generation, language, task):
    """Labels, prompt and the written model agree; whoever opens the latter needs to say no language."""
    asked = recipe(multilingual, sounds, generation=generation, options={"decoder_layers": 2, "steps": 2})
    asked = asked.model_copy(update={"task": asked.task.model_copy(update=section)})
    report = run(asked)
    prompt = (f"<|{language}|>", f"<|{task}|>", "<|notimestamps|>")
    assert report.data is not None
    assert report.data.labels_begin_with[:3] == prompt
    assert report.data.asked_with == ("<|startoftranscript|>", *prompt)
    place = sounds.parent / "run"
    kept = json.loads((place / "model/generation_config.json").read_text())
    assert (kept["language"], kept["task"]) == (language, task)
    assert AutoTokenizer.from_pretrained(place / "model")("")["input_ids"][1:4] == [
        kept["lang_to_id"][prompt[0]],
        kept["task_to_id"][task],
        kept["no_timestamps_token_id"],
    ]
    said = [json.loads(line)["pruned"] for line in (place / "predictions.jsonl").read_text().splitlines()]
    extractor = WhisperFeatureExtractor.from_pretrained(place / "model")
    assert transcribed(prunekit.from_pretrained(place / "model"), extractor, place) == said
    assert len(set(said)) > 1


def test_what_a_multilingual_model_writes_is_scored_without_its_prompt(multilingual, whisper_tokenizer, sounds):
    sounds.write_text("".join(json.dumps({"audio": f"{number}.wav"}) + "\n" for number in range(8)))
    asked = recipe(multilingual, sounds, recovery={"targets": "teacher", "filter": {"unended": True}})
    asked = asked.model_copy(update={"task": asked.task.model_copy(update={"target_language": "de"})})
    label_file(resolve(asked.model_dump(exclude_unset=True)), sounds.parent / "labels.jsonl")
    written = [json.loads(line) for line in (sounds.parent / "labels.jsonl").read_text().splitlines()]
    model = WhisperForConditionalGeneration.from_pretrained(multilingual)
    extractor = WhisperFeatureExtractor.from_pretrained(multilingual)
    number = whisper_tokenizer.convert_tokens_to_ids
    prompt = [number(f"<|{name}|>") for name in ("startoftranscript", "de", "transcribe", "notimestamps")]
    assert len({row["text"] for row in written}) > 1
    tables = {"lang_to_id": {"<|de|>": prompt[1]}, "task_to_id": {"transcribe": prompt[2]}, "is_multilingual": True}
    for key, value in {**tables, "no_timestamps_token_id": prompt[3]}.items():
        setattr(model.generation_config, key, value)
    for row in written:
        samples, rate = soundfile.read(sounds.parent / row["audio"], dtype="float32")
        inputs = extractor(samples, sampling_rate=rate, return_tensors="pt")
        text = [*whisper_tokenizer(row["text"], add_special_tokens=False)["input_ids"], number("<|endoftext|>")][:8]
        with torch.no_grad():
            logits = model(**inputs, decoder_input_ids=torch.tensor([[*prompt, *text[:-1]]])).logits[0, 3:]
        chances = [float(logits[place].log_softmax(-1)[token]) for place, token in enumerate(text)]
        assert row["tokens"] == len(text)
        alone = model.generate(**inputs, language="de", task="transcribe", max_new_tokens=8)[0]
        assert row["ended"] == (len(alone) < 8)
        assert row["score"] == pytest.approx(sum(chances) / len(chances), abs=2e-5)


def test_an_english_only_model_has_no_language(multilingual, sounds):
    config = json.loads((multilingual / "generation_config.json").read_text())
    (multilingual / "generation_config.json").write_text(json.dumps({**config, "is_multilingual": False}))
    context = open_run_context(resolve(recipe(multilingual, sounds).model_dump(exclude_unset=True)))
    assert context.processor.prompt_ids() == []
    assert not hasattr(context.model.generation_config, "language")


def test_bad_recordings_are_left_out_where_the_recipe_says_so(whisper_directory, sounds):
    (sounds.parent / "3.wav").write_bytes(b"no sound")
    asked = recipe(whisper_directory, sounds)
    with pytest.raises(PrunekitError, match="1 of 8 recordings cannot be used"):
        run(asked)
    asked = asked.model_copy(update={"task": asked.task.model_copy(update={"skip": True})})
    context = open_run_context(resolve(asked.model_dump(exclude_unset=True)))
    assert [len(rows) for rows in (context.task.train, context.task.dev, context.task.test)] == [7, 7, 7]
    assert all("3.wav" not in path for path in context.task.train["source"][:])


def test_rows_of_several_languages_and_tasks_are_asked_and_trained_each_in_its_own(multilingual, sounds):
    """Against the model asked directly, row by row; the written one is left without what differs."""
    rows = [json.loads(line) for line in sounds.read_text().splitlines()]
    asked_with = [("de", "transcribe"), ("German", "translate"), ("zh", "transcribe")]
    for number, row in enumerate(rows):
        row["lang"], row["do"] = asked_with[number % 3]
    sounds.write_text("".join(json.dumps(row) + "\n" for row in rows))
    pinned = json.loads((multilingual / "generation_config.json").read_text()) | {
        "forced_decoder_ids": [[1, 5], [2, 7]]
    }
    (multilingual / "generation_config.json").write_text(json.dumps(pinned))  # as older Whispers name a language
    asked = recipe(multilingual, sounds, options={"decoder_layers": 2, "steps": 2}, generation={"max_new_tokens": 6})
    columns = {"source_language_column": "lang", "task_column": "do"}
    report = run(asked.model_copy(update={"task": asked.task.model_copy(update=columns)}))
    assert report.data is not None
    assert report.data.train.languages == {"de, transcribe": 3, "de, translate": 3, "zh, transcribe": 2}
    place = sounds.parent / "run"
    kept = json.loads((place / "model/generation_config.json").read_text())
    assert (kept.get("language"), kept.get("task"), kept.get("forced_decoder_ids")) == (None, None, None)
    said = [json.loads(line) for line in (place / "predictions.jsonl").read_text().splitlines()]
    assert [row["language"] for row in said] == ["de", "en", "zh", "de", "en", "zh", "de", "en"]
    model = prunekit.from_pretrained(place / "model")
    extractor = WhisperFeatureExtractor.from_pretrained(place / "model")
    tokenizer = AutoTokenizer.from_pretrained(place / "model")
    for row, answer in zip(rows, said, strict=True):
        samples, rate = soundfile.read(sounds.parent / row["audio"], dtype="float32")
        features = extractor(samples, sampling_rate=rate, return_tensors="pt")["input_features"]
        how = {"language": row["lang"].lower(), "task": row["do"], "return_timestamps": False, "max_new_tokens": 6}
        ids = model.generate(features, **how)
        assert tokenizer.decode(ids[0], skip_special_tokens=True).strip() == answer["pruned"]


def test_languages_of_rows_that_cannot_be_are_named_at_once(multilingual, sounds):
    rows = [json.loads(line) | {"lang": "de", "do": "transcribe"} for line in sounds.read_text().splitlines()]
    rows[2]["lang"], rows[4]["do"] = "xx", "sing"
    sounds.write_text("".join(json.dumps(row) + "\n" for row in rows))
    asked = recipe(multilingual, sounds)
    columns = {"source_language_column": "lang", "task_column": "do"}
    asked = asked.model_copy(update={"task": asked.task.model_copy(update=columns)})
    with pytest.raises(PrunekitError, match=r"2 of 8 training rows .*row 3: .*'xx'.*row 5: its task is 'sing'"):
        run(asked)
    assert not (sounds.parent / "run").exists()


def test_recordings_that_a_data_set_holds_are_heard_as_those_in_files(whisper_directory, sounds):
    """In files, in a saved data set as bytes, in Parquet, and as samples of another rate."""
    rows = [json.loads(line) for line in sounds.read_text().splitlines()]
    here = sounds.parent
    held = [{**row, "audio": {"bytes": (here / row["audio"]).read_bytes(), "path": row["audio"]}} for row in rows]
    table = datasets.Dataset.from_list(held).cast_column("audio", datasets.Audio())
    table.save_to_disk(here / "saved")
    table.to_parquet(here / "rows.parquet")
    wanted = encoded_from(whisper_directory, sounds, sounds)
    for place in (here / "saved", here / "rows.parquet"):
        found = encoded_from(whisper_directory, sounds, place)
        assert found.lengths == wanted.lengths
        assert [found.labels[n] for n in range(8)] == [wanted.labels[n] for n in range(8)]
        for number in range(8):
            np.testing.assert_array_equal(found.sources[number], wanted.sources[number])


def encoded_from(model, sounds, place):
    asked = recipe(model, sounds)
    files = {"train": str(place), "eval": str(place), "test": None}
    asked = asked.model_copy(update={"task": asked.task.model_copy(update=files)})
    context = open_run_context(resolve(asked.model_dump(exclude_unset=True)))
    return context.processor.encode(context.task.dev)


def scores_by(directory, sounds, **generation):
    context = open_run_context(resolve(recipe(directory, sounds, generation=generation).model_dump(exclude_unset=True)))
    return generate_answers(context.model, context.processor, context.task.dev, context.generation)[0]


def test_settings_of_whispers_own_reach_its_generate(multilingual, sounds, monkeypatch, caplog):
    """Thresholds, temperatures and timestamps are its arguments; the generation config of others has no such keys."""
    given = []
    usual = WhisperForConditionalGeneration.generate

    @functools.wraps(usual)
    def generate(self, *args, **how):
        given.append(how)
        return usual(self, *args, **how)

    monkeypatch.setattr(WhisperForConditionalGeneration, "generate", generate)
    own = {"temperature": [0.0, 0.2], "logprob_threshold": -1.0, "compression_ratio_threshold": 1.35}
    own |= {"no_speech_threshold": 0.6, "condition_on_prev_tokens": True}
    answers = scores_by(multilingual, sounds, language="de", return_timestamps=True, max_new_tokens=6, **own)
    assert len(answers) == 8
    assert own.items() <= given[-1].items()
    assert "generation.condition_on_prev_tokens joins the segments" in caplog.text
    plain = scores_by(multilingual, sounds, language="de", max_new_tokens=6)
    torch.manual_seed(0)
    assert scores_by(multilingual, sounds, language="de", max_new_tokens=6, temperature=5.0) != plain


@pytest.mark.parametrize("key", ["no_speech_treshold", "return_segments"])
def test_settings_that_reach_nothing_are_refused(multilingual, sounds, key):
    with pytest.raises(PrunekitError, match=f"There is no generation setting '{key}'"):
        scores_by(multilingual, sounds, language="de", **{key: 0.5})


def test_a_task_of_text_is_given_no_recordings(t5_directory, sounds):
    rows = [{"audio": {"bytes": b"x", "path": "a.wav"}, "text": "a"}]
    datasets.Dataset.from_list(rows).to_parquet(sounds.parent / "rows.parquet")
    place = str(sounds.parent / "rows.parquet")
    task = {"train": place, "eval": place, "source": "audio", "target": "text", "metric": "wer"}
    with pytest.raises(PrunekitError, match=r"'audio' holds recordings, .* there is --task asr"):
        open_run_context(resolve({"model": str(t5_directory), "task": task}))
