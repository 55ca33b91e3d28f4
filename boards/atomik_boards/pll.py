"""Settings of the clock generators of iCE40 and ECP5.

Pure functions. The limits are those of the vendor's data sheets and usage guides: FPGA-DS-02029
and FPGA-TN-02052 for iCE40, FPGA-DS-02012 and FPGA-TN-02200 for ECP5.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from .errors import ClockError

__all__ = ["Ecp5Pll", "Ice40Pll", "Pll", "plan_ecp5_pll", "plan_ice40_pll"]

_MHZ = 1_000_000

_ICE40_INPUT = (10 * _MHZ, 133 * _MHZ)
_ICE40_OUTPUT = (16 * _MHZ, 275 * _MHZ)
_ICE40_DETECTOR = (10 * _MHZ, 133 * _MHZ)
_ICE40_OSCILLATOR = (533 * _MHZ, 1066 * _MHZ)
#: Loop filter setting by the highest frequency at the phase detector.
_ICE40_FILTERS = ((17 * _MHZ, 1), (26 * _MHZ, 2), (44 * _MHZ, 3), (66 * _MHZ, 4), (101 * _MHZ, 5))

_ECP5_INPUT = (8 * _MHZ, 400 * _MHZ)
_ECP5_OUTPUT = (Fraction(25 * _MHZ, 8), 400 * _MHZ)
_ECP5_DETECTOR = (10 * _MHZ, 400 * _MHZ)
_ECP5_OSCILLATOR = (400 * _MHZ, 800 * _MHZ)
_ECP5_MAX_DIVIDER = 128


@dataclass(frozen=True, slots=True)
class Ice40Pll:
    """Settings of an ``SB_PLL40`` with simple feedback, as its parameters want them.

    Attributes
    ----------
    input_hz : int
    divr, divf, divq : int
        Reference divider less 1, feedback divider less 1, power of two of the output divider.
    """

    input_hz: int
    divr: int
    divf: int
    divq: int

    @property
    def detector_hz(self) -> Fraction:
        """Frequency at the phase detector."""
        return Fraction(self.input_hz, self.divr + 1)

    @property
    def oscillator_hz(self) -> Fraction:
        """Frequency of the voltage-controlled oscillator."""
        return self.detector_hz * (self.divf + 1)

    @property
    def output_hz(self) -> Fraction:
        """The clock that comes out."""
        return self.oscillator_hz / (1 << self.divq)

    @property
    def filter_range(self) -> int:
        """Setting of the loop filter."""
        for highest, setting in _ICE40_FILTERS:
            if self.detector_hz < highest:
                return setting
        return 6


@dataclass(frozen=True, slots=True)
class Ecp5Pll:
    """Settings of an ``EHXPLLL`` whose feedback is ``CLKOP`` and whose output is ``CLKOS``.

    Two outputs, so that the output's divider is free of the feedback's: of 25 MHz 48 are then made
    within 0.2 %, where a single output makes 50.

    Attributes
    ----------
    input_hz : int
    clki_div, clkop_div, clkos_div : int
        Dividers of the reference, the feedback and the output. ``CLKFB_DIV`` is 1.
    """

    input_hz: int
    clki_div: int
    clkop_div: int
    clkos_div: int

    @property
    def detector_hz(self) -> Fraction:
        """Frequency at the phase detector, and of ``CLKOP``."""
        return Fraction(self.input_hz, self.clki_div)

    @property
    def oscillator_hz(self) -> Fraction:
        """Frequency of the voltage-controlled oscillator."""
        return self.detector_hz * self.clkop_div

    @property
    def output_hz(self) -> Fraction:
        """The clock that comes out."""
        return self.oscillator_hz / self.clkos_div


Pll = Ice40Pll | Ecp5Pll


@cache
def plan_ice40_pll(input_hz: int, output_hz: int) -> Ice40Pll:
    """Settings whose output is nearest to ``output_hz``; of equals, the fastest phase detector.

    Raises
    ------
    ClockError
        If input or output are out of the PLL's range.
    """
    _check("iCE40", "input", input_hz, _ICE40_INPUT)
    _check("iCE40", "output", output_hz, _ICE40_OUTPUT)
    return min(
        _ice40_candidates(input_hz),
        key=lambda pll: (abs(pll.output_hz - output_hz), pll.divr),
    )


@cache
def plan_ecp5_pll(input_hz: int, output_hz: int) -> Ecp5Pll:
    """Settings whose output is nearest to ``output_hz``.

    Of equals, the fastest phase detector, then the oscillator nearest to the middle of its range.

    Raises
    ------
    ClockError
        If input or output are out of the PLL's range.
    """
    _check("ECP5", "input", input_hz, _ECP5_INPUT)
    _check("ECP5", "output", output_hz, _ECP5_OUTPUT)
    middle = sum(_ECP5_OSCILLATOR) // 2
    return min(
        _ecp5_candidates(input_hz, output_hz),
        key=lambda pll: (
            abs(pll.output_hz - output_hz),
            pll.clki_div,
            abs(pll.oscillator_hz - middle),
        ),
    )


def _ice40_candidates(input_hz: int) -> Iterator[Ice40Pll]:
    for divr in range(16):
        if not _within(Fraction(input_hz, divr + 1), _ICE40_DETECTOR):
            continue
        for divf in range(128):
            for divq in range(1, 7):
                pll = Ice40Pll(input_hz, divr, divf, divq)
                if _within(pll.oscillator_hz, _ICE40_OSCILLATOR) and _within(
                    pll.output_hz, _ICE40_OUTPUT
                ):
                    yield pll


def _ecp5_candidates(input_hz: int, output_hz: int) -> Iterator[Ecp5Pll]:
    for clki_div in range(1, _ECP5_MAX_DIVIDER + 1):
        if not _within(Fraction(input_hz, clki_div), _ECP5_DETECTOR):
            continue
        for clkop_div in range(1, _ECP5_MAX_DIVIDER + 1):
            oscillator = Fraction(input_hz * clkop_div, clki_div)
            if not _within(oscillator, _ECP5_OSCILLATOR):
                continue
            below = int(oscillator / output_hz)
            for ratio in (below, below + 1):
                clkos_div = min(max(ratio, 1), _ECP5_MAX_DIVIDER)
                pll = Ecp5Pll(input_hz, clki_div, clkop_div, clkos_div)
                if _within(pll.output_hz, _ECP5_OUTPUT):
                    yield pll


def _within(frequency: Fraction, limits: tuple[Fraction | int, int]) -> bool:
    lowest, highest = limits
    return lowest <= frequency <= highest


def _check(family: str, side: str, frequency: int, limits: tuple[Fraction | int, int]) -> None:
    if not _within(Fraction(frequency), limits):
        lowest, highest = (float(limit) / _MHZ for limit in limits)
        raise ClockError(
            f"The PLL of {family} has an {side} of {lowest:g} to {highest:g} MHz, "
            f"not {frequency / _MHZ:g} MHz"
        )
