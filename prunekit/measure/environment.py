"""On what a figure was measured: versions and hardware, nothing that names a machine, a user or a path."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from prunekit._support.runtime import use_huge_pages

PACKAGES = ("torch", "transformers", "prunekit")
CPU_INFO = Path("/proc/cpuinfo")


def environment() -> dict[str, str | int]:
    """Python, package versions, processor, cores, threads, platform, and the graphics card where there is one."""
    facts: dict[str, str | int] = {"python": platform.python_version()}
    facts |= {package: _version(package) for package in PACKAGES}
    facts |= {"cpu": cpu_model(), "cores": os.cpu_count() or 1, "threads": torch.get_num_threads()}
    facts |= {"platform": f"{platform.system()} {platform.machine()}"}
    if use_huge_pages():
        facts |= {"large tensors": "on huge pages"}
    if torch.cuda.is_available():
        facts |= {"gpu": torch.cuda.get_device_name(), "cuda": str(torch.version.cuda)}
    return facts


def cpu_model() -> str:
    """The processor's name for people: from the kernel where it tells, else the architecture."""
    lines = CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines() if CPU_INFO.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
