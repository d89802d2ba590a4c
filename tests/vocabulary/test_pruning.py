"""Vocabulary pruning end to end: what stays scores as before, in runs and alone, and a stranger can open the result."""

import json
import shutil

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, MarianConfig, MarianMTModel, PreTrainedTokenizerFast
from typer.testing import CliRunner

import prunekit
from prunekit import PrunekitError, PruningPlan, Recipe, prune_vocabulary
from prunekit.cli import app
from prunekit.cut.checkpoint import read_config
from prunekit.loading.pretrained import open_config, open_model
from prunekit.loading.structure import adapter_for
from prunekit.pipeline.run import run
from prunekit.testing.models import BART_SIZES
from prunekit.vocabulary.pruning import Corpus
from prunekit_adapters.bart import Bart

NUMBERS = [f"{tens}{ones}" for tens in ("twenty", "thirty") for ones in ("one", "two", "three", "four", "five")]
WORDS = [*NUMBERS, *(f"un{word}" for word in NUMBERS)]


@pytest.fixture(scope="session")
def words():
    """A tokenizer of 20 whole words, which knows no letters: "twentyone unthirtyfive" is two tokens and an end."""
    core = Tokenizer(models.WordLevel({w: i for i, w in enumerate(["<pad>", "</s>", "<unk>", *WORDS])}, "<unk>"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    core.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=core, pad_token="<pad>", eos_token="</s>", unk_token="<unk>")


@pytest.fixture(scope="session", params=["t5", "bart", pytest.param("mt5", marks=pytest.mark.full)])
def directory(request, words, tmp_path_factory):
    """A model of a family with that tokenizer."""
    place = tmp_path_factory.mktemp(request.param)
    shutil.copytree(request.getfixturevalue(f"{request.param}_directory"), place, dirs_exist_ok=True)
    words.save_pretrained(place)
    return place


@pytest.fixture
def pairs(tmp_path):
    """Rows of the first six words and the same backwards."""
    texts = [" ".join(WORDS[n : n + 3]) for n in range(4)] * 2
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps({"a": text, "b": " ".join(reversed(text.split()))}) + "\n" for text in texts))
    return path


USED = [0, 1, 2, *range(3, 9)]
"""Padding, end, unknown, and the words of `pairs`."""


def opened(directory):
    _, adapter = adapter_for(open_config(directory), None)
    return open_model(directory, open_config(directory), adapter), AutoTokenizer.from_pretrained(directory), adapter


def test_a_corpus_is_split_where_its_lines_end(tmp_path):
    """With a byte-order mark, as some editors write, and line ends of two systems."""
    odd = "".join(f"a{mark}" for mark in "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")
    (tmp_path / "corpus.txt").write_bytes(f"\ufeff{odd}\r\n\nb \nc".encode())
    corpus = Corpus.of_file(tmp_path / "corpus.txt")
    assert corpus.read == corpus.written == [odd, "", "b ", "c"]


def test_tokens_that_stay_score_as_before(directory):
    dense, tokenizer, adapter = opened(directory)
    model, small = prune_vocabulary(opened(directory)[0], tokenizer, adapter, [" ".join(WORDS[:6])], [WORDS[17]])
    left = [*USED, 20]
    assert small.convert_ids_to_tokens(range(len(small))) == tokenizer.convert_ids_to_tokens(left)
    for text in (WORDS[2], f"{WORDS[17]} {WORDS[0]}"):
        before, after = (t(text, return_tensors="pt") for t in (tokenizer, small))
        start = torch.tensor([[dense.config.decoder_start_token_id]])
        with torch.inference_mode():
            expected = dense(**before, decoder_input_ids=start).logits[..., left]
            found = model(**after, decoder_input_ids=start).logits
        assert torch.allclose(expected, found, atol=1e-5)
        assert small.decode(after.input_ids[0]) == tokenizer.decode(before.input_ids[0])
    assert small(f"{WORDS[0]} {WORDS[9]}").input_ids == [3, small.unk_token_id, small.eos_token_id]


def recipe(directory, pairs, output, **more):
    task = {"train": str(pairs), "eval": str(pairs), "source": "a", "target": "b", "metric": "exact_match"}
    measure = {"batch": 8, "repeats": 1, "least_quality": 0, "workloads": [{"source": 4, "new_tokens": 3}]}
    base = {"model": str(directory), "output": str(output), "task": {**task, "target_length": 8}, "device": "cpu"}
    return Recipe.parse({**base, "training": {"batch": 4, "precision": "fp32"}, "measure": measure, **more})


