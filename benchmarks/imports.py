"""What ``import atomik_fpga`` adds to the start of Python.

``python -m benchmarks.imports [--json]``. Interpreters with and without the import start in turns.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence

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
    """Start each program ``repeats`` times, in turns; the quickest start of each one counts.

    Whatever else the machine does can only add to a start.
    """
    programs = ["pass", *(program for _, program, _ in _PROGRAMS)]
    quickest = {program: _start(program) for program in programs}
    for _ in range(repeats):
        for program in programs:
            quickest[program] = min(quickest[program], _start(program))
    return [
        Record(
            metric=metric,
            value=1e3 * (quickest[program] - quickest["pass"]),
            unit="ms",
            label="measured",
            better="lower",
            conditions={"program": program, "statistic": "minimum", "repeats": repeats},
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
