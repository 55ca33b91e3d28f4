"""A whole device but for its pins: UART, link and table."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .link import Link
from .table import DeltaTable, TableOp, request_layout
from .uart import UartReceiver, UartTransmitter

__all__ = ["DeltaDevice", "accum_layout"]


def accum_layout(width, depth):
    """Payload of the fabric port: a delta, and the address of its context."""
    request = request_layout(width, depth)
    return data.StructLayout({"address": request["address"].shape, "delta": width})


class DeltaDevice(wiring.Component):
    """Contexts behind a serial line, and a port for deltas from the fabric.

    A delta on `accum` waits for at most one op of the link, which comes at most every other cycle,
    and is held back while the table is cleared (`depth` cycles) or its responses are not taken
    (no more than a value's bytes, so width / 8 cycles).

    A reset ends the session, aborts the ops in flight, and clears all contexts, for `depth` cycles,
    before the first frame is acted on or the first delta accepted.

    Parameters
    ----------
    clock_frequency : int
        Of the ``sync`` domain, in hertz.
    baud : int
        Line rate in bit/s; at least 4 clocks a bit.
    width : int
        Bits a context, 1 to 256.
    depth : int
        Contexts, 1 to 65536.
    reply_slots, slot_bytes, build_id : int
        As in `Link`.

    Members
    -------
    rx : In(1)
        Serial line from the host; high when idle. Synchronised here.
    tx : Out(1)
        Serial line to the host.
    accum : In(stream.Signature(accum_layout(width, depth)))
        Deltas from the fabric. An address of `depth` or more is the caller's error.
    session : Out(1)
        A session is open.
    busy : Out(1)
        A frame is stored, executed or answered, or the table is being cleared.
    error : Out(1)
        A fault is latched until the next session.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or the clock can't make the line rate within 2 %.
    """

    def __init__(
        self,
        clock_frequency,
        baud,
        width=64,
        depth=16,
        *,
        reply_slots=2,
        slot_bytes=256,
        build_id=0,
    ):
        self._receiver = UartReceiver(clock_frequency, baud)
        self._transmitter = UartTransmitter(clock_frequency, baud)
        self._link = Link(
            width,
            depth,
            clock_frequency=clock_frequency,
            baud=baud,
            reply_slots=reply_slots,
            slot_bytes=slot_bytes,
            build_id=build_id,
        )
        self._table = DeltaTable(width, depth)
        super().__init__(
            {
                "rx": In(1, init=1),
                "tx": Out(1, init=1),
                "accum": In(stream.Signature(accum_layout(width, depth))),
                "session": Out(1),
                "busy": Out(1),
                "error": Out(1),
            }
        )

    @property
    def info(self):
        """What INFO says, its live fields zero: `atomik_fpga.protocol.Info`."""
        return self._link.info

    def elaborate(self, platform):
        m = Module()

        m.submodules.receiver = receiver = self._receiver
        m.submodules.transmitter = transmitter = self._transmitter
        m.submodules.link = link = self._link
        m.submodules.table = table = self._table

        wiring.connect(m, receiver.o, link.i)
        wiring.connect(m, link.o, transmitter.i)
        wiring.connect(m, table.o, link.response)
        m.d.comb += [
            receiver.rx.eq(self.rx),
            self.tx.eq(transmitter.tx),
            self.session.eq(link.session),
            self.error.eq(link.error),
            self.busy.eq(link.busy | ~table.i.ready),
            link.request.ready.eq(table.i.ready),
            self.accum.ready.eq(table.i.ready & ~link.request.valid),
            table.i.valid.eq(link.request.valid | self.accum.valid),
        ]
        with m.If(link.request.valid):
            m.d.comb += table.i.payload.eq(link.request.payload)
        with m.Else():
            m.d.comb += [
                table.i.payload.op.eq(TableOp.ACCUM),
                table.i.payload.address.eq(self.accum.payload.address),
                table.i.payload.data.eq(self.accum.payload.delta),
            ]

        return m
