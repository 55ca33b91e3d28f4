"""Replies: kept in a block RAM, encoded and sent byte by byte."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from atomik_fpga.protocol import (
    CRC_BYTES,
    FLAG_ERROR,
    FLAG_SESSION,
    INFO_BYTES,
    NONCE_BYTES,
    REPLY_HEADER,
    Info,
    Kind,
)

__all__ = ["HEADER_BYTES", "ReplySender", "nonce_address", "post_layout", "reply_bytes"]

HEADER_BYTES = REPLY_HEADER.size
_STATUS_OFFSET = 2
_INFO_FLAGS_OFFSET = 15
_INFO_SESSION_OFFSET = 40
_FULL_BLOCK = 254


def post_layout(slots):
    """Strobes that ask for a reply: one of the single kinds, or kept replies by their slots."""
    return data.StructLayout(
        {"ack": 1, "nak": 1, "info": 1, "opened": 1, "refused": 1, "no_session": 1, "slots": slots}
    )


def nonce_address(slot_bytes, index):
    """Where the nonce of the last OPEN is kept, by its index in the reply that echoes it.

    The last bytes of slot 0, in an order that needs no adder.
    """
    bits = ceil_log2(NONCE_BYTES)
    return Cat(index[:bits], Const(slot_bytes // NONCE_BYTES - 1, ceil_log2(slot_bytes) - bits))


def reply_bytes(slot_bytes):
    """Bytes of values that fit in a slot."""
    return slot_bytes - NONCE_BYTES - HEADER_BYTES - 1


class ReplySender(wiring.Component):
    """Sends replies in the order INFO, OPENED, OPEN_REFUSED, NO_SESSION, kept replies, NAK, ACK.

    What is posted while the line is busy waits; a kind that is posted again while it waits is
    sent once. The numbers in a reply are those of the cycle in which it is begun. Each COBS block
    is read twice, once to find its length and to feed the CRC, once to send it, so the line rests
    for two cycles a byte before a block.

    A slot holds a reply's whole content but for its status byte, which is made when it is sent.

    Parameters
    ----------
    info : atomik_fpga.protocol.Info
        What the device says of itself; `flags` and `session` are replaced by the live ones.
    slots : int
        Kept replies.
    slot_bytes : int
        Block RAM for each of them, a power of two, at least 64.

    Members
    -------
    post : In(post_layout(slots))
        Strobes.
    cancel_nak : In(1)
        Forget a NAK that waits.
    hold : In(1)
        Begin no reply: `next` and `opcount` don't belong together.
    tag : In(16)
        Of the INFO request.
    session, mask, next, opcount, fault : In
        Live state of the session.
    slot_total : In(data.ArrayLayout(ceil_log2(slot_bytes), slots))
        Bytes of each kept reply, its header included.
    slot_busy : Out(slots)
        Kept replies that wait or are being sent. These must not be written.
    idle : Out(1)
        Nothing waits, nothing is being sent.
    write_en, write_address, write_data : In
        Write port of the slots; the slot's number is in the address' upper bits.
    o : Out(stream.Signature(8))
        Encoded characters.

    Raises
    ------
    ValueError
        If `slots` is not in 1..8, or `slot_bytes` not a power of two of at least 64.
    """

    def __init__(self, info: Info, *, slots=2, slot_bytes=256):
        if slots not in range(1, 9):
            raise ValueError(f"Reply slots must be in 1..8, not {slots!r}")
        if slot_bytes < 64 or slot_bytes & (slot_bytes - 1):
            raise ValueError(f"Slot size must be a power of two of at least 64, not {slot_bytes}")
        self._info = info
        self._slots = slots
        self._slot_bytes = slot_bytes
        super().__init__(
            {
                "post": In(post_layout(slots)),
                "cancel_nak": In(1),
                "hold": In(1),
                "tag": In(16),
                "session": In(1),
                "mask": In(32),
                "next": In(16),
                "opcount": In(32),
                "fault": In(4),
                "slot_total": In(data.ArrayLayout(ceil_log2(slot_bytes), slots)),
                "slot_busy": Out(slots),
                "idle": Out(1),
                "write_en": In(1),
                "write_address": In(ceil_log2(slots) + ceil_log2(slot_bytes)),
                "write_data": In(8),
                "o": Out(stream.Signature(8)),
            }
        )

    @property
    def slots(self):
        """Kept replies."""
        return self._slots

    @property
    def slot_bytes(self):
        """Block RAM for each kept reply."""
        return self._slot_bytes

    def _info_byte(self, m, index, flags):
        """Byte of an INFO reply at ``index``, live fields included."""
        byte = Signal(8, name="info_byte")
        live = {_INFO_FLAGS_OFFSET: flags}
        for n in range(4):
            session = Mux(self.session, self.mask.word_select(n, 8), 0)
            live[_INFO_SESSION_OFFSET + n] = session
        with m.Switch(index):
            for position, value in enumerate(self._info.pack()):
                with m.Case(HEADER_BYTES + position):
                    m.d.comb += byte.eq(live.get(position, value))
        return byte

    def elaborate(self, platform):
        m = Module()

        m.submodules.crc = crc = CRC32_ISO_HDLC().create()
        depth = self._slots * self._slot_bytes
        m.submodules.memory = memory = Memory(shape=8, depth=depth, init=[])
        write = memory.write_port()
        read = memory.read_port()
        m.d.comb += [
            write.en.eq(self.write_en),
            write.addr.eq(self.write_address),
            write.data.eq(self.write_data),
        ]

        waiting = Signal(self.post.shape())
        taken = Signal(self.post.shape())
        m.d.sync += waiting.as_value().eq(
            (waiting.as_value() & ~taken.as_value()) | self.post.as_value()
        )
        with m.If(self.cancel_nak):
            m.d.sync += waiting.nak.eq(self.post.nak)

        offset_bits = ceil_log2(self._slot_bytes)
        kind = Signal(Kind)
        kept = Signal()
        slot = Signal(range(self._slots))
        sessionless = Signal()
        faulty = Signal(4)
        open_ = Signal()
        next_ = Signal(16)
        opcount = Signal(32)
        total = Signal(offset_bits)

        index = Signal(offset_bits + 1)
        index_next = Signal.like(index)
        m.d.comb += index_next.eq(index)
        m.d.sync += index.eq(index_next)
        with m.If(kept):
            m.d.comb += read.addr.eq(Cat(index_next[:offset_bits], slot))
        with m.Else():
            m.d.comb += read.addr.eq(nonce_address(self._slot_bytes, index_next))

        # A byte is picked in one cycle and looked at in the next.
        picked = Signal(8)
        byte = Signal(8)
        flags = Mux(open_, FLAG_SESSION, 0) | Mux(faulty != 0, FLAG_ERROR, 0)
        info_byte = self._info_byte(m, index, flags)
        check = crc.crc ^ Mux(sessionless, 0, self.mask)
        in_check = Signal()
        with m.If(index >= total):
            m.d.comb += picked.eq(check.word_select((index - total)[:2], 8))
        with m.Elif(index == _STATUS_OFFSET):
            m.d.comb += picked.eq(Cat(kind, Const(0, 4 - len(kind)), faulty))
        with m.Elif(kept):
            m.d.comb += picked.eq(read.data)
        with m.Else():
            header = Cat(next_, Const(0, 8), opcount)
            with m.Switch(index):
                for n in range(HEADER_BYTES):
                    with m.Case(n):
                        m.d.comb += picked.eq(header.word_select(n, 8))
                with m.Default():
                    m.d.comb += picked.eq(Mux(kind == Kind.INFO, info_byte, read.data))

        start = Signal.like(index)
        run = Signal(8)
        at_end = Signal()
        full = Signal()
        last = Signal()
        zero = Signal()
        m.d.comb += crc.data.eq(byte)

        idle = Signal()
        sending = Signal(self._slots)
        m.d.comb += [
            self.slot_busy.eq(waiting.slots | sending),
            self.idle.eq(idle & ~waiting.as_value().any()),
        ]

        def begin(name, kind_, payload_bytes, *, number=self.next):
            m.d.comb += taken[name].eq(1)
            m.d.sync += [
                kind.eq(kind_),
                kept.eq(0),
                sessionless.eq(
                    kind_ in (Kind.OPENED, Kind.OPEN_REFUSED, Kind.INFO, Kind.NO_SESSION)
                ),
                next_.eq(number),
                total.eq(HEADER_BYTES + payload_bytes),
            ]
            m.next = "BEGIN"

        with m.FSM(name="fsm"):
            with m.State("IDLE"):
                m.d.comb += [idle.eq(1), crc.start.eq(1)]
                m.d.sync += [
                    faulty.eq(self.fault),
                    open_.eq(self.session),
                    opcount.eq(self.opcount),
                ]
                with m.If(self.hold):
                    m.next = "IDLE"
                with m.Elif(waiting.info):
                    begin("info", Kind.INFO, INFO_BYTES, number=self.tag)
                with m.Elif(waiting.opened):
                    begin("opened", Kind.OPENED, NONCE_BYTES)
                with m.Elif(waiting.refused):
                    begin("refused", Kind.OPEN_REFUSED, NONCE_BYTES)
                with m.Elif(waiting.no_session):
                    begin("no_session", Kind.NO_SESSION, 0)
                with m.Elif(waiting.slots.any()):
                    m.d.sync += [kind.eq(Kind.VALUES), kept.eq(1), sessionless.eq(0)]
                    for n in reversed(range(self._slots)):
                        with m.If(waiting.slots[n]):
                            m.d.comb += taken.slots.eq(1 << n)
                            m.d.sync += [
                                slot.eq(n),
                                sending.eq(1 << n),
                                total.eq(self.slot_total[n]),
                            ]
                    m.next = "BEGIN"
                with m.Elif(waiting.nak):
                    begin("nak", Kind.NAK, 0)
                with m.Elif(waiting.ack):
                    begin("ack", Kind.ACK, 0)
            with m.State("BEGIN"):
                m.d.sync += start.eq(0)
                m.next = "PICK"
            with m.State("PICK"):
                m.d.sync += [
                    byte.eq(picked),
                    in_check.eq(index >= total),
                    at_end.eq(index == total + CRC_BYTES),
                    full.eq(run == _FULL_BLOCK),
                ]
                m.next = "SCAN"
            with m.State("SCAN"):
                with m.If(at_end | full | (byte == 0)):
                    m.d.comb += [crc.valid.eq(~(at_end | full | in_check)), index_next.eq(start)]
                    m.d.sync += [last.eq(at_end), zero.eq(~(at_end | full))]
                    m.next = "CODE"
                with m.Else():
                    m.d.comb += [crc.valid.eq(~in_check), index_next.eq(index + 1)]
                    m.d.sync += run.eq(run + 1)
                    m.next = "PICK"
            with m.State("CODE"):
                m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(run + 1)]
                with m.If(self.o.ready):
                    m.next = "LOAD"
            with m.State("LOAD"):
                m.d.sync += byte.eq(picked)
                m.next = "SEND"
                with m.If(run == 0):
                    m.d.comb += index_next.eq(index + zero)
                    m.d.sync += start.eq(index_next)
                    m.next = "PICK"
                    with m.If(last):
                        m.next = "DELIMITER"
            with m.State("SEND"):
                m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(byte)]
                with m.If(self.o.ready):
                    m.d.comb += index_next.eq(index + 1)
                    m.d.sync += run.eq(run - 1)
                    m.next = "LOAD"
            with m.State("DELIMITER"):
                m.d.comb += [self.o.valid.eq(1), index_next.eq(0)]
                with m.If(self.o.ready):
                    m.d.sync += sending.eq(0)
                    m.next = "IDLE"

        return m
