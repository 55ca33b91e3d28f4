"""What is to be built: all choices made and checked before any tool runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from atomik_fpga.protocol import (
    BANK_REGISTERS,
    MAX_DEPTH,
    MAX_LANES,
    MAX_WIDTH,
    MIN_BANKS_WIDTH,
)
from atomik_hdl.uart import BaudPlan

from .board import HFOSC, HFOSC_HZ, Board, Family, Resource, UartPins
from .errors import BaudError, BuildError, ClockError
from .pll import Pll, plan_ecp5_pll, plan_ice40_pll

__all__ = [
    "LINE_RATES",
    "ClockPlan",
    "Design",
    "Fabric",
    "highest_baud",
    "plan_clock",
    "plan_design",
]

#: The receiver works from 4 clocks a bit on, and tolerates more baud error from 8 on.
_MIN_CLOCKS_A_BIT = 4
_PREFERRED_CLOCKS_A_BIT = 8
#: How far off a clock that was asked for may be.
_CLOCK_TOLERANCE = 0.01
#: Slowest output of each family's PLL, in hertz.
_PLL_MIN_HZ = {Family.ICE40: 16_000_000, Family.ECP5: 3_125_000}
#: Slowest oscillator that a PLL of either family takes.
_PLL_SOURCE_HZ = 10_000_000
_MAX_SEED = 2**31 - 1

#: Line rates that bridges make and programs know, the highest first.
LINE_RATES = (
    12_000_000,
    6_000_000,
    4_000_000,
    3_000_000,
    2_000_000,
    1_500_000,
    1_000_000,
    921_600,
    500_000,
    460_800,
    230_400,
    115_200,
)


@dataclass(frozen=True, slots=True)
class ClockPlan:
    """The fabric clock.

    Attributes
    ----------
    hz : int
        Its frequency, rounded to hertz.
    pll : Ice40Pll, Ecp5Pll or None
        Settings of the PLL; None if it is the oscillator's own.
    divider : int
        Power of two by which the oscillator inside of iCE40UP is divided.
    """

    hz: int
    pll: Pll | None
    divider: int = 0


@dataclass(frozen=True, slots=True)
class Fabric:
    """A component of one's own beside the device, and what its pins are on a board.

    Attributes
    ----------
    make : callable
        Called with the fabric clock in hertz, bits a context and contexts; returns the component,
        as `atomik_hdl.fabric.FabricDevice` takes it. A build calls it more than once.
    pins : sequence of Resource
        Name and number of inputs of the board, bit 0 of the component's ``pins`` first. One of
        several pins is as many bits.
    resources : sequence
        ``amaranth.build`` resources that the board's platform gets beside its own.
    """

    make: Callable[[int, int, int], Any]
    pins: Sequence[Resource]
    resources: Sequence[Any] = ()


@dataclass(frozen=True, slots=True)
class Design:
    """A device on a board.

    Attributes
    ----------
    board : Board
    clock : ClockPlan
    baud : int
        Line rate in bit/s.
    baud_error : float
        Of the mean line rate reached, as a signed fraction of ``baud``.
    contexts, width : int
        Size of the table.
    seed : int
        Of place and route.
    lanes : int
        Of banks with an engine beside the table; 0 for none.
    fabric : Fabric or None
        A component of one's own.
    """

    board: Board
    clock: ClockPlan
    baud: int
    baud_error: float
    contexts: int
    width: int
    seed: int
    lanes: int = 0
    fabric: Fabric | None = None


def plan_design(
    board: Board,
    *,
    freq: int | None = None,
    baud: int | None = None,
    contexts: int | None = None,
    width: int | None = None,
    seed: int | None = None,
    lanes: int | None = None,
    clock: str | None = None,
    rx: str | None = None,
    tx: str | None = None,
) -> Design:
    """Choose what was left open, and check all of it.

    Parameters
    ----------
    board : Board
    freq : int or None
        Fabric clock in hertz. None: the oscillator if it has 8 clocks a bit, else what the PLL
        makes for that, as far as `Board.max_clock_hz` allows.
    baud : int or None
        Line rate in bit/s; None for the board's default.
    contexts, width : int or None
        Size of the table; None for the board's default.
    seed : int or None
        Of place and route; None for 1.
    lanes : int or None
        Of banks with an engine, which leave the table at most 65532 contexts of at least 32 bits;
        None for no banks.
    clock : str or None
        One of `Board.clocks` in place of the board's usual one.
    rx, tx : str or None
        Pins of the UART, as in `UartPins`, in place of the board's usual ones.

    Raises
    ------
    TypeError
        If a number is not an integer.
    BuildError
        If one is out of its range.
    ClockError
        If the board can't make ``freq`` within 1 %.
    BaudError
        If the bridge or the clock can't make ``baud`` within 2 %.
    """
    baud = _integer("Baud rate", board.default_baud if baud is None else baud, 1, None)
    most, narrowest = (MAX_DEPTH, 1) if lanes is None else (BANK_REGISTERS, MIN_BANKS_WIDTH)
    contexts = _integer("Contexts", board.contexts if contexts is None else contexts, 1, most)
    width = _integer("Width", board.width if width is None else width, narrowest, MAX_WIDTH)
    lanes = 0 if lanes is None else _integer("Lanes", lanes, 1, MAX_LANES)
    seed = _integer("Seed", 1 if seed is None else seed, 0, _MAX_SEED)
    if freq is not None:
        freq = _integer("Frequency", freq, 1, None)
    board = _wired(_clocked(board, clock), rx, tx)
    if baud > board.max_baud:
        raise BaudError(
            f"Baud rate {baud} is more than the {board.bridge} of {board.name} makes: "
            f"ask for at most {board.max_baud}"
        )
    plan = plan_clock(board, baud, freq)
    error = _baud_error(board, plan, baud)
    return Design(board, plan, baud, error, contexts, width, seed, lanes)


def highest_baud(board: Board) -> int:
    """Return the highest of the usual line rates that bridge and clock of ``board`` make."""
    for baud in LINE_RATES:
        try:
            plan_design(board, baud=baud)
        except BaudError:
            continue
        return baud
    raise BaudError(f"{board.name} makes none of the usual line rates")


def _clocked(board: Board, clock: str | None) -> Board:
    """Return the board with the clock that was asked for."""
    if clock is None:
        return board
    if clock not in board.clocks:
        there = ", ".join(board.clocks) or "none but the usual one"
        raise ClockError(f"{board.name} has no clock {clock!r}; there is: {there}")
    return replace(board, clock=clock, clock_hz=board.clocks[clock], pll_at_pad=False, notes=())


def _wired(board: Board, rx: str | None, tx: str | None) -> Board:
    """Return the board with the pins of the UART that were asked for."""
    if rx is None and tx is None:
        return board
    usual = board.uart
    if isinstance(usual, UartPins):
        pins = UartPins(usual.rx if rx is None else rx, usual.tx if tx is None else tx)
    elif rx is None or tx is None:
        raise BuildError(
            f"{board.name} has a UART: name both pins, rx and tx, if it is to be elsewhere"
        )
    else:
        pins = UartPins(rx, tx)
    if pins.rx == pins.tx:
        raise BuildError(f"The UART needs two pins: rx and tx are both {pins.rx}")
    return replace(board, uart=pins)


def plan_clock(board: Board, baud: int, freq: int | None = None) -> ClockPlan:
    """Choose the fabric clock; parameters and errors as in `plan_design`."""
    if board.clock == HFOSC:
        return _internal_clock(board, freq)
    if freq is not None:
        return _asked_clock(board, freq)
    if board.clock_hz > board.max_clock_hz:
        return _pll_clock(board, board.max_clock_hz)
    wanted = _PREFERRED_CLOCKS_A_BIT * baud
    if board.clock_hz >= wanted or not board.has_pll:
        return ClockPlan(board.clock_hz, None)
    wanted = max(min(wanted, board.max_clock_hz), _PLL_MIN_HZ[board.family])
    if wanted <= board.clock_hz or board.clock_hz < _PLL_SOURCE_HZ:
        return ClockPlan(board.clock_hz, None)
    return _pll_clock(board, wanted)


def _internal_clock(board: Board, freq: int | None) -> ClockPlan:
    """Return the oscillator's division: the one asked for, or the fastest that is not too fast."""
    made = {HFOSC_HZ >> divider: divider for divider in range(4)}
    if freq is None:
        freq = max(hz for hz in made if hz <= board.max_clock_hz)
    if freq not in made:
        there = ", ".join(f"{hz / 1e6:g}" for hz in made)
        raise ClockError(
            f"The oscillator inside of {board.device} makes {there} MHz, not {freq / 1e6:g} MHz"
        )
    return ClockPlan(freq, None, made[freq])


