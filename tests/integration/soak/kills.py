"""Kills runs at drawn moments, gives the same command again, and compares what comes of it with the undisturbed run.

    python tests/integration/soak/kills.py DIRECTORY --strategy nash --precision bf16 --kills 9 --seed 0

Every run is a process of its own, forked from this one, which has imported everything and trained nothing. Half of the
kills come after a drawn time; half before a drawn write, rename or removal in the output, so that checkpoints, results
and the tidying up are hit as well.
"""

import argparse
import json
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

from prunekit import Recipe
from prunekit.pipeline.run import run

EVENTS = ("open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate")
"""What Python tells its audit hooks of, where files are concerned."""

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT

STRATEGIES: dict[str, dict[str, Any]] = {
    "nash": {"decoder_layers": 2, "encoder_sparsity": 0.4, "narrowing": "gates", "steps": 8, "layer_choice": "even"},
    "cofi": {"sparsity": 0.4, "steps": 8},
    "depth": {"decoder_layers": 2},
}

TAUGHT = {"logits": 0.5, "encoder_hidden": 0.0}
"""Recovery learns from the teacher too, whose predictions are remembered over the epochs."""


WRITTEN = {"targets": "both", "filter": {"unended": True}}
"""The teacher writes targets."""


def model_and_rows(place: Path) -> None:
    """A T5 of two encoder and three decoder layers, a tokenizer of single letters, and twelve rows."""
    letters = ["<pad>", "</s>", "<unk>", *"abcdefghijklmnopqrstuvwxyz"]
    core = Tokenizer(models.WordLevel({piece: i for i, piece in enumerate(letters)}, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    core.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    special = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    PreTrainedTokenizerFast(tokenizer_object=core, **special, model_max_length=64).save_pretrained(place / "dense")
    sizes = {"d_model": 16, "d_kv": 4, "num_heads": 4, "d_ff": 24, "num_layers": 2, "num_decoder_layers": 3}
    T5ForConditionalGeneration(T5Config(vocab_size=32, **sizes, decoder_start_token_id=0)).save_pretrained(
        place / "dense"
    )
    draw = random.Random(0)
    texts = [" ".join(draw.choices(letters[3:], k=draw.randint(1, 6))) for _ in range(12)]
    rows = [json.dumps({"a": text, "b": " ".join(reversed(text.split()))}) for text in texts]
    (place / "rows.jsonl").write_text("\n".join(rows) + "\n")


def recipe(place: Path, output: Path, strategy: str, precision: str) -> Recipe:
    """Three trainings with checkpoints in the middle of epochs."""
    rows = str(place / "rows.jsonl")
    training = {"batch": 4, "learning_rate": 0.01, "precision": precision, "save_every": 4, "log_every": 1}
    stages = [{"frozen": ["encoder"], "share": 6}, {"share": 5, "rate": 0.5}] if strategy == "depth" else []
    written = WRITTEN if strategy == "depth" else {}
    recovery = {"steps": 11, "distillation": TAUGHT, "stages": stages, **written}
    measure = {"batch": 5, "repeats": 1, "least_quality": 0, "workloads": [{"source": 4, "new_tokens": 3}]}
    task = {"train": rows, "eval": rows, "source": "a", "target": "b", "metric": "exact_match", "target_length": 8}
    return Recipe.parse(
        {
            **{"model": str(place / "dense"), "output": str(output), "device": "cpu", "round_to": 1, "task": task},
            **{"strategy": strategy, "options": STRATEGIES[strategy], "teacher": {"steps": 5}},
            **{"training": training, "recovery": recovery, "measure": measure},
        }
    )


def writes_of(output: Path, last: int | None) -> list[int]:
    """Count the writes in `output` from now on, and kill this process before the one numbered `last`."""
    count = [0]

    def heard(event: str, given: tuple[Any, ...]) -> None:
        if event not in EVENTS or (event == "open" and not (given[2] or 0) & WRITING):
            return
        path = os.fspath(given[0]) if isinstance(given[0], str | os.PathLike) else ""
        if os.path.isabs(path) and not path.startswith(str(output)):
            return
        count[0] += 1
        if count[0] == last:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(heard)
    return count


def forked(asked: Recipe, log: Path, write: int | None = None, seconds: float | None = None) -> int:
    """Run a recipe in a process, which is killed before a write or after some seconds: its exit code, -9 if killed."""
    child = os.fork()
    if not child:
        _work(asked, log, write)
    until = time.monotonic() + (seconds or 1e9)
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > until:
            os.kill(child, signal.SIGKILL)
            until = float("inf")
        time.sleep(0.002)


def _work(asked: Recipe, log: Path, write: int | None) -> None:
    code = 1
    try:
        with log.open("a") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        count = writes_of(Path(asked.output), write)
        run(asked)
        log.with_suffix(".writes").write_text(str(count[0]))
        code = 0
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", flush=True)
    finally:
        os._exit(code)


def result(output: Path) -> dict[str, Any]:
    """What a run left: the names of all files, the plan, the model, and the losses of its log."""
    lines = [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]
    return {
        "files": sorted(str(path.relative_to(output)) for path in output.rglob("*")),
        "plan": (output / "plan.json").read_bytes(),
        "weights": (output / "model/model.safetensors").read_bytes(),
        "config": (output / "model/config.json").read_bytes(),
        "targets": [path.read_bytes() for path in output.glob("targets.jsonl")],
        "losses": [(line["phase"], line["step"], line["loss"]) for line in lines if "loss" in line],
    }


def is_complete(output: Path) -> bool:
    """Whether nothing is left to do."""
    return (output / "report.json").exists() and not (output / "work").exists()


def interrupted(asked: Recipe, log: Path, draw: random.Random, writes: int, seconds: float) -> str:
    """Begin a run and kill it, once or twice; the moments in words."""
    moments = []
    for _ in range(draw.choice((1, 1, 2))):
        write = draw.randint(1, writes) if draw.random() < 0.5 else None
        after = None if write else draw.uniform(0.1, 0.8 * seconds)
        ended = forked(asked, log, write, after) == 0
        moments.append("no time, since it had ended" if ended else f"write {write}" if write else f"{after:.2f} s")
        if is_complete(Path(asked.output)):
            break
    return " and ".join(moments)


def main() -> int:
    """Every kill in its turn; the exit code is 1 if a result differs."""
    given = arguments()
    place: Path = given.place
    model_and_rows(place)
    began = time.monotonic()
    if forked(recipe(place, place / "whole", given.strategy, given.precision), place / "whole.log"):
        print((place / "whole.log").read_text())
        return 1
    seconds, writes = time.monotonic() - began, int((place / "whole.writes").read_text())
    expected = result(place / "whole")
    draw = random.Random(f"{given.seed} {given.strategy} {given.precision}")
    wrong = 0
    for number in range(given.kills):
        output = place / f"killed-{number}"
        asked, log = recipe(place, output, given.strategy, given.precision), output.with_suffix(".log")
        when = interrupted(asked, log, draw, writes, seconds)
        code = 0 if is_complete(output) else forked(asked, log)
        found = result(output) if code == 0 else {}
        apart = [name for name, value in expected.items() if found.get(name) != value]
        wrong += bool(apart)
        what = f"other {', '.join(apart)}; {log.read_text()[-600:]}" if apart else "the same"
        print(f"{given.strategy} {given.precision} of {writes} writes, killed at {when}: {what}", flush=True)
    return int(wrong > 0)


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("place", type=Path)
    parser.add_argument("--strategy", choices=STRATEGIES, default="nash")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--kills", type=int, default=9)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
