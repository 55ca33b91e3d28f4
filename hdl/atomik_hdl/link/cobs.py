"""Consistent Overhead Byte Stuffing, the receiving half."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["CobsDecoder", "decoded_layout", "received_layout"]

#: A character from the line; ``error`` where its framing was wrong.
received_layout = data.StructLayout({"data": 8, "error": 1})

#: A decoded byte, or the end of a frame with its verdict in ``good``.
decoded_layout = data.StructLayout({"data": 8, "end": 1, "good": 1, "empty": 1})


class CobsDecoder(wiring.Component):
    """Decodes COBS frames that end in ``00``.

    Each character gives at most one output in the same cycle: a decoded byte, or on ``00`` an
    ``end`` with ``good`` low where the code ran past the frame's end or a character was faulty,
    and ``empty`` high where nothing at all stood between this ``00`` and the one before.

    Both streams are always ready: the line can't be stalled. Source of the code: Cheshire and
    Baker, "Consistent Overhead Byte Stuffing", IEEE/ACM Transactions on Networking 7(2), 1999.

    Members
    -------
    i : In(stream.Signature(received_layout, always_ready=True))
        Characters.
    o : Out(stream.Signature(decoded_layout, always_ready=True))
        Decoded bytes and frame ends.
    """

    i: In(stream.Signature(received_layout, always_ready=True))
    o: Out(stream.Signature(decoded_layout, always_ready=True))

    def elaborate(self, platform):
        m = Module()

        first = Signal(init=1)
        faulty = Signal()
        stuffed = Signal()
        remaining = Signal(8)

        byte = self.i.payload.data
        m.d.comb += self.o.payload.data.eq(Mux(remaining == 0, 0, byte))

        with m.If(self.i.valid):
            with m.If(self.i.payload.error):
                m.d.sync += faulty.eq(1)
            with m.Elif(byte == 0):
                m.d.comb += [
                    self.o.valid.eq(1),
                    self.o.payload.end.eq(1),
                    self.o.payload.good.eq((remaining == 0) & ~faulty),
                    self.o.payload.empty.eq(first & ~faulty),
                ]
                m.d.sync += [first.eq(1), faulty.eq(0), stuffed.eq(0), remaining.eq(0)]
            with m.Elif(remaining == 0):
                m.d.comb += self.o.valid.eq(stuffed)
                m.d.sync += [first.eq(0), remaining.eq(byte - 1), stuffed.eq(byte != 0xFF)]
            with m.Else():
                m.d.comb += self.o.valid.eq(1)
                m.d.sync += remaining.eq(remaining - 1)

        return m
