"""The tools of a build in their order: synthesis, the fit gate, place and route, the bitstream.

What a tool made of the same input is taken from the cache. Each of its entries is made in a folder
of its own, so that the seeds of one design don't disturb each other.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atomik_fpga.cache import Cache, content_key

from .board import Board, Family
from .errors import BuildError, FitError
from .fit import Need, check_fit
from .run import Progress, run_steps
from .tools import Tool

__all__ = [
    "BITSTREAMS",
    "CONSTRAINTS",
    "NAME",
    "NETLIST",
    "PLACEMENT",
    "REPORT",
    "Flow",
    "Synthesis",
]

#: Of the design's top, and of all files that the tools read and write.
NAME = "top"
REPORT = f"{NAME}.report.json"
BITSTREAMS = {
    Family.ICE40: f"{NAME}.bin",
    Family.ECP5: f"{NAME}.bit",
    Family.GOWIN: f"{NAME}.fs",
}
CONSTRAINTS = {
    Family.ICE40: f"{NAME}.pcf",
    Family.ECP5: f"{NAME}.lpf",
    Family.GOWIN: f"{NAME}.cst",
}

NETLIST = f"{NAME}.json"
_PLACED = f"{NAME}.placed.json"
PLACEMENT = f"{NAME}.placement.json"
#: Differs when what is kept of a run does.
_FORMAT = "1"
#: What place and route says when something found no place.
_NO_ROOM = ("no BELs remaining", "no Bels remaining", "failed to place", "Unable to place cell")
#: What place and route for iCE40 and for ECP5 says of a pin that the package has not.
_NO_PIN = re.compile(
    r"package does not have a pin named '([^']+)'"
    r"|constrained to pin '([^']+)', which does not exist for package"
)


@dataclass(frozen=True, slots=True)
class Synthesis:
    """A netlist that fits.

    Attributes
    ----------
    key : str
        Differs when the netlist, or what made it, does.
    folder : Path
        Where the netlist and the tool's log are.
    needs : list of Need
        What the netlist needs of the part.
    """

    key: str
    folder: Path
    needs: list[Need]


class Flow:
    """The tools of one design.

    Parameters
    ----------
    board : Board
    files : mapping of str to str
        What the tools are given, by name, as `build.build_files` returns it.
    tools : mapping of str to Tool
        By Amaranth's names.
    cache : Cache
    progress : callable
        Called with one line of text as each tool starts.
    """

    def __init__(
        self,
        board: Board,
        files: Mapping[str, str],
        tools: Mapping[str, Tool],
        cache: Cache,
        progress: Progress,
    ) -> None:
        self._board = board
        self._files = files
        self._tools = tools
        self._cache = cache
        self._progress = progress
        self._ran = False
        # Tools that Amaranth's platforms run besides only serve their own ways of programming.
        commands: list[list[str]] = json.loads(files[f"build_{NAME}.json"])["commands"]
        self._commands = [command for command in commands if command[0] in tools]

    @property
    def ran(self) -> bool:
        """Whether a tool had to run: not all came from the cache."""
        return self._ran

    def synthesise(self) -> Synthesis:
        """Return the netlist.

        Raises
        ------
        FitError
            If the part has not enough cells.
        BuildError
            If the tool fails.
        """
        command = self._commands[0]
        sources = [self._files[f"{NAME}.il"], self._files[f"{NAME}.ys"]]
        key = content_key("synthesis", _FORMAT, *sources, *command, self._version(command))

        def make(folder: Path) -> None:
            self._write(folder, f"{NAME}.il", f"{NAME}.ys")
            run_steps([command], self._tools, folder, self._progress)
            self._remove(folder, f"{NAME}.il", f"{NAME}.ys")

        folder = self._get(key, make, "Synthesis")
        self._progress("Checking that it fits")
        with (folder / NETLIST).open(encoding="utf-8") as file:
            needs = check_fit(json.load(file), self._board)
        return Synthesis(key, folder, needs)

    def place(self, synthesis: Synthesis, seed: int) -> Path:
        """Return the folder of what place and route made with ``seed``, and of the bitstream.

        Raises
        ------
        FitError
            If something found no place.
        BuildError
            If a tool fails.
        """
        route, *pack = self._commands[1:]
        route = [*route, "--write", _PLACED]
        route[route.index("--seed") + 1] = str(seed)
        constraints = CONSTRAINTS[self._board.family]
        words = [word for command in (route, *pack) for word in (*command, self._version(command))]
        key = content_key("placement", _FORMAT, synthesis.key, self._files[constraints], *words)

        def make(folder: Path) -> None:
            self._write(folder, constraints)
            # The tools' runtime does not let them see every folder; the one they run in they do.
            shutil.copyfile(synthesis.folder / NETLIST, folder / NETLIST)
            try:
                run_steps([route], self._tools, folder, self._progress)
            except BuildError as error:
                raise self._explain(error) from error
            run_steps(pack, self._tools, folder, self._progress)
            _shorten(folder)
            self._remove(folder, constraints, NETLIST, _PLACED)

        return self._get(key, make, f"Place and route, seed {seed}")

    def _get(self, key: str, make: Any, phase: str) -> Path:
        entry = self._cache.find(key)
        if entry is not None:
            self._progress(f"{phase}: from the cache")
            return entry
        self._ran = True
        return self._cache.get(key, make)

    def _version(self, command: Sequence[str]) -> str:
        tool = self._tools[command[0]]
        return f"{tool.package} {tool.version}"

    def _write(self, folder: Path, *names: str) -> None:
        for name in names:
            (folder / name).write_text(self._files[name], encoding="utf-8", newline="\n")

    @staticmethod
    def _remove(folder: Path, *names: str) -> None:
        for name in names:
            (folder / name).unlink(missing_ok=True)

    def _explain(self, error: BuildError) -> BuildError:
        text, board = str(error), self._board
        pin = _NO_PIN.search(text)
        if pin is not None:
            return BuildError(
                f"The {board.part} of {board.name} has no pin {pin[1] or pin[2]!r}: name one of "
                "its package, such as A9, or of a connector, such as pmod_0:3"
            )
        if not any(phrase in text for phrase in _NO_ROOM):
            return error
        return FitError(
            f"This does not fit in the {board.part} of {board.name}: ask for narrower or fewer "
            f" contexts. Place and route said:\n{text}"
        )


def _shorten(folder: Path) -> None:
    """Keep of the placed netlist, which has megabytes, where each cell is."""
    with (folder / _PLACED).open(encoding="utf-8") as file:
        cells = json.load(file)["modules"][NAME]["cells"]
    places = {
        name: cell["attributes"]["NEXTPNR_BEL"]
        for name, cell in sorted(cells.items())
        if "NEXTPNR_BEL" in cell["attributes"]
    }
    (folder / PLACEMENT).write_text(json.dumps(places), encoding="utf-8")
