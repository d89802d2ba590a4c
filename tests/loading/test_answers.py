"""How a model's answers begin, and that no language is pinned where rows have their own."""

import pytest
import torch
from transformers import (
    M2M100Config,
    M2M100ForConditionalGeneration,
    MBartConfig,
    MBartForConditionalGeneration,
    PLBartConfig,
    PLBartForConditionalGeneration,
)

from prunekit.data.languages import languages_of
from prunekit.loading.answers import unused_settings
from prunekit.loading.context import open_run_context
from prunekit.loading.resolve import resolve
from prunekit.measure.quality import generate_answers
from prunekit.pipeline.state import proof_batches

SIZES = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 24, "decoder_ffn_dim": 24}
SIZES |= {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "init_std": 0.7, "max_position_embeddings": 64}
PINNED = {"nllb": "forced_bos_token_id", "m2m": "forced_bos_token_id", "mbart50": "forced_bos_token_id"}
PINNED |= {"mbart": "decoder_start_token_id", "plbart": "decoder_start_token_id"}


@pytest.fixture
def translator(multilingual_tokenizer, tmp_path):
    """Makes a directory of a model of a family, pinned to its first language, and its tokenizer."""

    def make(family):
        torch.manual_seed(0)
        tokenizer = multilingual_tokenizer(family)
        kinds = {"nllb": (M2M100Config, M2M100ForConditionalGeneration)}
        kinds |= {"m2m": kinds["nllb"], "plbart": (PLBartConfig, PLBartForConditionalGeneration)}
        kind, model = kinds.get(family, (MBartConfig, MBartForConditionalGeneration))
        made = model(kind(**SIZES, vocab_size=len(tokenizer), decoder_start_token_id=2, forced_eos_token_id=None))
        with torch.no_grad():
            made.get_input_embeddings().weight[4:12] *= 4  # letters, so that answers are more than languages
        setattr(made.generation_config, PINNED[family], min(languages_of(tokenizer).values()))
        made.save_pretrained(tmp_path / family)
        tokenizer.save_pretrained(tmp_path / family)
        return tmp_path / family, tokenizer

    return make


def recipe(place, tmp_path, languages, **section):
    texts = ["a b c", "d", "b a", "c c d a", "a", "d c b"]
    rows = [
        f'{{"a": "{text}", "b": "{text}", "l": "{language}"}}\n'
        for text, language in zip(texts, languages, strict=True)
    ]
    (tmp_path / "rows.jsonl").write_text("".join(rows))
    files = {"train": str(tmp_path / "rows.jsonl"), "eval": str(tmp_path / "rows.jsonl")}
    columns = {"source": "a", "target": "b", "metric": "exact_match", "target_length": 6, "target_language_column": "l"}
    return resolve({"model": str(place), "device": "cpu", "task": {**files, **columns, **section}})


@pytest.mark.parametrize("family", PINNED)
def test_every_answer_begins_in_its_rows_language_and_the_model_is_pinned_to_none(family, translator, tmp_path):
    place, tokenizer = translator(family)
    known = list(languages_of(tokenizer))
    languages = [known[4], known[-2], known[4], known[2], known[-2], known[4]]
    context = open_run_context(recipe(place, tmp_path, languages, source_language=known[1]))
    assert getattr(context.model.generation_config, PINNED[family]) is None
    answers, _ = generate_answers(context.model, context.processor, context.task.dev, {}, batch=2)
    said = set()
    for row, answer, language in zip(context.task.dev, answers, languages, strict=True):
        tokenizer.src_lang = known[1]
        inputs = tokenizer(row["source"], return_tensors="pt")
        start = {PINNED[family]: languages_of(tokenizer)[language]}
        ids = context.model.generate(**inputs, **{"decoder_start_token_id": 2, **start}, max_new_tokens=6, num_beams=1)
        assert answer == tokenizer.decode(ids[0], skip_special_tokens=True).strip()
        said.add((row["source"], language, answer))
    assert len({answer for *_, answer in said}) > 2


def test_proofs_ask_every_row_in_its_language(translator, tmp_path):
    place, tokenizer = translator("nllb")
    languages = ["deu_Latn", "fra_Latn", "deu_Latn", "fra_Latn", "deu_Latn", "fra_Latn"]
    context = open_run_context(recipe(place, tmp_path, languages))
    ids = languages_of(tokenizer)
    batches = list(proof_batches(context))
    assert [batch["beginning"] for batch in batches] == [
        {"forced_bos_token_id": ids["deu_Latn"]},
        {"forced_bos_token_id": ids["fra_Latn"]},
    ]
    for batch in batches:
        assert set(batch["labels"][:, 0].tolist()) == set(batch["beginning"].values())


def test_what_all_rows_share_is_pinned(translator, tmp_path):
    place, tokenizer = translator("nllb")
    context = open_run_context(recipe(place, tmp_path, ["fra_Latn"] * 6))
    assert context.model.generation_config.forced_bos_token_id == languages_of(tokenizer)["fra_Latn"]


@pytest.mark.parametrize("family", ["nllb", "mbart50", "mbart", "plbart"])
def test_a_model_that_is_asked_in_another_language_than_its_labels_is_told(family, translator, tmp_path, caplog):
    """The directory is pinned to its first language, its tokenizer writes the last, and the recipe names none."""
    place, tokenizer = translator(family)
    known = languages_of(tokenizer)
    last = max(known, key=known.__getitem__)
    tokenizer.src_lang = tokenizer.tgt_lang = last
    tokenizer.save_pretrained(place)
    told = f"task.target_language is not set: the tokenizer writes targets in {last!r}"
    bare = recipe(place, tmp_path, [last] * 6, target_language_column=None)
    open_run_context(bare)
    assert told in caplog.text
    caplog.clear()
    open_run_context(bare.model_copy(update={"generation": {PINNED[family]: known[last]}}))
    open_run_context(recipe(place, tmp_path, [last] * 6, target_language_column=None, target_language=last))
    open_run_context(recipe(place, tmp_path, [last] * 6))
    assert "task.target_language is not set" not in caplog.text


def test_a_language_that_does_not_reach_the_model_is_told_with_what_uses_it(t5_directory, on_files, caplog):
    data = on_files(t5_directory)
    task = {**data["task"], "target_language": "zh", "source_language": "de", "metric": "bleu,chrf"}
    open_run_context(resolve({**data, "task": task}))
    assert "task.target_language 'zh' does not reach the model; only the metric bleu uses it." in caplog.text
    assert "task.source_language 'de' does not reach the model; nothing uses it." in caplog.text


def test_settings_that_join_segments_change_nothing_where_a_recording_is_one():
    (sentence,) = unused_settings({"condition_on_prev_tokens": True, "num_beams": 2, "prompt_condition_type": None})
    assert "generation.condition_on_prev_tokens joins the segments" in sentence
