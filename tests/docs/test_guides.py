"""The guides to tasks and metrics: what they write passes the suite as they say, from their own text."""

import importlib
import inspect
import json
import re
import sys
from pathlib import Path

import pytest
import yaml

from prunekit import TaskPlugin, plugins
from prunekit._support.nested import override
from prunekit.loading.metrics import open_metrics
from prunekit.loading.resolve import resolve
from prunekit.loading.task import open_task
from prunekit.testing import MetricSuite, TaskSuite

ROOT = Path(__file__).parents[2]


def blocks(path):
    """The blocks of Python in a guide, and its last lines of TOML as name and module."""
    text = (ROOT / path).read_text(encoding="utf-8")
    (declared,) = re.findall(r"```toml\n.*\n(\w+) = \"([\w.]+)\"\n```", text)
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL), declared


def test_the_recipe_for_stages_of_recovery_is_one_and_its_flag_the_same():
    text = (ROOT / "docs/recovery.md").read_text(encoding="utf-8")
    (recipe,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    (flag,) = re.findall(r"--set '(recovery\.stages=.*?)'", text)
    stages = resolve(yaml.safe_load(recipe)).recovery.stages
    assert [stage.share for stage in stages] == [0.6, 0.4]
    assert resolve(override({}, [flag])).recovery.stages == stages


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Write modules of the package that the guides call ``my_package``, and import them."""
    (tmp_path / "my_package").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    forget()

    def write(module, source):
        (tmp_path / f"{module.replace('.', '/')}.py").write_text(source)
        importlib.invalidate_caches()
        return importlib.import_module(module)

    yield write
    forget()


def forget():
    for name in [name for name in sys.modules if name.partition(".")[0] in ("my_package", "test_of_the_guide")]:
        del sys.modules[name]


def run(suite):
    """Every check of a suite; returns those that were skipped."""
    made = suite()
    skipped = set()
    for name in [name for name in dir(made) if name.startswith("test_")]:
        check = getattr(made, name)
        try:
            check(*([made.open()] if "opened" in inspect.signature(check).parameters else []))
        except pytest.skip.Exception:
            skipped.add(name)
    return skipped


def test_the_guides_task_passes_the_guides_test(package, install):
    (written, _, tested), (name, module) = blocks("docs/write-a-task.md")
    package(module, written)
    install(name, "", group="prunekit.tasks", value=module)
    suite = package("test_of_the_guide", tested).TestSpoken
    assert issubclass(suite, TaskSuite)
    assert run(suite) == {"test_its_model_fits_its_adapter", "test_targets_survive_the_tokenizer"}
    task = open_task(resolve({"model": "x", "task": {"name": name}}).task)
    row = task.test["source"][:].index("407")
    assert task.test["target"][row] == "four zero seven"
    assert [metric.name for metric in task.metrics] == ["exact_match", "wer"]


def test_the_guides_task_of_files_scores_without_case(package, install, tmp_path):
    (_, written, _), _ = blocks("docs/write-a-task.md")
    module = package("my_package.headlines", written)
    install("headlines", "", group="prunekit.tasks", value="my_package.headlines")
    assert issubclass(plugins.load(plugins.TASKS, "headlines"), TaskPlugin)
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({"article": "It rained.", "headline": "Rain"}) + "\n")
    files = {"name": "headlines", "train": str(rows), "eval": str(rows), "metric": "exact_match"}
    task = open_task(resolve({"model": "x", "task": files}).task)
    assert (task.name, task.section.source_length) == (module.Headlines.name, 512)
    assert task.metrics[0].score(["RAIN"], task.test["references"][:]) == 1


def test_the_guides_metric_passes_the_guides_test(package, install):
    (written, tested), (name, module) = blocks("docs/write-a-metric.md")
    package(module, written)
    install(name, "", group="prunekit.metrics", value=module)
    suite = package("test_of_the_guide", tested).TestWordF1
    assert issubclass(suite, MetricSuite)
    assert run(suite) == set()
    (metric,) = open_metrics(name)
    assert metric.score(["the cat sat", "a b"], [["the cat ran off", "a dog"], ["c", "b"]]) == pytest.approx(
        (2 * 2 / 7 + 2 * 1 / 3) / 2
    )
