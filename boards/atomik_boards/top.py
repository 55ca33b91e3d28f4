"""A board's top: the device, its clock, its pins."""

from typing import Any

from amaranth import *
from amaranth.lib import io, wiring

from atomik_hdl.device import DeltaDevice
from atomik_hdl.fabric import FabricDevice

from .clocking import ClockGenerator
from .design import Design, Fabric
from .errors import BuildError

__all__ = ["BoardTop"]

#: Shortest time for which the activity lamp is lit or dark.
_BLINK_SECONDS = 0.04


class BoardTop(wiring.Component):
    """`DeltaDevice` on a board: UART on its pins, lamps, reset button.

    The fabric port is unused, or has the design's own component. Elaborates for the board's
    platform only.

    Parameters
    ----------
    design : Design
        What to build.
    build_id : int
        As in `DeltaDevice`.
    """

    def __init__(self, design: Design, *, build_id: int = 0) -> None:
        self._design = design
        self._build_id = build_id
        super().__init__({})

    def elaborate(self, platform: Any) -> Module:
        m = Module()

        board = self._design.board
        clock = self._design.clock
        oscillator = platform.request(platform.default_clk, dir="-")
        m.submodules.clock = clocking = ClockGenerator(
            oscillator, clock.hz, clock.pll, at_pad=board.pll_at_pad
        )
        m.domains.sync = sync = ClockDomain("sync")
        # The timing gate knows the clock by this net's name; of aliases yosys keeps any one.
        sync.clk.attrs["keep"] = 1
        m.d.comb += sync.clk.eq(clocking.clk)
        if board.reset is not None:
            reset = platform.request(*board.reset, dir="-")
            m.submodules.reset_pin = reset_pin = io.Buffer("i", reset)
            m.d.comb += clocking.request.eq(reset_pin.i)

        device: Any = DeltaDevice(
            clock.hz,
            self._design.baud,
            self._design.width,
            self._design.contexts,
            reply_slots=board.reply_slots,
            build_id=self._build_id,
            lanes=self._design.lanes,
        )
        if self._design.fabric is not None:
            device = self._beside(m, platform, device, self._design.fabric)
        m.submodules.device = device
        uart = platform.request(*board.uart, dir="-")
        m.submodules.rx_pin = rx_pin = io.Buffer("i", uart.rx)
        m.submodules.tx_pin = tx_pin = io.Buffer("o", uart.tx)
        m.d.comb += [device.rx.eq(rx_pin.i), tx_pin.o.eq(device.tx)]

        lamps = {
            "session": device.session,
            "activity": self._stretch(m, device.busy, clock.hz),
            "error": device.error,
        }
        for lamp, resource in board.leds.items():
            pin = platform.request(*resource, dir="-")
            m.submodules[f"{lamp}_pin"] = buffer = io.Buffer("o", pin)
            m.d.comb += buffer.o.eq(lamps[lamp])

        return m

    def _beside(self, m: Module, platform: Any, device: Any, fabric: Fabric) -> FabricDevice:
        """Return the device with the component beside it, whose pins are those of the board."""
        design = self._design
        whole = FabricDevice(device, fabric.make(design.clock.hz, design.width, design.contexts))
        levels = []
        for name, number in fabric.pins:
            pin = platform.request(name, number, dir="-")
            m.submodules[f"fabric_{name}_{number}"] = buffer = io.Buffer("i", pin)
            levels.append(buffer.i)
        pins = Cat(*levels)
        if len(pins) != len(whole.pins):
            raise BuildError(
                f"The fabric has {len(whole.pins)} pins, and the board's resources {len(pins)}"
            )
        m.d.comb += whole.pins.eq(pins)
        return whole

    def _stretch(self, m: Module, busy: Signal, hz: int) -> Signal:
        """A signal that follows ``busy`` at a pace that an eye can see."""
        cycles = int(_BLINK_SECONDS * hz)
        timer = Signal(range(cycles + 1))
        seen = Signal()
        lit = Signal()
        with m.If(timer == cycles):
            m.d.sync += [timer.eq(0), lit.eq(seen & ~lit), seen.eq(busy)]
        with m.Else():
            m.d.sync += [timer.eq(timer + 1), seen.eq(seen | busy)]
        return lit
