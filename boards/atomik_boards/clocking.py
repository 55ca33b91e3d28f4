"""The fabric clock of a board and its reset."""

from dataclasses import dataclass
from typing import Any

from amaranth import *
from amaranth.lib import io, wiring
from amaranth.lib.cdc import FFSynchronizer, ResetSynchronizer
from amaranth.lib.wiring import In, Out

from .pll import Ecp5Pll, Ice40Pll, Pll

__all__ = ["RESET_HOLD_SECONDS", "ClockGenerator", "InternalClock", "ResetGenerator"]

#: iCE40 block RAM reads as zero for about 3 us after configuration; five times that.
RESET_HOLD_SECONDS = 15e-6
#: The oscillator inside of iCE40UP is stable 100 us after it was started (FPGA-DS-02008).
_INTERNAL_SECONDS = 100e-6


@dataclass(frozen=True, slots=True)
class InternalClock:
    """The oscillator inside of iCE40UP, in place of a pin.

    Attributes
    ----------
    divider : int
        Power of two by which its 48 MHz are divided, 0 to 3.
    """

    divider: int


class ResetGenerator(wiring.Component):
    """Reset of the ``sync`` domain: after configuration, until the clock is good, and on request.

    Drives ``ResetSignal("sync")``. Reset is asserted at once when `locked` falls, and two to three
    cycles after `request` rises. It ends, in step with the clock, `hold_cycles` + 4 cycles after
    the clock was last not locked, and four cycles after `request` fell.

    Parameters
    ----------
    hold_cycles : int
        Cycles of reset after configuration, and after each time that `locked` rises.

    Members
    -------
    locked : In(1)
        The clock runs at its frequency. May change at any time.
    request : In(1)
        A button, say. May change at any time.

    Raises
    ------
    TypeError
        If `hold_cycles` is not a positive integer.
    """

    locked: In(1)
    request: In(1)

    def __init__(self, hold_cycles: int) -> None:
        if not isinstance(hold_cycles, int) or hold_cycles < 1:
            raise TypeError(f"Hold cycles must be a positive integer, not {hold_cycles!r}")
        self._hold_cycles = hold_cycles
        super().__init__()

    @property
    def hold_cycles(self) -> int:
        """Cycles of reset after configuration."""
        return self._hold_cycles

    def elaborate(self, platform: Any) -> Module:
        m = Module()

        # These registers make the reset, so they have none: configuration is what sets them.
        timer = Signal(range(self._hold_cycles), reset_less=True)
        ready = Signal(reset_less=True)
        locked = Signal()
        request = Signal()
        m.submodules.locked_sync = FFSynchronizer(self.locked, locked)
        m.submodules.request_sync = FFSynchronizer(self.request, request)
        with m.If(~locked):
            m.d.sync += [timer.eq(0), ready.eq(0)]
        with m.Elif(timer == self._hold_cycles - 1):
            m.d.sync += ready.eq(1)
        with m.Else():
            m.d.sync += timer.eq(timer + 1)

        m.submodules.reset_sync = ResetSynchronizer(~ready | ~self.locked | request)

        return m


