"""A whole device but for its pins: UART, link and table."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from atomik_fpga.protocol import BANK_REGISTERS

from .arbiter import TableArbiter, accum_layout
from .engine import BanksEngine
from .link import Link
from .table import DeltaTable
from .uart import UartReceiver, UartTransmitter

__all__ = ["DeltaDevice", "accum_layout"]


class DeltaDevice(wiring.Component):
    """Contexts behind a serial line, and a port for deltas from the fabric.

    A delta on `accum` waits for at most one op of the link, however many there are: one cycle, or
    `depth` + 1 cycles if that op is a ``CLEAR``. After a reset it waits for `depth` cycles. `ready`
    does not depend on `valid`.

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
    lanes : int
        Of a `BanksEngine` beside the table, 1 to 1024; 0 for none. With one, `width` is at least
        32, and `depth` at most 65532.
    technology : str, callable or None
        As in `DeltaTable`.

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
        A frame is stored, executed or answered, the table is being cleared, or the banks run.
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
        lanes=0,
        technology=None,
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
            lanes=lanes,
        )
        self._engine = BanksEngine(width, lanes) if lanes else None
        self._table = DeltaTable(width, depth, technology=technology)
        self._arbiter = TableArbiter(width, depth)
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
        m.submodules.arbiter = arbiter = self._arbiter

        wiring.connect(m, receiver.o, link.i)
        wiring.connect(m, link.o, transmitter.i)
        wiring.connect(m, wiring.flipped(self.accum), arbiter.accum)
        wiring.connect(m, arbiter.o, table.i)
        running = Signal()
        m.d.comb += [
            receiver.rx.eq(self.rx),
            self.tx.eq(transmitter.tx),
            self.session.eq(link.session),
            self.error.eq(link.error),
            self.busy.eq(link.busy | ~table.i.ready | running),
        ]
        if self._engine is None:
            wiring.connect(m, link.request, arbiter.link)
            wiring.connect(m, table.o, link.response)
        else:
            self._connect_engine(m, link, arbiter, table, running)

        return m

    def _connect_engine(self, m, link, arbiter, table, running):
        """Let requests to registers go to the banks; the link waits for one response at a time."""
        m.submodules.engine = engine = self._engine
        request = link.request.payload
        at_register = request.address >= BANK_REGISTERS
        m.d.comb += [
            running.eq(engine.running),
            arbiter.link.valid.eq(link.request.valid & ~at_register),
            engine.i.valid.eq(link.request.valid & at_register),
            link.request.ready.eq(Mux(at_register, engine.i.ready, arbiter.link.ready)),
            link.response.valid.eq(engine.o.valid | table.o.valid),
            link.response.payload.eq(Mux(engine.o.valid, engine.o.payload, table.o.payload)),
            engine.o.ready.eq(link.response.ready),
            table.o.ready.eq(link.response.ready & ~engine.o.valid),
        ]
        for port in arbiter.link, engine.i:
            m.d.comb += [
                port.payload.op.eq(request.op),
                port.payload.address.eq(request.address),
                port.payload.data.eq(request.data),
            ]
