"""How a process uses the machine: what libraries read once from the environment, before their first work."""

import os
from pathlib import Path

HUGE_PAGES = "THP_MEM_ALLOC_ENABLE"
"""PyTorch's own switch: it asks Linux for huge pages under tensors of 2 MB or more. The C library returns large tensors
to the kernel and fetches them anew; by pages of 4 KB a generation with long caches spends a third of its time there."""

SETTINGS = {"OMP_WAIT_POLICY": "passive", HUGE_PAGES: "1"}
"""Waiting threads that spin cost a busy machine most of its time; see above for the other."""

KERNEL = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def configure_runtime() -> None:
    """Set what the user has not. To be called before the process makes its first tensor."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)


def use_huge_pages() -> bool:
    """Whether large tensors lie on huge pages: the kernel gives them always, never, or to those who ask."""
    policy = KERNEL.read_text(encoding="ascii") if KERNEL.exists() else "[never]"
    return "[always]" in policy or ("[madvise]" in policy and os.environ.get(HUGE_PAGES) == "1")