class ClockGenerator(wiring.Component):
    """Clock and reset of the ``sync`` domain from a board's oscillator, directly or through a PLL.

    `clk` is what the design that declares the domain drives its clock with; the reset is driven
    here. The clock's constraint follows from that of the oscillator's pin: the place-and-route tool
    works it out from the PLL's parameters, so that a wrong one shows in the timing gate.

    Parameters
    ----------
    port : io.SingleEndedPort, io.DifferentialPort or InternalClock
        The oscillator's pin or pins, or what there is instead.
    hz : int
        Frequency of the domain.
    pll : Ice40Pll, Ecp5Pll or None
        Settings of the PLL; None for the oscillator's own clock.
    at_pad : bool
        iCE40: the pin is the PLL's own.

    Members
    -------
    request : In(1)
        Reset request; may change at any time.
    clk : Out(1)
        The clock.
    """

    request: In(1)
    clk: Out(1)

    def __init__(
        self,
        port: io.SingleEndedPort | io.DifferentialPort | InternalClock,
        hz: int,
        pll: Pll | None = None,
        *,
        at_pad: bool = False,
    ) -> None:
        self._port = port
        self._pll = pll
        self._at_pad = at_pad
        # Rounded up: the hold is a least time.
        hold = _INTERNAL_SECONDS if isinstance(port, InternalClock) else RESET_HOLD_SECONDS
        self._reset = ResetGenerator(int(hold * hz) + 1)
        super().__init__()

    @property
    def hold_cycles(self) -> int:
        """Cycles of reset after configuration."""
        return self._reset.hold_cycles

    def elaborate(self, platform: Any) -> Module:
        m = Module()

        m.submodules.reset = reset = self._reset
        m.d.comb += reset.request.eq(self.request)

        if isinstance(self._port, InternalClock):
            m.submodules.oscillator = Instance(
                "SB_HFOSC",
                p_CLKHF_DIV=f"0b{self._port.divider:02b}",
                i_CLKHFEN=Const(1),
                i_CLKHFPU=Const(1),
                o_CLKHF=self.clk,
            )
            m.d.comb += reset.locked.eq(1)
        elif self._pll is None:
            m.submodules.buffer = buffer = io.Buffer("i", self._port)
            m.d.comb += [self.clk.eq(buffer.i), reset.locked.eq(1)]
        elif isinstance(self._pll, Ice40Pll):
            m.submodules.pll = self._ice40_pll(m, self._pll, self.clk, reset.locked)
        else:
            m.submodules.pll = self._ecp5_pll(m, self._pll, self.clk, reset.locked)

        return m

    def _ice40_pll(self, m: Module, pll: Ice40Pll, clk: Signal, locked: Signal) -> Instance:
        if self._at_pad:
            cell = "SB_PLL40_PAD"
            source = {"i_PACKAGEPIN": self._port.io}
        else:
            m.submodules.buffer = buffer = io.Buffer("i", self._port)
            cell = "SB_PLL40_CORE"
            source = {"i_REFERENCECLK": buffer.i}
        return Instance(
            cell,
            p_FEEDBACK_PATH="SIMPLE",
            p_DIVR=Const(pll.divr, 4),
            p_DIVF=Const(pll.divf, 7),
            p_DIVQ=Const(pll.divq, 3),
            p_FILTER_RANGE=Const(pll.filter_range, 3),
            **source,
            i_RESETB=Const(1),
            i_BYPASS=Const(0),
            o_PLLOUTGLOBAL=clk,
            o_LOCK=locked,
        )

    def _ecp5_pll(self, m: Module, pll: Ecp5Pll, clk: Signal, locked: Signal) -> Instance:
        m.submodules.buffer = buffer = io.Buffer("i", self._port)
        feedback = Signal()
        return Instance(
            "EHXPLLL",
            # Loop filter and charge pump, as Project Trellis' ecppll sets them.
            a_ICP_CURRENT="12",
            a_LPF_RESISTOR="8",
            a_MFG_ENABLE_FILTEROPAMP="1",
            a_MFG_GMCREF_SEL="2",
            p_PLLRST_ENA="DISABLED",
            p_INTFB_WAKE="DISABLED",
            p_STDBY_ENABLE="DISABLED",
            p_DPHASE_SOURCE="DISABLED",
            p_OUTDIVIDER_MUXA="DIVA",
            p_OUTDIVIDER_MUXB="DIVB",
            p_FEEDBK_PATH="CLKOP",
            p_CLKI_DIV=pll.clki_div,
            p_CLKFB_DIV=1,
            p_CLKOP_ENABLE="ENABLED",
            p_CLKOP_DIV=pll.clkop_div,
            p_CLKOP_CPHASE=pll.clkop_div - 1,
            p_CLKOP_FPHASE=0,
            p_CLKOS_ENABLE="ENABLED",
            p_CLKOS_DIV=pll.clkos_div,
            p_CLKOS_CPHASE=pll.clkos_div - 1,
            p_CLKOS_FPHASE=0,
            i_CLKI=buffer.i,
            i_CLKFB=feedback,
            i_RST=Const(0),
            i_STDBY=Const(0),
            i_PHASESEL0=Const(0),
            i_PHASESEL1=Const(0),
            i_PHASEDIR=Const(0),
            i_PHASESTEP=Const(0),
            i_PHASELOADREG=Const(0),
            i_PLLWAKESYNC=Const(0),
            i_ENCLKOP=Const(0),
            i_ENCLKOS=Const(0),
            o_CLKOP=feedback,
            o_CLKOS=clk,
            o_LOCK=locked,
        )