def _asked_clock(board: Board, freq: int) -> ClockPlan:
    if freq == board.clock_hz:
        return ClockPlan(freq, None)
    if board.family is Family.GOWIN:
        raise ClockError(
            f"{board.name} runs at its oscillator's {board.clock_hz / 1e6:g} MHz, not at "
            f"{freq / 1e6:g} MHz: no build sets up the PLL of a {board.device}"
        )
    if not board.has_pll:
        raise ClockError(
            f"The {board.part} of {board.name} has no PLL: it runs at "
            f"{board.clock_hz / 1e6:g} MHz, not at {freq / 1e6:g} MHz"
        )
    try:
        clock = _pll_clock(board, freq)
    except ClockError as error:
        raise ClockError(
            f"{error}: ask for one of these, or for the {board.clock_hz / 1e6:g} MHz of the "
            f"oscillator of {board.name}"
        ) from None
    if abs(clock.hz - freq) > _CLOCK_TOLERANCE * freq:
        raise ClockError(
            f"The PLL of {board.name} makes {clock.hz / 1e6:g} MHz of {board.clock_hz / 1e6:g} MHz "
            f"at the nearest, not {freq / 1e6:g} MHz: ask for that, or for another frequency"
        )
    return clock


def _pll_clock(board: Board, hz: int) -> ClockPlan:
    plan = plan_ice40_pll if board.family is Family.ICE40 else plan_ecp5_pll
    pll = plan(board.clock_hz, hz)
    return ClockPlan(round(pll.output_hz), pll)


