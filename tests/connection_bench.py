"""What the tests of connections share: waiting with a deadline, and scripts in a process."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable

__all__ = ["run_script", "wait_for"]

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
