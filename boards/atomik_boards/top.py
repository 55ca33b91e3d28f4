"""A board's top: the device, its clock, its pins."""

from collections.abc import Mapping
from typing import Any

from amaranth import *
from amaranth.lib import io, wiring

from atomik_hdl.device import DeltaDevice
from atomik_hdl.fabric import FabricDevice

from .board import HFOSC, Resource
from .clocking import ClockGenerator, InternalClock
from .design import Design, Fabric
from .errors import BuildError
from .platforms import request

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
    uart : Resource
        The platform's resource with ``rx`` and ``tx``.
    build_id : int
        As in `DeltaDevice`.
    """

    def __init__(self, design: Design, uart: Resource, *, build_id: int = 0) -> None:
        self._design = design
        self._uart = uart
        self._build_id = build_id
        super().__init__({})

    def elaborate(self, platform: Any) -> Module:
        m = Module()

        board = self._design.board
        clock = self._design.clock
        m.submodules.clock = clocking = self._clock(platform)
        m.domains.sync = sync = ClockDomain("sync")
        # The timing gate knows the clock by this net's name; of aliases yosys keeps any one.
        sync.clk.attrs["keep"] = 1
        m.d.comb += sync.clk.eq(clocking.clk)
        if board.reset is not None:
            reset = request(platform, *board.reset)
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
        uart = request(platform, *self._uart)
        m.submodules.rx_pin = rx_pin = io.Buffer("i", uart.rx)
        m.submodules.tx_pin = tx_pin = io.Buffer("o", uart.tx)
        m.d.comb += [device.rx.eq(rx_pin.i), tx_pin.o.eq(device.tx)]

        lamps = {
            "session": device.session,
            "activity": self._stretch(m, device.busy, clock.hz),
            "error": device.error,
        }
        self._connect_lamps(m, platform, lamps)

        return m

    def _clock(self, platform: Any) -> ClockGenerator:
        clock = self._design.clock
        name = self._design.board.clock or platform.default_clk
        if name == HFOSC:
            return ClockGenerator(InternalClock(clock.divider), clock.hz)
        at_pad = self._design.board.pll_at_pad
        return ClockGenerator(request(platform, name, 0), clock.hz, clock.pll, at_pad=at_pad)

    def _connect_lamps(self, m: Module, platform: Any, lamps: Mapping[str, Any]) -> None:
        """Drive the board's lamps; colours of a lamp that nothing uses stay dark."""
        levels: dict[Resource, dict[str, Any]] = {}
        for lamp, (name, number, *colour) in self._design.board.leds.items():
            levels.setdefault((name, number), {})["".join(colour)] = lamps[lamp]
        for (name, number), colours in levels.items():
            resource = request(platform, name, number)
            if "" in colours:
                self._drive(m, f"{name}_{number}", resource, colours[""])
                continue
            for colour in "rgb":
                port = getattr(resource, colour)
                self._drive(m, f"{name}_{number}_{colour}", port, colours.get(colour, 0))

    def _drive(self, m: Module, name: str, port: Any, level: Any) -> None:
        m.submodules[f"{name}_pin"] = buffer = io.Buffer("o", port)
        m.d.comb += buffer.o.eq(level)

    def _beside(self, m: Module, platform: Any, device: Any, fabric: Fabric) -> FabricDevice:
        """Return the device with the component beside it, whose pins are those of the board."""
        design = self._design
        whole = FabricDevice(device, fabric.make(design.clock.hz, design.width, design.contexts))
        levels = []
        for name, number in fabric.pins:
            pin = request(platform, name, number)
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
