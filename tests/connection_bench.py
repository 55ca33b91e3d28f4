"""What the tests of connections share: all calls, waiting, and scripts in a process."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable

from atomik_fpga import Connection

__all__ = ["CALLS", "run_script", "wait_for"]

#: Calls that fail once the session has.
CALLS: dict[str, Callable[[Connection], object]] = {
    "accum": lambda it: it.accum(0, 1),
    "load": lambda it: it.load(0, 1),
    "clear": lambda it: it.clear(),
    "load_many": lambda it: it.load_many(0, [1, 2]),
    "accum_many": lambda it: it.accum_many([0], [1]),
    "read": lambda it: it.read(0),
    "peek": lambda it: it.peek(0),
    "swap": lambda it: it.swap(0),
    "swap to": lambda it: it.swap(0, 1),
    "read_many": lambda it: it.read_many(0, 2),
    "read_each": lambda it: it.read_each([0, 2]),
    "flush": lambda it: it.flush(),
    "allocate": lambda it: it.allocate(),
    "claim": lambda it: it.claim(0),
}

#: Seconds until what does not come counts as never coming.
_PATIENCE = 20


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "It never came"
        time.sleep(0.001)


def run_script(*parts: str) -> subprocess.CompletedProcess[str]:
    """Run a script, given in parts, that finds the tests and must complain of nothing."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", "".join(map(textwrap.dedent, parts))],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=os.path.dirname(os.path.dirname(__file__)),
    )
