"""What ``import atomik_fpga`` adds to the start of Python.

``python -m benchmarks.imports [--json]``. Interpreters with and without the import start in turns.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from statistics import median

from .record import Record, run

__all__ = ["measure"]

_REPEATS = 21
_TARGET_MS = 150

#: Metric, and what a program of that kind imports.
_PROGRAMS = (
    ("import_package", "import atomik_fpga", _TARGET_MS),
    ("import_context", "from atomik_fpga import AtomikContext", _TARGET_MS),
    ("import_connect", "from atomik_fpga import connect", None),
)


def measure(repeats: int = _REPEATS) -> Sequence[Record]:
    """Start each program ``repeats`` times, once before to warm the caches of the file system."""
    empty = _start("pass")
    costs: dict[str, list[float]] = {metric: [] for metric, _, _ in _PROGRAMS}
    for _, program, _ in _PROGRAMS:
        _start(program)
    for _ in range(repeats):
        empty = _start("pass")
        for metric, program, _ in _PROGRAMS:
            costs[metric].append(1e3 * (_start(program) - empty))
    return [
        Record(
            metric=metric,
            value=median(costs[metric]),
            unit="ms",
            label="measured",
            better="lower",
            conditions={
                "program": program,
                "statistic": "median",
                "min": round(min(costs[metric]), 3),
                "repeats": repeats,
            },
            target=target,
        )
        for metric, program, target in _PROGRAMS
    ]


def _start(program: str) -> float:
    """Return the seconds that one interpreter lives."""
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True)
    return time.perf_counter() - begin


if __name__ == "__main__":
    sys.exit(run("imports", __doc__ or "", measure))
