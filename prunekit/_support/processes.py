"""How many processes a launcher started for one job."""

import os

from prunekit.errors import PrunekitError

COUNTS = ("WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE")
"""The variables by which torchrun, accelerate launch and mpirun tell every process how many there are."""


def refuse_several_processes() -> None:
    """Raise `PrunekitError` in a process that is one of several."""
    for name in COUNTS:
        count = os.environ.get(name, "1")
        if count.isdigit() and int(count) > 1:
            raise PrunekitError(
                f"A launcher such as torchrun started {count} processes for this job ({name}={count}), but prunekit "
                "works in one process on one device; start it without the launcher, or with one process."
            )
