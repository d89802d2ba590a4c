"""Trackers (TensorBoard, trackio, ...): they are sent every line of a run's log once, and its final figures."""

import json
import logging
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from prunekit._support.atomic import write_text
from prunekit._support.suggest import hint
from prunekit.errors import PrunekitError, error_line
from prunekit.recipe import Recipe
from prunekit.report.report import Report

log = logging.getLogger(__name__)

PROJECT = "prunekit"
"""What runs are filed under, where a tracker knows projects or experiments."""


def check_trackers(names: Sequence[str]) -> None:
    """Raise `PrunekitError` for a tracker that accelerate does not know, or whose library is not installed."""
    if not names:
        return
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers

    installed = {str(name) for name in get_available_trackers()}
    for name in names:
        if name not in LOGGER_TYPE_TO_CLASS:
            raise PrunekitError(
                f"There is no tracker {name!r} (training.report_to); {hint(name, LOGGER_TYPE_TO_CLASS)}"
            )
        if name not in installed:
            raise PrunekitError(
                f"The tracker {name!r} (training.report_to) is not installed; pip install {name}, or leave it out."
            )


class Trackers:
    """The trackers of one run, by accelerate's classes; they are opened when there is something to send.

    Steps continue over a run's trainings. Example: after a teacher's 100 steps, the loss at step 20 of recovery is
    ``recover/loss`` at step 120. `work` notes how many lines were sent, so that a resumed run, whose log is cut back to
    its checkpoint, sends none twice. A tracker that fails is left out from then on, with a warning.
    """

    def __init__(self, names: Sequence[str], output: Path, log: Path, work: Path):
        self.names = tuple(dict.fromkeys(names))
        self.output = output
        self.note = work / "trackers.json"
        self.entries = LogEntries(log)
        self._open: dict[str, Any] | None = None
        self._sent: dict[str, Any] = {}

    def follow(self, recipe: Recipe) -> None:
        """Send what was logged and not sent yet; `recipe` is the resolved one, which new trackers are given."""
        if not self.names:
            return
        self._begin(recipe)
        for number, step, figures in self.entries.read():
            if number > self._sent["lines"]:
                self._log(figures, step)
                self._save(lines=number)

    def conclude(self, recipe: Recipe, report: Report) -> None:
        """Send the rest of the log, and the figures of the report."""
        if not self.names:
            return
        self.follow(recipe)
        if not self._sent["final"]:
            figures = final_figures(report)
            self._log(figures, self.entries.before)
            self._each(lambda tracker: _add_hparams(tracker, _flat(recipe), figures))
            self._save(final=True)

    def close(self) -> None:
        """Let every tracker end its run, however the run ended."""
        self._each(lambda tracker: tracker.finish())
        self._open = None

    def _begin(self, recipe: Recipe) -> None:
        """Open the trackers, or those of the process that was killed again."""
        if self._open is not None:
            return
        new = not self.note.exists()
        if new:
            self._save(id=uuid.uuid4().hex, lines=0, final=False, runs={})
        self._sent = json.loads(self.note.read_text(encoding="utf-8"))
        self._open = dict.fromkeys(self.names)
        for name in self.names:
            self._guarded(name, partial(self._start, name, recipe, new))

    def _start(self, name: str, recipe: Recipe, new: bool) -> None:
        from accelerate.tracking import LOGGER_TYPE_TO_CLASS

        tracker = LOGGER_TYPE_TO_CLASS[name](**self._options(name, _flat(recipe), new))
        getattr(tracker, "start", lambda: None)()  # accelerate before 1.8 starts at once
        assert self._open is not None
        self._open[name] = tracker
        if name == "mlflow":
            self._save(runs={**self._sent["runs"], name: tracker.active_run.info.run_id})
        if not new:
            return
        if name == "tensorboard":
            tracker.log({"recipe": "\n".join("    " + line for line in recipe.dump().splitlines())}, step=0)
        elif name not in ("trackio", "wandb"):  # these are given it at once
            tracker.store_init_configuration(_flat(recipe))

    def _options(self, name: str, config: Mapping[str, Any], new: bool) -> dict[str, Any]:
        """What the tracker's class is given: the run's name is that of its directory, as a comparison names trials."""
        run = self.output.resolve().name
        if name == "tensorboard":
            return {"run_name": name, "logging_dir": str(self.output)}
        if name == "trackio":
            resume = "never" if new else "allow"
            return {"run_name": PROJECT, "name": run, "resume": resume, "config": config, "embed": False}
        if name == "wandb":
            same = {"id": self._sent["id"], "resume": "allow"}
            return {"run_name": PROJECT, "name": run, "config": config, **same}
        if name == "mlflow":
            return {"experiment_name": PROJECT, "run_name": run, "run_id": self._sent["runs"].get(name)}
        from accelerate.tracking import LOGGER_TYPE_TO_CLASS

        directory = LOGGER_TYPE_TO_CLASS[name].requires_logging_directory
        return {"run_name": run, **({"logging_dir": str(self.output)} if directory else {})}

    def _log(self, figures: Mapping[str, float], step: int) -> None:
        self._each(lambda tracker: tracker.log(dict(figures), step=step))

    def _each(self, work: Callable[[Any], object]) -> None:
        for name, tracker in list((self._open or {}).items()):
            self._guarded(name, partial(work, tracker))

    def _guarded(self, name: str, work: Callable[[], object]) -> None:
        """Work on one tracker; whatever happens to it must not end the run."""
        try:
            with _process_state():
                work()
        except Exception as error:
            (self._open or {}).pop(name, None)
            log.warning("The tracker %s is sent nothing more: %s; the log has everything.", name, error_line(error))

    def _save(self, **changed: Any) -> None:
        self._sent = {**self._sent, **changed}
        write_text(self.note, json.dumps(self._sent))