def _baud_error(board: Board, clock: ClockPlan, baud: int) -> float:
    try:
        error: float = BaudPlan(clock.hz, baud).baud_error
    except ValueError:
        nearest = _nearest_baud(clock, baud)
        raise BaudError(
            f"Baud rate {baud} can't be made within 2 % from the {clock.hz / 1e6:g} MHz clock of "
            f"{board.name}; the nearest that can is {nearest}. Ask for that, or for another "
            "frequency"
        ) from None
    return error


def _nearest_baud(clock: ClockPlan, baud: int) -> int:
    highest = clock.hz // _MIN_CLOCKS_A_BIT
    if baud > highest:
        return highest
    # Slow rates fail because the step of the bit clock is coarse against them: a few steps do.
    return next(rate for rate in count(baud + 1) if _is_reachable(clock, rate))


def _is_reachable(clock: ClockPlan, baud: int) -> bool:
    try:
        BaudPlan(clock.hz, baud)
    except ValueError:
        return False
    return True


def _integer(what: str, value: int, lowest: int, highest: int | None) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{what} must be an integer, not {value!r}")
    if value < lowest or (highest is not None and value > highest):
        limits = f"at least {lowest}" if highest is None else f"{lowest} to {int(highest)}"
        raise BuildError(f"{what} must be {limits}, not {value}")
    return value
