"""Simulated boards with gateware of one's own beside the device, and its pins."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from atomik_hdl.fabric import FabricDevice

from .amaranth_engine import AmaranthEngine
from .board import SimBoard
from .device import make_device
from .options import BoardOptions
from .registry import enter_board
from .scheduler import Scheduler

__all__ = ["FabricBoard", "FabricEngine", "MakeFabric", "fabric_board"]

#: Makes the component beside the device: ``make(clock_frequency, width, contexts)``.
MakeFabric = Callable[[int, int, int], Any]


class _PinScheduler(Scheduler):
    """A scheduler that moves an input of the design at the clocks that a script says."""

    def __init__(self, top: Any, events: deque[tuple[int, int]]) -> None:
        self._events = events
        self._clocks = 0
        super().__init__(top)
        self._pins = self.slot(top.pins)

    def clock(self) -> None:
        while self._events and self._events[0][0] <= self._clocks:
            self.update(self._pins, self._events.popleft()[1])
        super().clock()
        self._clocks += 1


class FabricEngine(AmaranthEngine):
    """An `Engine` on Amaranth's simulator, of a device with a component beside it.

    Parameters
    ----------
    options : BoardOptions
    make : callable
        Called with the clock in hertz, bits a context and contexts; returns the component, as
        `atomik_hdl.fabric.FabricDevice` takes it.
    script : iterable of tuple of int
        Clocks from configuration on, which must not fall, and the levels of all pins from there on.

    Raises
    ------
    TypeError
        If the component is none for this device.
    ValueError
        As from `drive`.
    """

    def __init__(
        self, options: BoardOptions, make: MakeFabric, script: Iterable[tuple[int, int]] = ()
    ) -> None:
        self._events: deque[tuple[int, int]] = deque()
        self._last = 0
        fabric = make(options.clock_frequency, options.width, options.contexts)
        device = FabricDevice(make_device(options), fabric)
        self._pin_count = len(device.pins)
        super().__init__(options, device, lambda top: _PinScheduler(top, self._events))
        for clock, levels in script:
            self.drive(levels, clock)

    @property
    def idle(self) -> bool:
        """True once nothing happens any more, in the component beside the device neither."""
        return super().idle and not self._events and self._scheduler.settled

    def drive(self, levels: int, clock: int | None = None) -> None:
        """Set the pins to ``levels`` at ``clock``, or as soon as what was asked for has come.

        A clock that has passed already means the next one.

        Raises
        ------
        ValueError
            If there are fewer pins, or the clock is before one that was asked for.
        """
        if not 0 <= levels < 1 << self._pin_count:
            raise ValueError(f"Levels must be those of {self._pin_count} pins, not {levels:#x}")
        if clock is None:
            clock = max(self._last, self.clocks)
        if clock < self._last:
            raise ValueError(f"Clock {clock} is before clock {self._last}, which was asked for")
        self._last = clock
        self._events.append((clock, levels))


class FabricBoard(SimBoard):
    """A simulated board with a component beside the device; `fabric_board` makes it.

    Parameters
    ----------
    options : BoardOptions
    engine : FabricEngine
    """

    def __init__(self, options: BoardOptions, engine: FabricEngine) -> None:
        self._fabric = engine
        super().__init__(options, engine=engine)

    def drive(self, levels: int, clock: int | None = None) -> None:
        """Set the pins of the component.

        Parameters
        ----------
        levels : int
            Of all pins, the first one in bit 0.
        clock : int or None
            Clocks from configuration on; one that has passed means the next. None: as soon as all
            that was asked for has come.

        Raises
        ------
        ValueError
            If there are fewer pins, or the clock is before one that was asked for.
        BoardFailedError, ClosedError
            If the simulation has ended.
        """
        with self._condition:
            self.check()
            self._fabric.drive(levels, clock)
            self._wake()


def fabric_board(
    make: MakeFabric, script: Iterable[tuple[int, int]] = (), **options: Any
) -> FabricBoard:
    """Return a simulated board with a component beside the device, known by its URL from now on.

    Parameters
    ----------
    make, script
        As in `FabricEngine`. `FabricBoard.drive` moves the pins later.
    options
        Those of a ``sim://`` URL; ``name`` tells the board from one without the component. The
        engine is Amaranth's simulator.

    Raises
    ------
    TypeError, ValueError
        If an option, the component or the script is wrong, or there is a board of that name.
    """
    chosen = BoardOptions(**{"engine": "amaranth", **options})
    if chosen.engine != FabricEngine.name:
        raise ValueError(f"A board with a fabric runs on engine amaranth, not {chosen.engine}")
    if not chosen.name:
        raise ValueError("A board with a fabric must have a name: give it name=…")
    board = FabricBoard(chosen, FabricEngine(chosen, make, script))
    enter_board(board)
    return board