def test_a_run_keeps_the_tokens_of_its_task(directory, pairs, tmp_path):
    asked = recipe(
        directory,
        pairs,
        tmp_path / "run",
        strategy="nash",
        options={"decoder_layers": 1, "layer_choice": "even"},
        recovery={"steps": 3, "distillation": {"logits": 0.5, "encoder_hidden": 0.01}},
        vocabulary={"corpus": "task", "keep": [WORDS[17]]},
    )
    report = run(asked)
    assert (report.widths.dense_tokens, report.widths.tokens) == (32, len(USED) + 1)
    assert report.equivalence.tokens_equal
    assert report.equivalence.max_rel_diff <= 1e-4
    model, tokenizer = (
        prunekit.from_pretrained(tmp_path / "run/model"),
        AutoTokenizer.from_pretrained(tmp_path / "run/model"),
    )
    assert sum(p.numel() for p in model.parameters()) == report.parameters.pruned
    assert len(tokenizer) == model.config.vocab_size == len(USED) + 1
    kept = PruningPlan.load(tmp_path / "run/plan.json").kept["vocabulary"]
    assert kept == (*USED, 20)
    said = [json.loads(line) for line in (tmp_path / "run/predictions.jsonl").read_text().splitlines()]
    answers = model.generate(**tokenizer([said[0]["source"]], return_tensors="pt"), max_new_tokens=8)
    assert tokenizer.decode(answers[0], skip_special_tokens=True).strip() == said[0]["pruned"]


def test_tokens_that_the_recipe_tells_generation_stay_and_are_renumbered(directory, pairs, tmp_path):
    first = WORDS[17]
    settings = {"forced_bos_token_id": 3 + 17, "suppress_tokens": [3 + 18, 3]}
    even = {"decoder_layers": 1, "layer_choice": "even"}
    still = {"strategy": "nash", "options": even, "recovery": {"steps": 0}}
    run(recipe(directory, pairs, tmp_path / "run", vocabulary={"corpus": "task"}, generation=settings, **still))
    said = [json.loads(line) for line in (tmp_path / "run/predictions.jsonl").read_text().splitlines()]
    for model in ("dense", "pruned"):
        assert all(line[model].split()[0] == first for line in said)
        assert not any(WORDS[0] in line[model].split() for line in said)
    assert PruningPlan.load(tmp_path / "run/plan.json").kept["vocabulary"] == (*USED, 20)


def test_a_plan_with_a_vocabulary_is_applied_with_its_tokenizer(directory, pairs, tmp_path):
    plan = PruningPlan({"vocabulary": tuple(USED), "decoder.layers": (0, 1)})
    (tmp_path / "plan.json").write_text(plan.to_json())
    run(recipe(directory, pairs, tmp_path / "run", plan=str(tmp_path / "plan.json")))
    again = AutoTokenizer.from_pretrained(tmp_path / "run/model")
    assert len(again) == len(USED)
    assert PruningPlan.load(tmp_path / "run/plan.json") == plan


def test_the_command_writes_a_model_that_needs_no_prunekit(directory, tmp_path):
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("\n".join(WORDS[:6]))
    asked = ["vocabulary", str(directory), "--corpus", str(corpus), "--output", str(tmp_path / "out")]
    result = CliRunner().invoke(app, [*asked, "--keep", f"{WORDS[17]} {WORDS[18]}"])
    assert result.exit_code == 0, result.output
    assert "11 of 23 tokens" in " ".join(result.output.split())
    config = json.loads((tmp_path / "out/config.json").read_text())
    assert (config["model_type"], config["vocab_size"]) == (read_config(directory)["model_type"], 11)
    stock = AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "out")
    left = [*USED, 20, 21]
    dense = opened(directory)[0]
    ids = torch.tensor([[3, 9, 4, 10, 1]])
    with torch.inference_mode():
        expected = dense(input_ids=torch.tensor(left)[ids], decoder_input_ids=torch.tensor([[0, 20]])).logits[..., left]
        found = stock(input_ids=ids, decoder_input_ids=torch.tensor([[0, 9]])).logits
    assert torch.allclose(expected, found, atol=1e-5)
    assert AutoTokenizer.from_pretrained(tmp_path / "out")(WORDS[17]).input_ids == [9, 1]


def test_what_a_config_names_must_stay(case):
    words = next(group for group in case("bart").graph.groups if group.name == "vocabulary")
    end = case("bart").config.eos_token_id
    with pytest.raises(PrunekitError, match=f"drops the token {end}, which the model's config names as '(eos|forced)"):
        case("bart").cut(PruningPlan({"vocabulary": tuple(n for n in words.ids if n != end)}))


@pytest.mark.parametrize(("read", "written"), [(60, 80), (80, 60)])
def test_two_vocabularies_are_refused_in_one_sentence(read, written):
    """Whichever is larger, and whatever the tokenizer is: its tokens are those of one side alone."""
    special = {"pad_token_id": 1, "decoder_start_token_id": 1, "eos_token_id": 2, "bos_token_id": None}
    config = MarianConfig(
        **BART_SIZES, **special, vocab_size=read, decoder_vocab_size=written, share_encoder_decoder_embeddings=False
    )
    core = Tokenizer(models.WordLevel({f"w{n}": n for n in range(read)}, "w3"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, pad_token="w1", eos_token="w2", unk_token="w3")
    with pytest.raises(PrunekitError, match="reads one vocabulary and writes another"):
        prune_vocabulary(MarianMTModel(config), tokenizer, Bart(), ["w5"], ["w6"])
