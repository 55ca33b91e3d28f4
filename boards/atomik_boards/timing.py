"""The timing gate: no bitstream whose clocks were not constrained as intended, and met.

The place-and-route tools report success when a constraint is bound to no net: the clock is then
held against a default, or against nothing. So the gate starts from what was intended, and takes the
report at its word only for clocks that it names with the frequency that was meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from .errors import TimingError

__all__ = ["ClockResult", "check_timing", "plain_name", "read_clocks"]

#: The tools count in whole picoseconds, also inside a PLL: at 1066 MHz one is 0.11 %.
_TOLERANCE = 2e-3

#: What nextpnr puts before and behind the name of a net that it moves to the clock network.
_PREFIX = "$glbnet$"
_SUFFIXES = ("_$glb_clk", "$glb_clk", "$SB_IO_IN_", "$SB_IO_IN")


@dataclass(frozen=True, slots=True)
class ClockResult:
    """One clock after place and route.

    Attributes
    ----------
    wanted_hz : int
        The frequency that the design runs at.
    reached_hz : int
        The highest at which the placed and routed logic works, rounded down.
    """

    wanted_hz: int
    reached_hz: int

    @property
    def is_met(self) -> bool:
        """Whether the logic works at the frequency that the design runs at."""
        return self.reached_hz >= self.wanted_hz


def check_timing(report: Mapping[str, Any], wanted: Mapping[str, int]) -> dict[str, ClockResult]:
    """Hold nextpnr's report against the clocks that were intended.

    Parameters and result as in `read_clocks`.

    Raises
    ------
    TimingError
        Unless the report has just these clocks, each constrained to its frequency and met. The
        message names the clock, and both numbers.
    """
    clocks = read_clocks(report, wanted)
    for name, clock in clocks.items():
        if not clock.is_met:
            raise _too_slow(name, clock.wanted_hz, clock.reached_hz)
    return clocks


def read_clocks(report: Mapping[str, Any], wanted: Mapping[str, int]) -> dict[str, ClockResult]:
    """Return how far each clock that was intended came.

    Parameters
    ----------
    report : mapping
        What ``nextpnr --report`` wrote.
    wanted : mapping of str to int
        Frequency in hertz of each clock, by the name of its net. At least one.

    Returns
    -------
    dict of str to ClockResult
        By the same names, in the same order.

    Raises
    ------
    TimingError
        Unless the report has just these clocks, each constrained to its frequency.
    """
    if not wanted:
        raise TimingError("No clock was intended, so none can be checked")
    reported = _clocks(report)
    for name in reported:
        if name not in wanted:
            raise TimingError(
                f"The timing report has a clock {name!r} that nobody intended; intended were: "
                f"{', '.join(wanted)}"
            )
    return {name: _read(name, hz, reported) for name, hz in wanted.items()}


def _clocks(report: Mapping[str, Any]) -> dict[str, Mapping[str, float]]:
    try:
        clocks = report["fmax"]
    except KeyError:
        raise TimingError("The timing report has no section 'fmax'") from None
    named: dict[str, Mapping[str, float]] = {}
    for net, figures in clocks.items():
        name = plain_name(net)
        if name in named:
            raise TimingError(f"The timing report has two clocks {name!r}")
        named[name] = figures
    return named


def plain_name(net: str) -> str:
    """Return the name of a clock's net as the design has it."""
    name = net.removeprefix(_PREFIX)
    while name.endswith(_SUFFIXES):
        for suffix in _SUFFIXES:
            name = name.removesuffix(suffix)
    return name


def _read(name: str, hz: int, reported: Mapping[str, Mapping[str, float]]) -> ClockResult:
    if name not in reported:
        listed = ", ".join(reported) or "none"
        raise TimingError(
            f"Clock {name!r}, wanted at {_mhz(hz)}, is not in the timing report; there are: "
            f"{listed}"
        )
    figures = reported[name]
    try:
        constraint = figures["constraint"] * 1e6
        achieved = figures["achieved"] * 1e6
    except KeyError as error:
        raise TimingError(f"The timing report gives no {error} for clock {name!r}") from None
    if abs(constraint - hz) > _TOLERANCE * hz:
        raise TimingError(
            f"Clock {name!r}, wanted at {_mhz(hz)}, was constrained to {_mhz(constraint)}: "
            "its constraint did not bind"
        )
    if not isfinite(achieved):
        raise _too_slow(name, hz, achieved)
    return ClockResult(wanted_hz=hz, reached_hz=int(achieved))


def _too_slow(name: str, wanted: float, reached: float) -> TimingError:
    return TimingError(
        f"Clock {name!r}, wanted at {_mhz(wanted)}, reaches only {_mhz(reached)}: ask for a lower "
        "frequency or line rate, fewer contexts, or another seed"
    )


def _mhz(hz: float) -> str:
    return f"{hz / 1e6:.2f} MHz"