class LogEntries:
    """The lines of a ``log.jsonl`` as they come, each with its number and its step, counted over all trainings.

    The line that sums up a training is none of them; its steps count as `before` from then on.
    """

    def __init__(self, path: Path):
        self.path = path
        self.before = 0
        self._position = 0
        self._number = 0

    def read(self) -> Iterator[tuple[int, int, dict[str, float]]]:
        """What was written since the last call: the number of a line, its step, its figures by ``phase/figure``."""
        for line in self._new():
            entry = json.loads(line)
            phase = entry.pop("phase")
            step = entry.pop("step")
            if "train_runtime" in entry:
                self.before += step
                continue
            self._number += 1
            yield self._number, self.before + step, {f"{phase}/{name}": value for name, value in entry.items()}

    def _new(self) -> list[bytes]:
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            file.seek(self._position)
            whole = file.read().rpartition(b"\n")[0]
        self._position += len(whole) + 1 if whole else 0
        return whole.splitlines()


def final_figures(report: Report) -> dict[str, float]:
    """The figures by which runs are compared. Example: ``{"final/quality_pruned": 0.91, "final/speedup": 3.0}``."""
    figures: dict[str, float | None] = {
        "parameters_dense": report.parameters.dense,
        "parameters_pruned": report.parameters.pruned,
        **{f"sparsity_{part}": value for part, value in report.sparsity.model_dump().items()},
    }
    if report.quality is not None:
        quality = report.quality
        figures |= {f"quality_{key}": getattr(quality, key) for key in ("dense", "pruned", "retained")}
        if quality.loss is not None:
            figures |= {"loss_dense": quality.loss.dense, "loss_pruned": quality.loss.pruned}
    if report.latency is not None:
        figures["speedup"] = report.latency.speedup
    return {f"final/{name}": float(value) for name, value in figures.items() if value is not None}


def _add_hparams(tracker: Any, config: Mapping[str, Any], figures: Mapping[str, float]) -> None:
    """TensorBoard's table of runs wants both at once, in a run of their own unless its name is ``.``."""
    if tracker.name == "tensorboard":
        tracker.tracker.add_hparams(dict(config), dict(figures), run_name=".")


def _flat(recipe: Recipe) -> dict[str, Any]:
    """The recipe's keys with dots, and values of the types that every tracker takes."""

    def flatten(section: Mapping[str, Any], before: str) -> Iterator[tuple[str, Any]]:
        for key, value in section.items():
            if isinstance(value, Mapping):
                yield from flatten(value, f"{before}{key}.")
            elif value is not None:
                yield before + key, value if isinstance(value, int | float | str) else json.dumps(value)

    return dict(flatten(recipe.model_dump(mode="json"), ""))


@contextmanager
def _process_state() -> Iterator[None]:
    """Give accelerate's trackers the state that they ask it for; it forgets what it did not know before."""
    from accelerate import PartialState

    known = bool(PartialState._shared_state)
    if not known:
        PartialState(cpu=True)
    try:
        yield
    finally:
        if not known:
            PartialState._reset_state()
