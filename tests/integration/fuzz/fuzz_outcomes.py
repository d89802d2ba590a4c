"""What a drawn run may come to: a report that holds, or one sentence and nothing written."""

import json
import math
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import transformers
import yaml
from fuzz_models import TEXT
from fuzz_recipes import PLAIN_ROWS, Draw
from transformers import AutoTokenizer
from typer.testing import CliRunner

import prunekit
from prunekit.cli import app
from prunekit.data.tasks import for_evaluation
from prunekit.errors import PrunekitError
from prunekit.loading.context import open_run_context
from prunekit.loading.resolve import resolve
from prunekit.pipeline.evaluation import quality_of, take_first

NO_SENTENCE = re.compile(
    r"\n|unforeseen|Traceback|<class|object at 0x|\(\w*(Error|Exception)\b|^\w*(Error|Exception): |adapter .* is wrong"
)
"""What no refusal may hold: the words of a crash, and prunekit's word for an adapter that is wrong, since none is."""
RESULTS = ("model", "report.json", "report.html", "plan.json")
"""What only a run that ended leaves."""

CERTAIN = ("words", "characters", "unigram", "wordpiece", "added")
"""Tokenizers with which every plain run works."""

PARTICULAR = ("prophetnet", "umt5")
"""Families apart: the first generates only where padding is token 0, the second opens few tokenizers."""

WHIMS = {"do_sample", "max_time"}
"""Generation settings with which a model does not answer the same every time."""

LONGEST = 1200
"""Characters of a sentence that names ten bad recordings, or some languages."""

Outcome = str
"""``report``, or the sentence of a refusal."""


def check(draw: Draw, root: Path) -> Outcome:
    """Do a drawn run and raise `AssertionError`, or whatever the run raises, unless it ended rightly."""
    place = Path(tempfile.mkdtemp(prefix="run-", dir=root))
    try:
        data = draw.data(root, place)
        before = files(place)
        looked = look(data, place) if draw.after == "look" else None
        assert files(place) == before, "a look wrote something"
        sentence = by_command(data, place) if draw.command else by_function(data)
        assert looked is None or sentence is not None, f"only the look was refused: {looked}"
        if sentence is not None:
            assert not is_certain(draw), f"a plain run was refused: {sentence}"
            check_sentence(sentence)
            check_untouched(place, before, sentence)
            return sentence
        check_run(data, draw)
        check_result(data, draw, place)
        return "report"
    finally:
        shutil.rmtree(place, ignore_errors=True)


def check_untouched(place: Path, before: set[str], sentence: str) -> None:
    """Raise `AssertionError` if a refused run wrote something; one whose training diverged is left unfinished."""
    written = files(place) - before
    if "diverged" in sentence:
        written = {name for name in written if name.startswith(tuple(f"run/{result}" for result in RESULTS))}
    assert not written, f"a refused run wrote {sorted(written)}: {sentence}"
    assert before <= files(place), f"a refused run removed something: {sentence}"


def files(place: Path) -> set[str]:
    """What lies in a directory, with the sizes of files."""
    return {f"{path.relative_to(place)}{_size(path)}" for path in place.rglob("*")} - {"recipe.yaml"}


def _size(path: Path) -> str:
    return f" {path.stat().st_size}" if path.is_file() and path.name != "recipe.yaml" else ""


def by_function(data: dict[str, Any]) -> str | None:
    """The sentence of a refusal by `prunekit.run`."""
    try:
        prunekit.run(resolve(data))
    except PrunekitError as error:
        return str(error)
    return None


def is_certain(draw: Draw) -> bool:
    """Whether a run has nothing unusual about it, so that there is no reason to refuse it."""
    plain = draw.rows == tuple(PLAIN_ROWS) and not draw.twists and not draw.model.quirk
    return (
        plain and draw.model.family in TEXT and draw.model.tokenizer in CERTAIN and draw.model.family not in PARTICULAR
    )


def by_command(data: dict[str, Any], place: Path, *words: str) -> str | None:
    """The sentence of a refusal by ``prunekit run``, whose exit code is 1."""
    path = place / "recipe.yaml"
    path.write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")
    return refusal("run", path, *words)


def look(data: dict[str, Any], place: Path) -> str | None:
    """The sentence of a refusal by ``prunekit run --dry-run``."""
    return by_command(data, place, "--dry-run")


def refusal(*words: Any) -> str | None:
    """The sentence of a command that exits with 1; None for one that exits with 0."""
    said = CliRunner().invoke(app, [str(word) for word in words], env={"TERM": "dumb", "COLUMNS": "20000"})
    if said.exception is not None and not isinstance(said.exception, SystemExit):
        raise said.exception
    if said.exit_code == 0:
        return None
    assert said.exit_code == 1, said.output
    found = said.stderr.rpartition("error: ")[2].strip()
    stopped = said.exception.__context__ if said.exception is not None else None
    if "unforeseen" in found and stopped is not None and stopped.__cause__ is not None:
        raise stopped.__cause__
    return found


