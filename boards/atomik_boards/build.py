"""From a board's name to a bitstream whose timing was checked."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from atomik_fpga.cache import Cache

from .board import Board, Family
from .catalog import find_board
from .design import Design, Fabric, plan_design
from .errors import BuildError, TimingError
from .fit import check_part
from .flow import BITSTREAMS, CONSTRAINTS, NAME, NETLIST, PLACEMENT, REPORT, Flow, Synthesis
from .manifest import line_plan, make_manifest
from .platforms import load_platform
from .report import collect, read_placement, render
from .run import Progress
from .sources import Locator, portable_locations
from .timing import ClockResult, check_timing, read_clocks
from .tools import find_tools
from .top import BoardTop

__all__ = ["BuildResult", "build_board", "build_files", "identify"]

_MANIFEST = "manifest.json"
_PAGE = "report.html"
_CACHE = "builds"
#: Of the fabric clock's net, by which reports know it.
_CLOCK = "clk"


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
    report : Path
        The page for people.
    seconds : float
        That the build took.
    cached : bool
        Whether all of it was in the cache.
    """

    bitstream: Path
    manifest: dict[str, Any]
    folder: Path
    report: Path
    seconds: float
    cached: bool


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
    clock: str | None = None,
    rx: str | None = None,
    tx: str | None = None,
    fabric: Fabric | None = None,
    seeds: int = 1,
    toolchain: str = "packages",
    cached: bool = True,
    progress: Callable[[str], None] | None = None,
) -> BuildResult:
    """Build the device for ``board``.

    The same board, options and tool versions give the same bitstream, byte for byte, in any folder.

    Parameters
    ----------
    board : str or Board
        A name from the catalog, or a board of one's own.
    out : path or None
        The build folder, made if need be; None for ``build/BOARD``. A manifest, a report and a
        bitstream of an earlier build are removed from it first.
    freq, baud, contexts, width, seed, lanes : int or None
        As in `plan_design`: hertz, bit/s, contexts, bits, seed of place and route, lanes of banks.
    clock, rx, tx : str or None
        As in `plan_design`: another clock of the board, other pins of the UART.
    fabric : Fabric or None
        A component of one's own beside the device, and its pins.
    seeds : int
        How many seeds to try, from ``seed`` on; the one with the fastest clock is kept.
    toolchain : str
        ``packages``, or ``native`` for the programs on ``PATH``; as in `find_tools`.
    cached : bool
        Whether what was made before of the same input is taken from the cache, and kept in it.
    progress : callable or None
        Called with one line of text at the start of each phase.

    Raises
    ------
    UnknownBoardError
        If there is no board of that name.
    ClockError, BaudError
        If the board can't make the frequency or the line rate. Nothing was run.
    TooSmallError
        If the board's part has too few cells for any size of the device. Nothing was run.
    ToolMissingError
        If a program is not installed. Nothing was run.
    FitError
        If the part has not enough cells for this size.
    TimingError
        If a clock was not constrained as intended, or is too slow.
    BuildError
        If a parameter is out of its range, or a tool fails.
    CacheError
        If the cache can't be used.
    """
    began = time.monotonic()
    if isinstance(board, str):
        board = find_board(board)
    check_part(board)
    report: Progress = _ignore if progress is None else progress
    design = plan_design(
        board,
        freq=freq,
        baud=baud,
        contexts=contexts,
        width=width,
        seed=seed,
        lanes=lanes,
        clock=clock,
        rx=rx,
        tx=tx,
    )
    design = replace(design, fabric=fabric)
    if not isinstance(seeds, int) or isinstance(seeds, bool) or seeds < 1:
        raise BuildError(f"Seeds must be at least 1, not {seeds!r}")
    tools = find_tools(board.family, toolchain)
    folder = Path("build", board.name) if out is None else Path(out)
    folder = folder.absolute()

    report(f"Elaborating {board.title}")
    build_id, files = build_files(design)
    bitstream = folder / BITSTREAMS[board.family]
    _prepare_folder(folder, files, stale=(bitstream.name, _MANIFEST, REPORT, _PAGE))
    with ExitStack() as stack:
        place = None if cached else Path(stack.enter_context(tempfile.TemporaryDirectory()))
        flow = Flow(board, files, tools, Cache(_CACHE, place), report)
        synthesis = flow.synthesise()
        best, reached = _try_seeds(flow, synthesis, design, seeds, report)
        for made in (synthesis.folder, best):
            _take(made, folder)

    report("Checking timing")
    # A bitstream that did not pass is not left to be flashed.
    try:
        timing = _read_json(folder / REPORT)
        clocks = check_timing(timing, {_CLOCK: design.clock.hz})
    except BuildError:
        bitstream.unlink(missing_ok=True)
        raise
    design = replace(design, seed=max(reached, key=lambda it: reached[it]))
    manifest = make_manifest(design, build_id, clocks, timing, tools, bitstream)
    _write(folder / _MANIFEST, json.dumps(manifest, indent=2) + "\n")
    report("Writing the report")
    from_top = board.family is not Family.ICE40
    placement = read_placement(_read_json(folder / PLACEMENT), from_top=from_top)
    locator = Locator(_read_json(folder / NETLIST))
    facts = collect(timing, manifest, placement, locator, line_plan(design), reached)
    _write(folder / _PAGE, render(facts))
    seconds = time.monotonic() - began
    return BuildResult(bitstream, manifest, folder, folder / _PAGE, seconds, not flow.ran)


