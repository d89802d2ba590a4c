"""Process settings that libraries read once from the environment, before their first work."""

import os
from pathlib import Path

HUGE_PAGES = "THP_MEM_ALLOC_ENABLE"
"""PyTorch's switch for huge pages under tensors of 2 MB or more, on Linux. The C library returns large tensors to the
kernel and fetches them anew; by pages of 4 KB a generation with long caches spends a third of its time there."""

SETTINGS = {"OMP_WAIT_POLICY": "passive", HUGE_PAGES: "1"}
"""Passive, because threads that spin while they wait cost a busy machine most of its time."""

KERNEL = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def configure_runtime() -> None:
    """Set in the environment what the user has not set. Call it before the process creates its first tensor."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)


def use_huge_pages() -> bool:
    """Whether large tensors lie on huge pages: the kernel's policy is always, on request (madvise) or never."""
    policy = KERNEL.read_text(encoding="ascii") if KERNEL.exists() else "[never]"
    requested = os.environ.get(HUGE_PAGES) == "1"
    return "[always]" in policy or ("[madvise]" in policy and requested)
