"""Ratios of a benchmark run, and whether they are worse than before: times differ between machines, ratios should not.

pytest benchmarks --benchmark-json=outputs/bench-1.json
python benchmarks/ratios.py outputs/bench-*.json --baseline benchmarks/baseline.json
python benchmarks/ratios.py outputs/bench-*.json --store benchmarks/baseline.json

Of several passes the least time of each benchmark counts.
"""

import argparse
import json
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

BASE = "dense"
"""The benchmark of a group, by its `extra_info`, that the others are shares of."""

TOLERANCE = 1.25
"""So much of the stored ratio may a ratio be; two runs of three passes lay up to 18% apart."""


def ratios(*passes: Mapping[str, Any]) -> dict[str, float]:
    """Least time over that of the group's dense model, by group and shape. Example: ``{"t5 | depth-2": 0.41}``.

    The work is the same in every round and pass, so that whatever is above the least was done by somebody else.
    """
    groups: dict[str, dict[str, float]] = {}
    for one in (each for one_pass in passes for each in one_pass["benchmarks"]):
        times = groups.setdefault(one["group"], {})
        shape = one["extra_info"].get("shape", one["name"])
        times[shape] = min(times.get(shape, math.inf), one["stats"]["min"])
    return {
        f"{group} | {shape}": seconds / times[BASE]
        for group, times in groups.items()
        if BASE in times
        for shape, seconds in times.items()
        if shape != BASE
    }


def regressions(now: Mapping[str, float], before: Mapping[str, float], tolerance: float = TOLERANCE) -> list[str]:
    """What takes a larger share of the dense model's time than it did, in words."""
    return [
        f"{name}: {now[name]:.2f} of the dense model's time, {ratio:.2f} before"
        for name, ratio in before.items()
        if name in now and now[name] > tolerance * ratio
    ]


def main() -> int:
    """Print the ratios; 1 where one is worse than its stored one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("passes", type=Path, nargs="+")
    parser.add_argument("--baseline", type=Path)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--tolerance", type=float, default=TOLERANCE)
    args = parser.parse_args()
    found = ratios(*(json.loads(path.read_text(encoding="utf-8")) for path in args.passes))
    for name, ratio in found.items():
        print(f"{1 / ratio:6.2f}x  {name}")
    if args.store is not None:
        args.store.write_text(json.dumps(found, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    if args.baseline is None:
        return 0
    worse = regressions(found, json.loads(args.baseline.read_text(encoding="utf-8")), args.tolerance)
    print("\n".join(["", "slower than before:", *worse] if worse else ["", "no ratio is worse than before"]))
    return int(bool(worse))


if __name__ == "__main__":
    sys.exit(main())