def _ignore(_line: str) -> None:
    """The progress of those who asked for none."""


def identify(design: Design) -> int:
    """Return the build id of ``design``, as `DeltaDevice` has it.

    The first 64 bits of a hash over netlist and constraints, without the places in the source that
    they come from: the same for every seed and tool.
    """
    bare = _prepare(design, build_id=0, locations=False)
    digest = hashlib.sha256()
    for name in (f"{NAME}.il", CONSTRAINTS[design.board.family]):
        digest.update(bare[name].encode())
    return int.from_bytes(digest.digest()[:8], "big")


def build_files(design: Design) -> tuple[int, dict[str, str]]:
    """Return the build id of ``design``, and what the tools are given.

    Returns
    -------
    build_id : int
        As from `identify`.
    files : dict of str to str
        By name: source, constraints, scripts.
    """
    build_id = identify(design)
    files = _prepare(design, build_id=build_id, locations=True)
    files[f"{NAME}.il"] = portable_locations(files[f"{NAME}.il"])
    return build_id, files


def _prepare(design: Design, *, build_id: int, locations: bool) -> dict[str, str]:
    """Return the files of a build by name: netlist, constraints, scripts."""
    platform, uart = load_platform(design.board)
    if design.fabric is not None:
        platform.add_resources(design.fabric.resources)
    # The gate judges timing, with both numbers, and keeps the report.
    options = f"--seed {design.seed} --report {REPORT} --timing-allow-fail"
    top = BoardTop(design, uart, build_id=build_id)
    plan = platform.prepare(top, NAME, emit_src=locations, nextpnr_opts=options)
    return dict(plan.files)


def _prepare_folder(folder: Path, files: Mapping[str, str], stale: tuple[str, ...]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in stale:
            (folder / name).unlink(missing_ok=True)
        for name, content in files.items():
            _write(folder / name, content)
    except OSError as error:
        raise BuildError(f"The build folder {folder} can't be written: {error}") from error


def _take(made: Path, folder: Path) -> None:
    """Copy what was made into the build folder."""
    try:
        shutil.copytree(made, folder, dirs_exist_ok=True)
    except OSError as error:
        raise BuildError(f"The build folder {folder} can't be written: {error}") from error


def _try_seeds(
    flow: Flow, synthesis: Synthesis, design: Design, seeds: int, progress: Progress
) -> tuple[Path, dict[int, int]]:
    """Return what the best seed made, and by seed how many hertz were reached."""
    made: dict[int, tuple[ClockResult, Path]] = {}
    failure: BuildError | None = None
    for seed in range(design.seed, design.seed + seeds):
        try:
            folder = flow.place(synthesis, seed)
            timing = _read_json(folder / REPORT)
            clock = read_clocks(timing, {_CLOCK: design.clock.hz})[_CLOCK]
        except TimingError:
            # A constraint that does not bind does so for no seed.
            raise
        except BuildError as error:
            failure = error
            continue
        made[seed] = (clock, folder)
        if seeds > 1:
            progress(f"Seed {seed}: {clock.reached_hz / 1e6:.2f} MHz")
    if not made:
        raise failure or BuildError("No seed was tried")
    best = max(made, key=lambda seed: made[seed][0].reached_hz)
    return made[best][1], {seed: clock.reached_hz for seed, (clock, _) in made.items()}


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BuildError(f"Place and route left no readable report {path}: {error}") from error
    return content


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