def check_sentence(sentence: str) -> None:
    """Raise `AssertionError` unless a refusal is one readable sentence."""
    assert not NO_SENTENCE.search(sentence), f"not a sentence: {sentence}"
    assert 10 < len(sentence) <= LONGEST, f"too long or too short: {sentence}"


def check_run(data: dict[str, Any], draw: Draw) -> None:
    """Raise `AssertionError` unless a run left what it promised."""
    place = Path(data["output"])
    report = json.loads((place / "report.json").read_text(encoding="utf-8"), parse_constant=_refuse)
    assert prunekit.Report.model_validate(report).quality is not None
    assert all(math.isfinite(number) for number in numbers(report))
    assert None not in report["quality"]["loss"].values()
    assert (place / "report.html").read_text(encoding="utf-8").lower().startswith("<!doctype html>")
    assert not (place / "work").exists()
    prunekit.Recipe.load(place / "recipe.yaml")
    plan = prunekit.PruningPlan.load(place / "plan.json")
    check_model(place / "model", report)
    answers = [
        json.loads(line) for line in (place / "predictions.jsonl").read_text(encoding="utf-8").split("\n") if line
    ]
    assert len(answers) == report["quality"]["examples"]
    if not plan.kept and nothing_trained(data):
        assert report["quality"]["dense"] == report["quality"]["pruned"]
        assert all(row["dense"] == row["pruned"] for row in answers)
    check_warnings(report, data, draw)


def _refuse(name: str) -> Any:
    raise AssertionError(f"report.json has {name}, which is no JSON")


def numbers(value: Any) -> Iterator[float]:
    """All numbers in parsed JSON."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from numbers(each)
    elif isinstance(value, int | float):
        yield value


def nothing_trained(data: dict[str, Any]) -> bool:
    """Whether a recipe without a plan leaves the weights as they were, and asks for the same answers every time."""
    still = not data["recovery"].get("steps") and not data["recovery"].get("weights") and "budget" not in data
    still = still and not any("steps" in key for key in data.get("options", {}))
    whims = WHIMS & set(data.get("generation", {}))
    return still and not whims and "dense_predictions" not in data["measure"]


def check_model(place: Path, report: dict[str, Any]) -> None:
    """Raise `AssertionError` unless transformers loads every weight of the model, as many as the report counts."""
    config = json.loads((place / "config.json").read_text(encoding="utf-8"))
    names = config.get("prunekit", {}).get("auto") or [None]
    kind = getattr(transformers, names[0]) if names[0] else getattr(transformers, config["architectures"][0])
    model, found = kind.from_pretrained(place, output_loading_info=True)
    assert not found["missing_keys"]
    assert not found["unexpected_keys"]
    assert sum(weight.numel() for weight in model.parameters()) == report["parameters"]["pruned"]
    assert all(bool(weight.isfinite().all()) for weight in model.parameters()), "weights that are no numbers"
    AutoTokenizer.from_pretrained(place)


def check_result(data: dict[str, Any], draw: Draw, place: Path) -> None:
    """Raise `AssertionError` unless another command does its work on the written model, or says why not."""
    model = Path(data["output"]) / "model"
    if draw.after == "eval" and not data.get("vocabulary") and not WHIMS & set(data.get("generation", {})):
        assert scores_of(model, data) == pytest.approx(scores_in(Path(data["output"])), abs=1e-6)
    if draw.after == "vocabulary":
        (place / "corpus.txt").write_text("a b c\nsay: h", encoding="utf-8")
        again = refusal("vocabulary", model, "--corpus", place / "corpus.txt", "--output", place / "fewer")
        check_sentence(again or "All went well.")
        assert (place / "fewer").exists() == (again is None)
    if draw.after == "plain":
        again = refusal("export", model, "--to", "plain", "--output", place / "plain")
        check_sentence(again or "All went well.")
        assert (place / "plain").exists() == (again is None)


def scores_in(run: Path) -> float:
    """The pruned model's headline in a run's report."""
    return float(json.loads((run / "report.json").read_text(encoding="utf-8"))["quality"]["pruned"])


def scores_of(model: Path, data: dict[str, Any]) -> float:
    """What a saved model scores where it is opened anew."""
    context = open_run_context(resolve({**data, "model": str(model), "plan": None}), for_evaluation)
    measure = resolve(data).measure
    rows = take_first(context.task.test, measure.eval_examples)
    return next(iter(quality_of(context, rows, measure.batch).scores.values()))


def check_warnings(report: dict[str, Any], data: dict[str, Any], draw: Draw) -> None:
    """Raise `AssertionError` if sources were cut, by the model's own tokenizer, and no warning says so."""
    limit = data["task"].get("source_length")
    if limit is None or data["task"].get("name") == "asr":
        return
    tokenizer = AutoTokenizer.from_pretrained(data["model"])
    prefix = data["task"].get("prefix") or ""
    texts = [prefix + source for source, _ in draw.rows if isinstance(source, str)]
    if any(len(tokenizer(text)["input_ids"]) > limit for text in texts):
        assert any("source_length" in sentence for sentence in report["data"]["warnings"])
