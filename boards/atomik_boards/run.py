"""Running the tools of a build, one after the other, in its folder."""

from __future__ import annotations

import subprocess
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from .errors import BuildError
from .tools import Tool

__all__ = ["Progress", "run_steps"]

Progress = Callable[[str], None]

#: What the user is told when a tool starts.
_PHASES = {
    "yosys": "Synthesis",
    "nextpnr-ice40": "Place and route",
    "nextpnr-ecp5": "Place and route",
    "nextpnr-himbaechel-gowin": "Place and route",
    "icepack": "Packing the bitstream",
    "ecppack": "Packing the bitstream",
    "gowin_pack": "Packing the bitstream",
}

#: How the tools' runtime announces that it compiles a program, which it does once a version.
_FIRST_RUN = "Preparing to run "

#: Lines of a failed tool's output that the error shows.
_TAIL_LINES = 12


def run_steps(
    commands: Sequence[Sequence[str]],
    tools: Mapping[str, Tool],
    folder: Path,
    progress: Progress,
) -> None:
    """Run ``commands`` in ``folder``.

    Parameters
    ----------
    commands : sequence
        Tool name and arguments of each.
    tools : mapping
        What to run, by tool name.
    folder : Path
    progress : callable
        Called with one line of text as each tool starts, and when one has to be compiled first.

    Raises
    ------
    BuildError
        If a tool can't be started or fails; the message has the end of its output.
    """
    for name, *arguments in commands:
        tool = tools[name]
        progress(f"{_PHASES[name]} ({tool.package} {tool.version})")
        _run(tool, arguments, folder, progress)


def _run(tool: Tool, arguments: Sequence[str], folder: Path, progress: Progress) -> None:
    tail: deque[str] = deque(maxlen=_TAIL_LINES)
    try:
        process = subprocess.Popen(
            [tool.path, *arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        raise BuildError(f"{tool.name} can't be started: {error}") from error
    with process, ExitStack() as abort:
        # Whatever interrupts the loop also ends the tool.
        abort.callback(process.kill)
        for line in process.stdout or ():
            if line.startswith(_FIRST_RUN):
                progress(f"First run of {tool.name}: compiling it, which takes up to a minute")
            elif line.strip():
                tail.append(line.rstrip())
        abort.pop_all()
    if process.returncode:
        output = "\n".join(tail)
        raise BuildError(f"{tool.name} failed with exit code {process.returncode}:\n{output}")
