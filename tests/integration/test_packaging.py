"""What is built is what is installed and used: sdist and wheel, in a fresh environment outside the checkout."""

import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
from importlib.metadata import distribution
from pathlib import Path
from zipfile import ZipFile

import pytest

pytestmark = pytest.mark.full

ROOT = Path(__file__).parents[2]
PACKAGES = {"prunekit": "prunekit", "adapters/prunekit_adapters": "prunekit_adapters"}
PACKAGES |= {"strategies/prunekit_strategies": "prunekit_strategies"}
DATA = {
    *(f"{package}/py.typed" for package in PACKAGES.values()),
    "prunekit/report/report.html.j2",
    "prunekit/scaffold/adapter.py.j2",
    "prunekit/data/g2p/cmudict.dict.gz",
    "prunekit/data/g2p/LICENSE.cmudict",
    "prunekit/data/g2p/model/config.json",
    "prunekit/data/g2p/model/model.safetensors",
    "prunekit/data/g2p/model/tokenizer.json",
}
TINY = {
    "recovery.steps": 2,
    "training.batch": 8,
    "measure.workloads": "[{source: 4, new_tokens: 3}]",
    "measure.repeats": 1,
    "measure.eval_examples": 8,
    "measure.dev_examples": 8,
    "device": "cpu",
}
"""A run of seconds on the built-in example."""


def outside(command, cwd):
    """Run a command that sees nothing of this process's Python path."""
    usual = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "PYTHON"))}
    usual["COLUMNS"] = "200"
    done = subprocess.run([*map(str, command)], cwd=cwd, env=usual, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The directory with the sdist, and the wheel that was built from the checkout."""
    directory = tmp_path_factory.mktemp("dist")
    outside([sys.executable, "-m", "hatchling", "build", "-d", directory], ROOT)
    return directory


@pytest.fixture(scope="module")
def wheel(built):
    (path,) = built.glob("*.whl")
    return path


def contents(wheel):
    """Every file of a wheel."""
    with ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_wheel_of_the_sdist_is_that_of_the_checkout(built, wheel, tmp_path):
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    outside([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path / "again"], source)
    (again,) = (tmp_path / "again").glob("*.whl")
    assert contents(again) == contents(wheel)


def test_the_wheel_has_all_files_of_the_packages_and_no_others(wheel):
    own = {
        f"{package}/{path.relative_to(ROOT / folder).as_posix()}"
        for folder, package in PACKAGES.items()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    names = {name for name in contents(wheel) if ".dist-info/" not in name}
    assert names == own
    assert names >= DATA


def test_the_licences_come_along(wheel):
    licences = {name.partition("/licenses/")[2]: text for name, text in contents(wheel).items() if "/licenses/" in name}
    assert licences == {name: (ROOT / name).read_bytes() for name in ("LICENSE", "prunekit/data/g2p/LICENSE.cmudict")}


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The scripts of an environment with prunekit from the wheel, and everything else from this environment."""
    place = tmp_path_factory.mktemp("environment")
    venv.create(place, with_pip=False)
    python = place / "bin/python"
    (site,) = place.glob("lib/*/site-packages")
    (site / "others.pth").write_text(sysconfig.get_path("purelib"))
    outside([sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel], place)
    return place / "bin"


def test_what_is_installed_lists_itself(installed, tmp_path):
    where = outside(
        [installed / "python", "-c", "import prunekit; print(prunekit.__file__, prunekit.__version__)"], tmp_path
    )
    assert where.startswith(str(installed.parent.resolve()))
    assert where.split()[-1] == distribution("prunekit").version
    listed = outside([installed / "prunekit", "list"], tmp_path)
    first = {line.split()[0] for line in listed.splitlines() if line.strip()}
    assert {"t5", "whisper", "nash", "uniform", "g2p", "asr", "bleu", "wer"} <= first


def test_what_is_installed_runs_the_built_in_example(installed, tmp_path):
    flags = [word for name, value in TINY.items() for word in ("--set", f"{name}={value}")]
    run = ["run", "--strategy", "uniform", "--adapter", "t5", "--decoder-layers", "2", "--encoder-sparsity", "0.1"]
    outside([installed / "prunekit", *run, *flags, "--output", tmp_path / "out"], tmp_path)
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert report["layers"]["decoder_dense"] == 12
    assert len(report["layers"]["decoder_kept"]) == 2
    assert report["quality"]["dense"] > 0
    assert (tmp_path / "out/report.html").stat().st_size > 10_000
    opened = "from prunekit import from_pretrained as f; print(f('out/model').num_parameters())"
    parameters = outside([installed / "python", "-c", opened], tmp_path)
    assert int(parameters) == report["parameters"]["pruned"]
