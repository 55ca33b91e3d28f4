"""The table's request port, shared by the link and the fabric."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .table import TableOp, request_layout

__all__ = ["TableArbiter", "accum_layout"]


def accum_layout(width, depth):
    """Payload of the fabric port: a delta, and the address of its context."""
    request = request_layout(width, depth)
    return data.StructLayout({"address": request["address"].shape, "delta": width})


class TableArbiter(wiring.Component):
    """Ops of the link and deltas of the fabric into one request stream.

    The link goes first, unless the request before was the link's already and the fabric has a
    delta. So a delta that waits, and likewise an op of the link, transfers no later than in the
    second cycle in which the table is ready, whatever the other side does.

    No latency; one request a cycle. What stands on ``o`` may change until it transfers.

    A reset drops nothing, and gives the link the first turn.

    Parameters
    ----------
    width, depth : int
        Of the table.

    Members
    -------
    link : In(stream.Signature(request_layout(width, depth)))
        Ops of the link.
    accum : In(stream.Signature(accum_layout(width, depth)))
        Deltas of the fabric.
    o : Out(stream.Signature(request_layout(width, depth)))
        Requests to the table.
    """

    def __init__(self, width, depth):
        request = request_layout(width, depth)
        super().__init__(
            {
                "link": In(stream.Signature(request)),
                "accum": In(stream.Signature(accum_layout(width, depth))),
                "o": Out(stream.Signature(request)),
            }
        )

    def elaborate(self, platform):
        m = Module()

        # The last request was the link's.
        owed = Signal()
        m.d.comb += [
            self.o.valid.eq(self.link.valid | self.accum.valid),
            self.accum.ready.eq(self.o.ready & (owed | ~self.link.valid)),
            self.link.ready.eq(self.o.ready & ~(owed & self.accum.valid)),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += owed.eq(~(self.accum.valid & self.accum.ready))
        with m.If(self.link.valid & ~(owed & self.accum.valid)):
            m.d.comb += self.o.payload.eq(self.link.payload)
        with m.Else():
            m.d.comb += [
                self.o.payload.op.eq(TableOp.ACCUM),
                self.o.payload.address.eq(self.accum.payload.address),
                self.o.payload.data.eq(self.accum.payload.delta),
            ]

        return m
