"""Boards for tests: a simulated one that is as new, or the one at a port, its contexts cleared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from atomik_fpga import (
    AtomikContext,
    AtomikTable,
    SessionLostError,
    UnsupportedPortError,
    connect,
)

from .board import SimBoard
from .engine import Engine, make_engine
from .options import BoardOptions, url_of
from .pins import IDLE
from .registry import drop_board, enter_board
from .status import BoardStatus

__all__ = ["AtomikBoard", "BoardPool", "board_at_port", "read_options", "url_of", "wave_file"]

#: What a test may ask of its board.
_OPTIONS = ("board", "contexts", "width", "lanes", "baud", "engine", "faults")


class AtomikBoard:
    """The board of one test; the fixture ``atomik_board`` yields it.

    Parameters
    ----------
    url : str
        Its port.
    contexts, width : int
        Of the device's table.
    simulation : SimBoard or None
        The board itself, if it is a simulated one of this test's own.
    """

    def __init__(
        self, url: str, contexts: int, width: int, simulation: SimBoard | None = None
    ) -> None:
        self._url = url
        self._contexts = contexts
        self._width = width
        self._simulation = simulation
        self._was_reset = False
        self._start = None if simulation is None else simulation.status

    @property
    def url(self) -> str:
        """What to give as ``port``."""
        return self._url

    @property
    def contexts(self) -> int:
        """Contexts that the device has."""
        return self._contexts

    @property
    def width(self) -> int:
        """Bits a context."""
        return self._width

    @property
    def simulation(self) -> SimBoard | None:
        """The simulated board, to look at and to inject faults; None with ``--atomik-port``."""
        return self._simulation

    @property
    def status(self) -> BoardStatus:
        """What the simulated board has done in this test.

        Raises
        ------
        UnsupportedPortError
            With ``--atomik-port``: the board at a port does not tell.
        """
        board, start = self._simulated("status"), self._start
        now = board.status
        if start is None:
            return now
        return replace(
            now,
            clocks=now.clocks - start.clocks,
            bits_to_device=now.bits_to_device - start.bits_to_device,
            bits_from_device=now.bits_from_device - start.bits_from_device,
        )

    @property
    def pin_bits(self) -> tuple[int, int]:
        """Bits that went over the device's ``rx`` and ``tx`` pins in this test; see `status`."""
        status = self.status
        return status.bits_to_device, status.bits_from_device

    def reset(self) -> None:
        """Reset the device, as its reset pin would: all contexts 0, and the session ended.

        Who has a session gets `atomik_fpga.SessionLostError` from the next call on.

        Raises
        ------
        UnsupportedPortError
            With ``--atomik-port``: a serial line has no reset.
        """
        board = self._simulated("reset()")
        self._was_reset = True
        board.reset()

    def close_for(self, user: AtomikContext | AtomikTable) -> None:
        """Close a context or table of this board; that `reset` ended its session is no error.

        Raises
        ------
        AtomikError
            Any other, also one that a call has raised before.
        """
        try:
            user.close()
        except SessionLostError:
            if not self._was_reset:
                raise

    def __repr__(self) -> str:
        return f"<AtomikBoard {self._url} {self._contexts} x {self._width} bit>"

    def _simulated(self, what: str) -> SimBoard:
        if self._simulation is None:
            raise UnsupportedPortError(
                f"{what} needs a simulated board, and this one is at {self._url}: skip the test "
                "where atomik_board.simulation is None, or run it without --atomik-port"
            )
        return self._simulation


class BoardPool:
    """Simulated boards for one test after the other.

    The gateware of each set of options is elaborated once. After that a board is an old device that
    was reset: no session, and every context 0.
    """

    def __init__(self) -> None:
        self._engines: dict[BoardOptions, Engine] = {}
        self._count = 0

    @contextmanager
    def board(self, options: BoardOptions, vcd: Path | None = None) -> Iterator[AtomikBoard]:
        """Lend a board with these options and a name, and so a URL, of its own.

        At the end whatever has it open is cut off. Its waves go to ``vcd``, if that is given.

        Raises
        ------
        UnsupportedPortError
            If the simulator is not installed.
        OSError
            If the waves can't be written.
        """
        self._count += 1
        named = replace(options, name=f"test-{self._count}", vcd="" if vcd is None else str(vcd))
        engine = self._engines.pop(options, None)
        if engine is None:
            engine = make_engine(named)
        else:
            engine.reset()
            # The test before may have left a character on its way.
            engine.transfer([IDLE, IDLE])
        board = SimBoard(named, engine=engine)
        enter_board(board)
        try:
            yield AtomikBoard(url_of(named), named.contexts, named.width, board)
        finally:
            drop_board(named)
            # If it failed, its name may have come to mean another one meanwhile.
            board.close()
        if not board.failed:
            self._engines[options] = engine


def board_at_port(url: str, wanted: Mapping[str, Any]) -> AtomikBoard:
    """Return the board at a port after a CLEAR, which makes each of its contexts 0.

    Parameters
    ----------
    url : str
    wanted : mapping
        ``contexts`` and ``width`` are the least that the device must have.

    Raises
    ------
    UnsupportedPortError
        If the device has less than is wanted.
    AtomikError
        If there is no device to talk to.
    """
    with connect(url) as connection:
        info = connection.info
        for name, have in (("contexts", info.depth), ("width", info.width)):
            if have < wanted.get(name, 1):
                raise UnsupportedPortError(
                    f"The test asks for {name}={wanted[name]}, and the board at {url} has {have}: "
                    "use a larger board, or ask for less in atomik_board_options"
                )
        connection.clear()
        connection.flush()
        return AtomikBoard(url, info.depth, info.width)


def read_options(wanted: Mapping[str, Any], engine: str | None = None) -> BoardOptions:
    """Return the options that a test asks for; where it names no engine, with ``engine``.

    Raises
    ------
    ValueError, TypeError
        If one is unknown, or has no value that the option can have.
    """
    for name in wanted:
        if name not in _OPTIONS:
            raise ValueError(f"Unknown option {name!r}: a test may ask for {', '.join(_OPTIONS)}")
    given = {} if engine is None else {"engine": engine}
    return BoardOptions(**{**given, **wanted})


def wave_file(folder: Path, test: str) -> Path:
    """Return where the waves of a test go, in a folder that is made if need be.

    Parameters
    ----------
    folder : Path
    test : str
        Its node id: ``tests/test_it.py::test_one[1]`` goes to ``tests/test_it.py/test_one[1].vcd``.

    Raises
    ------
    OSError
        If the folder can't be made.
    """
    module, *names = test.split("::")
    # What a file's name can't hold everywhere is encoded, which keeps the names apart.
    parts = [quote(part, safe=" []()+,=") for part in (*module.split("/"), *names)]
    path = folder.joinpath(*("_" if part == ".." else part for part in parts[:-1]))
    path.mkdir(parents=True, exist_ok=True)
    return path / f"{parts[-1]}.vcd"
