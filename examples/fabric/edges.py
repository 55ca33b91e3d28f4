"""Edges on pins become deltas of contexts: context n counts the edges of pin n."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from atomik_hdl.device import accum_layout

#: Buttons bounce for some milliseconds.
SETTLE_SECONDS = 5e-3


class Debouncer(wiring.Component):
    """Strobes `edge` when `i` has been at another level for a number of cycles.

    The level that the pin has after a reset is no edge.
    """

    i: In(1)
    edge: Out(1)

    def __init__(self, cycles):
        self._cycles = cycles
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        level = Signal()
        known = Signal()
        last = Signal()
        timer = Signal(range(self._cycles))
        m.submodules.synchronizer = synchronizer = FFSynchronizer(self.i, Signal(name="pin"))
        pin = synchronizer.o
        m.d.sync += last.eq(pin)
        with m.If((pin != last) | (known & (pin == level))):
            m.d.sync += timer.eq(0)
        with m.Elif(timer != self._cycles - 1):
            m.d.sync += timer.eq(timer + 1)
        with m.Else():
            m.d.comb += self.edge.eq(known)
            m.d.sync += [level.eq(pin), known.eq(1), timer.eq(0)]
        return m


class Edges(wiring.Component):
    """Counts the edges of each pin, and keeps the count in a context: its delta is old ^ new.

    An edge that comes while the port waits is in the next delta of its pin, so none is lost.
    """

    def __init__(self, pins, clock_frequency, width, contexts, *, settle=SETTLE_SECONDS):
        self._settle_cycles = max(1, round(settle * clock_frequency))
        self._count_bits = min(width, 16)
        super().__init__(
            {"pins": In(pins), "accum": Out(stream.Signature(accum_layout(width, contexts)))}
        )

    def elaborate(self, platform):
        m = Module()
        waiting = Signal(len(self.pins))
        free = ~self.accum.valid | self.accum.ready
        with m.If(free):
            m.d.sync += self.accum.valid.eq(waiting.any())
        for n in reversed(range(len(self.pins))):
            m.submodules[f"pin{n}"] = pin = Debouncer(self._settle_cycles)
            count = Signal(self._count_bits, name=f"count{n}")
            told = Signal(self._count_bits, name=f"told{n}")
            m.d.comb += [pin.i.eq(self.pins[n]), waiting[n].eq(count != told)]
            m.d.sync += count.eq(count + pin.edge)
            # The lowest pin that waits is the last one to set the payload.
            with m.If(free & waiting[n]):
                m.d.sync += [
                    self.accum.payload.address.eq(n),
                    self.accum.payload.delta.eq(count ^ told),
                ]
            with m.If(free & waiting[n] & ~waiting[:n].any()):
                m.d.sync += told.eq(count)
        return m
