"""``prunekit eval``: the figure it prints against answers that the model was seen to give."""

import json

import pytest
import torch
from transformers import AutoModelForSeq2SeqLM

from prunekit import PruningPlan, plugins, prune
from prunekit.cut import checkpoint

SOURCES = ("a b c", "d e", "f", "g h i")
COLUMNS = ("--eval", "PAIRS", "--metric", "wer", "--source", "a", "--target", "b")


def stock(directory):
    """The T5 as transformers opens it, told of its depth where `generate` looks for it."""
    model = AutoModelForSeq2SeqLM.from_pretrained(directory)
    model.config.decoder_layers = model.config.num_decoder_layers
    return model


def answers(model, tokenizer, tokens=6):
    """What the model says to each source, greedily, one at a time."""
    said = []
    for text in SOURCES:
        ids = torch.tensor([tokenizer(text)["input_ids"]])
        output = model.generate(ids, max_new_tokens=tokens, do_sample=False, num_beams=1)
        said.append(tokenizer.decode(output[0], skip_special_tokens=True).strip())
    return said


def write(path, targets):
    rows = [{"a": source, "b": target} for source, target in zip(SOURCES, targets, strict=True)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def score(prunekit):
    """The lines of figures that ``prunekit eval`` prints for a model and a file."""

    def run(directory, file, *more):
        words = ("--source", "a", "--target", "b", "--metric", "exact_match", "--set", "task.target_length=6")
        result = prunekit("eval", directory, "--eval", file, *words, *more)
        assert result.exit_code == 0, result.stderr
        return [line.split() for line in result.stdout.splitlines()[1:]]

    return run


def test_a_dense_model_is_scored_on_what_it_says(score, t5_directory, letters, tmp_path):
    said = answers(stock(t5_directory), letters)
    assert all(said)
    assert score(t5_directory, write(tmp_path / "all.jsonl", said)) == [["exact_match", "100.00%"]]
    wrong = [f"{said[0]} z", *said[1:]]
    assert score(t5_directory, write(tmp_path / "three.jsonl", wrong)) == [["exact_match", "75.00%"]]
    few = ("--set", "measure.eval_examples=1")
    assert score(t5_directory, write(tmp_path / "one.jsonl", wrong), *few) == [["exact_match", "0.00%"]]


def test_a_pruned_model_is_scored_on_what_it_says(score, t5_directory, letters, tmp_path):
    model = stock(t5_directory)
    before = answers(model, letters)
    plan = PruningPlan({"decoder.layers": (0, 2), "encoder.0.self.heads": (1,)})
    prune(model, plan, plugins.load(plugins.ADAPTERS, "t5")())
    checkpoint.save(model, tmp_path / "pruned", letters)
    after = answers(model, letters)
    right = sum(map(bool, after))  # an empty answer cannot stand in a file, so it is wrong there
    assert before != after
    assert right > 1
    file = write(tmp_path / "pairs.jsonl", [text or "z" for text in after])
    assert score(tmp_path / "pruned", file) == [["exact_match", f"{right / 4:.2%}"]]


def test_the_test_rows_are_what_counts(score, t5_directory, tmp_path, letters):
    said = answers(stock(t5_directory), letters)
    dev = write(tmp_path / "dev.jsonl", ["z"] * 4)
    test = write(tmp_path / "test.jsonl", said)
    assert score(t5_directory, dev, "--test", test) == [["exact_match", "100.00%"]]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "Say what the model is for: --task with one of asr, g2p"),
        (("--task", "g2q"), "There is no task 'g2q'"),
        (("--eval", "PAIRS"), "Say how to score with --metric"),
        (("--eval", "PAIRS", "--metric", "exact"), "There is no metric 'exact'; did you mean 'exact_match'"),
        (("--eval", "PAIRS", "--metric", "wer", "--source", "a", "--target", "c"), "has no column 'c'"),
        (
            ("--eval", "PAIRS", "--metric", "wer", "--source", "a", "--target", "b", "--set", "generation.beams=2"),
            "'beams'",
        ),
    ],
)
def test_what_cannot_be_scored(prunekit, t5_directory, pairs, words, sentence):
    result = prunekit("eval", t5_directory, *(pairs if word == "PAIRS" else word for word in words))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines()[-1].startswith("error: ")
    assert sentence in result.stderr
