"""From characters to checked frames in a ring buffer."""

from amaranth import *
from amaranth.lib import enum, stream, wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from atomik_fpga.protocol import CRC_BYTES, CRC_RESIDUE, FRAME_BYTES, SEQ_BYTES

from .cobs import CobsDecoder, received_layout

__all__ = ["PREFIX_BYTES", "Entry", "FrameReceiver"]

#: Bytes before the content of each stored frame: its length, and in the top two bits its `Entry`.
PREFIX_BYTES = 2


class Entry(enum.Enum, shape=2):
    """What the check field made of a stored frame."""

    #: Damaged, or of another session. Stored with length 0.
    BAD = 0
    #: Checked without a session: OPEN or INFO.
    SESSIONLESS = 1
    #: Checked as a frame of the open session.
    SESSION = 2


class FrameReceiver(wiring.Component):
    """Decodes, checks and stores frames; never stalls the line.

    A frame is stored as it arrives, and becomes visible, by `head` moving over it, three cycles
    after its ``00``, when its check field is known. A damaged frame becomes an entry of length 0
    in its place, so that frames and damage keep their order. A frame that finds no room is
    damaged; where there is no room even for that entry, it vanishes, and the sequence shows it.

    Characters must be at least 8 cycles apart.

    Parameters
    ----------
    ring_bytes : int
        Size of the ring buffer, a power of two, at least 512.

    Members
    -------
    i : In(stream.Signature(received_layout, always_ready=True))
        Characters.
    session : In(1)
        A session is open.
    mask : In(32)
        Its mask (``docs/link.md``, "The check field").
    flush : In(1)
        Drop the frame that is just being made visible: its check may be of the session before.
        The reader drops the visible ones, by moving `tail` to `head`.
    head : Out(ceil_log2(ring_bytes))
        Behind the newest visible frame.
    tail : In(ceil_log2(ring_bytes))
        The oldest frame that is still wanted.
    address : In(ceil_log2(ring_bytes))
        Address to read; a cycle later `data` holds the byte.
    data : Out(8)
        Byte at `address`.
    busy : Out(1)
        A frame is just being made visible.

    Raises
    ------
    ValueError
        If `ring_bytes` is not a power of two, or less than 512.
    """

    def __init__(self, ring_bytes=512):
        if ring_bytes < 512 or ring_bytes & (ring_bytes - 1):
            raise ValueError(f"Ring size must be a power of two of at least 512, not {ring_bytes}")
        self._ring_bytes = ring_bytes
        bits = ceil_log2(ring_bytes)
        super().__init__(
            {
                "i": In(stream.Signature(received_layout, always_ready=True)),
                "session": In(1),
                "mask": In(32),
                "flush": In(1),
                "head": Out(bits),
                "tail": In(bits),
                "address": In(bits),
                "data": Out(8),
                "busy": Out(1),
            }
        )

    @property
    def ring_bytes(self):
        """Size of the ring buffer."""
        return self._ring_bytes

    def elaborate(self, platform):
        m = Module()
        bits = ceil_log2(self._ring_bytes)

        m.submodules.decoder = decoder = CobsDecoder()
        m.submodules.crc = crc = CRC32_ISO_HDLC().create()
        m.submodules.ring = ring = Memory(shape=8, depth=self._ring_bytes, init=[])
        write = ring.write_port()
        read = ring.read_port()
        m.d.comb += [read.addr.eq(self.address), self.data.eq(read.data)]

        wiring.connect(m, wiring.flipped(self.i), decoder.i)
        token = decoder.o

        size = Signal(range(FRAME_BYTES + 1))
        bad = Signal()
        entry = Signal(Entry)
        length = Signal(range(FRAME_BYTES))
        room = Signal(bits)
        full = Signal()
        prefix = Cat(length, Const(0, 14 - len(length)), entry)

        undamaged = crc.crc ^ 0xFFFFFFFF ^ CRC_RESIDUE
        m.d.comb += [
            crc.data.eq(token.payload.data),
            write.data.eq(token.payload.data),
            write.addr.eq(self.head + PREFIX_BYTES + size),
        ]

        # Characters are far enough apart for these to have settled when the next one comes.
        m.d.sync += [
            room.eq(self.tail - self.head - 1),
            full.eq((size == FRAME_BYTES) | (size + PREFIX_BYTES >= room)),
        ]

        with m.FSM(name="fsm"):
            with m.State("COLLECT"):
                with m.If(token.valid & ~token.payload.end):
                    with m.If(full):
                        m.d.sync += bad.eq(1)
                    with m.Else():
                        m.d.comb += [write.en.eq(1), crc.valid.eq(1)]
                        m.d.sync += size.eq(size + 1)
                with m.Elif(token.valid):
                    m.d.comb += crc.start.eq(1)
                    m.d.sync += [entry.eq(Entry.BAD), length.eq(0), size.eq(0), bad.eq(0)]
                    with m.If(token.payload.good & ~bad):
                        with m.If(undamaged == 0):
                            with m.If(size > CRC_BYTES):
                                m.d.sync += [
                                    entry.eq(Entry.SESSIONLESS),
                                    length.eq(size - CRC_BYTES),
                                ]
                        with m.Elif(self.session & (undamaged == self.mask)):
                            with m.If(size >= SEQ_BYTES + CRC_BYTES):
                                m.d.sync += [
                                    entry.eq(Entry.SESSION),
                                    length.eq(size - CRC_BYTES),
                                ]
                    with m.If(~token.payload.empty & (room >= PREFIX_BYTES)):
                        m.next = "LENGTH"
            with m.State("LENGTH"):
                m.d.comb += [
                    self.busy.eq(1),
                    write.addr.eq(self.head),
                    write.data.eq(prefix[:8]),
                    write.en.eq(1),
                ]
                m.next = "ENTRY"
                with m.If(self.flush):
                    m.next = "COLLECT"
            with m.State("ENTRY"):
                m.d.comb += [
                    self.busy.eq(1),
                    write.addr.eq(self.head + 1),
                    write.data.eq(prefix[8:]),
                    write.en.eq(1),
                ]
                m.next = "COLLECT"
                with m.If(~self.flush):
                    m.d.sync += self.head.eq(self.head + PREFIX_BYTES + length)

        return m
