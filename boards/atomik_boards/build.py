"""From a board's name to a bitstream whose timing was checked."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import atomik_fpga
from atomik_fpga.protocol import VERSION_MAJOR, VERSION_MINOR

from .catalog import Board, Family, find_board
from .design import Design, Fabric, plan_design
from .errors import BuildError
from .run import Progress, run_steps
from .timing import ClockResult, check_timing
from .tools import Tool, find_tools, tool_versions
from .top import BoardTop

__all__ = ["BuildResult", "build_board", "build_files"]

_NAME = "top"
_OVERRIDE = "AMARANTH_"
_REPORT = "top.report.json"
_MANIFEST = "manifest.json"
_BITSTREAMS = {Family.ICE40: "top.bin", Family.ECP5: "top.bit"}
_CONSTRAINTS = {Family.ICE40: "top.pcf", Family.ECP5: "top.lpf"}


@dataclass(frozen=True, slots=True)
class BuildResult:
    """A build that passed.

    Attributes
    ----------
    bitstream : Path
        Absolute.
    manifest : dict
        What ``manifest.json`` beside it holds.
    folder : Path
        Absolute; the tools' logs and reports are in it too.
    """

    bitstream: Path
    manifest: dict[str, Any]
    folder: Path


def build_board(
    board: str | Board,
    *,
    out: str | Path | None = None,
    freq: int | None = None,
    baud: int | None = None,
    contexts: int | None = None,
    width: int | None = None,
    seed: int | None = None,
    lanes: int | None = None,
    fabric: Fabric | None = None,
    progress: Callable[[str], None] | None = None,
) -> BuildResult:
    """Build the device for ``board``.

    The same board, options and tool versions give the same bitstream, byte for byte, in any folder.

    Parameters
    ----------
    board : str or Board
        A name from the catalog, or a board of one's own.
    out : path or None
        The build folder, made if need be; None for ``build/BOARD``. A manifest and a bitstream of
        an earlier build are removed from it first.
    freq, baud, contexts, width, seed, lanes : int or None
        As in `plan_design`: hertz, bit/s, contexts, bits, seed of place and route, lanes of banks.
    fabric : Fabric or None
        A component of one's own beside the device, and its pins.
    progress : callable or None
        Called with one line of text at the start of each phase.

    Raises
    ------
    UnknownBoardError
        If there is no board of that name.
    ClockError, BaudError
        If the board can't make the frequency or the line rate. Nothing was run.
    ToolMissingError
        If a program is not installed. Nothing was run.
    TimingError
        If a clock was not constrained as intended, or is too slow.
    BuildError
        If a parameter is out of its range, or a tool fails.
    """
    if isinstance(board, str):
        board = find_board(board)
    report: Progress = _ignore if progress is None else progress
    design = plan_design(
        board, freq=freq, baud=baud, contexts=contexts, width=width, seed=seed, lanes=lanes
    )
    design = replace(design, fabric=fabric)
    tools = find_tools(board.family)
    folder = Path("build", board.name) if out is None else Path(out)
    folder = folder.absolute()

    report(f"Elaborating {board.title}")
    build_id, files = build_files(design)
    bitstream = folder / _BITSTREAMS[board.family]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for stale in (bitstream, folder / _MANIFEST, folder / _REPORT):
            stale.unlink(missing_ok=True)
        for name, content in files.items():
            (folder / name).write_text(content, encoding="utf-8", newline="\n")
    except OSError as error:
        raise BuildError(f"The build folder {folder} can't be written: {error}") from error

    run_steps(json.loads(files[f"build_{_NAME}.json"])["commands"], tools, folder, report)

    report("Checking timing")
    # A bitstream that did not pass is not left to be flashed.
    try:
        timing = _read_report(folder / _REPORT)
        clocks = check_timing(timing, {"clk": design.clock.hz})
    except BuildError:
        bitstream.unlink(missing_ok=True)
        raise
    manifest = _manifest(design, build_id, clocks, timing, tools, bitstream)
    text = json.dumps(manifest, indent=2) + "\n"
    (folder / _MANIFEST).write_text(text, encoding="utf-8", newline="\n")
    return BuildResult(bitstream, manifest, folder)


def _ignore(_line: str) -> None:
    """The progress of those who asked for none."""


def build_files(design: Design) -> tuple[int, dict[str, str]]:
    """Return the build id of ``design``, and what the tools are given.

    Returns
    -------
    build_id : int
        As in `DeltaDevice`.
    files : dict of str to str
        By name: source, constraints, scripts.
    """
    build_id = _build_id(_prepare(design, build_id=0), design.board.family)
    return build_id, _prepare(design, build_id=build_id)


def _prepare(design: Design, *, build_id: int) -> dict[str, str]:
    """Return the files of a build by name: netlist, constraints, scripts."""
    module, _, name = design.board.platform.partition(":")
    platform = getattr(importlib.import_module(module), name)()
    if design.fabric is not None:
        platform.add_resources(design.fabric.resources)
    options = f"--seed {design.seed} --report {_REPORT} --timing-allow-fail"
    plan = platform.prepare(
        BoardTop(design, build_id=build_id),
        _NAME,
        # Source locations hold the paths of this machine.
        emit_src=False,
        # The gate judges timing, with both numbers, and keeps the report.
        nextpnr_opts=options,
    )
    return dict(plan.files)


def _build_id(files: Mapping[str, str], family: Family) -> int:
    """First 64 bits of a hash over netlist and constraints: the same for every seed and tool."""
    digest = hashlib.sha256()
    for name in (f"{_NAME}.il", _CONSTRAINTS[family]):
        digest.update(files[name].encode())
    return int.from_bytes(digest.digest()[:8], "big")


def _read_report(path: Path) -> dict[str, Any]:
    try:
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BuildError(f"Place and route left no readable report {path}: {error}") from error
    return report


def _manifest(
    design: Design,
    build_id: int,
    clocks: Mapping[str, ClockResult],
    timing: Mapping[str, Any],
    tools: Mapping[str, Tool],
    bitstream: Path,
) -> dict[str, Any]:
    board = design.board
    return {
        "board": board.name,
        "part": board.part,
        "bitstream": bitstream.name,
        "sha256": hashlib.sha256(bitstream.read_bytes()).hexdigest(),
        "build_id": f"{build_id:016x}",
        "version": atomik_fpga.__version__,
        "protocol": f"{VERSION_MAJOR}.{VERSION_MINOR}",
        "contexts": design.contexts,
        "width": design.width,
        "lanes": design.lanes,
        "reply_slots": board.reply_slots,
        "baud": design.baud,
        "baud_error": design.baud_error,
        "clocks": {
            name: {"wanted_hz": clock.wanted_hz, "reached_hz": clock.reached_hz}
            for name, clock in clocks.items()
        },
        "pll": design.clock.pll is not None,
        "utilization": {
            cell: figures
            for cell, figures in sorted(timing["utilization"].items())
            if figures["used"]
        },
        "seed": design.seed,
        # Amaranth takes options of the tools from these: whoever sets them builds another thing.
        "overrides": {
            name: value for name, value in sorted(os.environ.items()) if name.startswith(_OVERRIDE)
        },
        "tools": tool_versions(tools.values()),
    }
