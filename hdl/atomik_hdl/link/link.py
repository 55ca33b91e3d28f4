"""The link put together."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from atomik_fpga.protocol import (
    BANK_REGISTERS,
    FEATURE_BANKS,
    FEATURE_FABRIC_PORT,
    FRAME_BYTES,
    MAX_DEPTH,
    MAX_WIDTH,
    MIN_BANKS_WIDTH,
    VERSION_MAJOR,
    VERSION_MINOR,
    Info,
)

from ..table import response_layout
from .cobs import received_layout
from .executor import FrameExecutor
from .receiver import FrameReceiver
from .sender import ReplySender, reply_bytes

__all__ = ["Link"]


class Link(wiring.Component):
    """Characters in, table requests out; values in, characters out.

    Executes each op that is acknowledged exactly once, in order (``docs/link.md``). Characters are
    never stalled; they must be at least 8 cycles apart. A byte of a frame is executed in one
    cycle, so the line is the limit.

    A reset ends the session. It does not clear the table.

    Parameters
    ----------
    width, depth : int
        Of the table.
    clock_frequency, baud : int
        In hertz and bit/s, for INFO only.
    reply_slots : int
        Replying frames that a host may have outstanding.
    slot_bytes : int
        Block RAM for each of their replies, a power of two, at least 64.
    build_id : int
        64 bits, for INFO only.
    lanes : int
        Of the banks behind `atomik_fpga.protocol.BankRegister`; 0 for no such registers.

    Members
    -------
    i : In(stream.Signature(received_layout, always_ready=True))
        Characters from the line.
    o : Out(stream.Signature(8))
        Characters to the line.
    request : Out(stream.Signature(request_layout(width, depth)))
        Ops for the table. Between two of them there is at least one cycle without. With lanes, the
        address has 16 bits, and may be a register's.
    response : In(stream.Signature(response_layout(width)))
        Their values.
    session : Out(1)
        A session is open.
    error : Out(1)
        A fault is latched.
    busy : Out(1)
        A frame is stored, executed, or answered.

    Raises
    ------
    ValueError
        If `width` is not in 1..256, `depth` not in 1..65536, one value does not fit in a reply,
        or a slot parameter is out of its range. With lanes, `width` is in 32..256, and `depth` in
        1..65532.
    """

    def __init__(
        self,
        width,
        depth,
        *,
        clock_frequency,
        baud,
        reply_slots=2,
        slot_bytes=256,
        build_id=0,
        lanes=0,
    ):
        if width not in range(1, MAX_WIDTH + 1):
            raise ValueError(f"Width must be in 1..{MAX_WIDTH}, not {width!r}")
        if depth not in range(1, MAX_DEPTH + 1):
            raise ValueError(f"Depth must be in 1..{MAX_DEPTH}, not {depth!r}")
        if build_id not in range(1 << 64):
            raise ValueError(f"Build id must have 64 bits, not {build_id!r}")
        if lanes and width < MIN_BANKS_WIDTH:
            raise ValueError(
                f"Width must be at least {MIN_BANKS_WIDTH} on a device with banks, not {width}"
            )
        if lanes and depth > BANK_REGISTERS:
            raise ValueError(
                f"Depth must be at most {int(BANK_REGISTERS)} on a device with banks, not {depth}"
            )
        self._width = width
        self._depth = depth
        self._info = Info(
            major=VERSION_MAJOR,
            minor=VERSION_MINOR,
            width=width,
            depth=depth,
            lanes=lanes,
            reply_slots=reply_slots,
            flags=0,
            frame_bytes=FRAME_BYTES,
            reply_bytes=reply_bytes(slot_bytes),
            clock_hz=int(clock_frequency),
            baud=int(baud),
            build_id=build_id,
            features=FEATURE_FABRIC_PORT | (FEATURE_BANKS if lanes else 0),
            session=0,
        )
        self._receiver = FrameReceiver()
        self._executor = FrameExecutor(
            width,
            depth,
            ring_bytes=self._receiver.ring_bytes,
            slots=reply_slots,
            slot_bytes=slot_bytes,
            registers=lanes > 0,
        )
        self._sender = ReplySender(self._info, slots=reply_slots, slot_bytes=slot_bytes)
        super().__init__(
            {
                "i": In(stream.Signature(received_layout, always_ready=True)),
                "o": Out(stream.Signature(8)),
                "request": Out(self._executor.request.signature),
                "response": In(stream.Signature(response_layout(width))),
                "session": Out(1),
                "error": Out(1),
                "busy": Out(1),
            }
        )

    @property
    def info(self):
        """What INFO says, its live fields zero: `atomik_fpga.protocol.Info`."""
        return self._info

    def elaborate(self, platform):
        m = Module()

        m.submodules.receiver = receiver = self._receiver
        m.submodules.executor = executor = self._executor
        m.submodules.sender = sender = self._sender

        wiring.connect(m, wiring.flipped(self.i), receiver.i)
        wiring.connect(m, sender.o, wiring.flipped(self.o))
        wiring.connect(m, executor.request, wiring.flipped(self.request))
        wiring.connect(m, wiring.flipped(self.response), executor.response)
        m.d.comb += [
            receiver.session.eq(executor.session),
            receiver.mask.eq(executor.mask),
            receiver.flush.eq(executor.flush),
            receiver.tail.eq(executor.tail),
            receiver.address.eq(executor.address),
            executor.head.eq(receiver.head),
            executor.data.eq(receiver.data),
            executor.slot_busy.eq(sender.slot_busy),
            executor.idle.eq(sender.idle),
            sender.post.eq(executor.post),
            sender.cancel_nak.eq(executor.cancel_nak),
            sender.hold.eq(executor.executing),
            sender.tag.eq(executor.tag),
            sender.slot_total.eq(executor.slot_total),
            sender.write_en.eq(executor.write_en),
            sender.write_address.eq(executor.write_address),
            sender.write_data.eq(executor.write_data),
            sender.session.eq(executor.session),
            sender.mask.eq(executor.mask),
            sender.next.eq(executor.next),
            sender.opcount.eq(executor.opcount),
            sender.fault.eq(executor.fault),
            self.session.eq(executor.session),
            self.error.eq(executor.fault != 0),
            self.busy.eq(receiver.busy | executor.busy | ~sender.idle),
        ]

        return m
