"""What is claimed of `FrameReceiver`, of what feeds it, and of it together with the executor."""

from __future__ import annotations

from typing import Any

from amaranth.asserts import AnySeq
from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data

from atomik_fpga.protocol import CRC_BYTES, FRAME_BYTES, SEQ_BYTES
from atomik_hdl.link.cobs import decoded_layout
from atomik_hdl.link.receiver import PREFIX_BYTES, Entry

from .spec import Spec, free_inputs, state_numbers

__all__ = [
    "NeverStalls",
    "ReceiverSpec",
    "Resynchronises",
    "SpacedCharacters",
    "StoresInFreeSpace",
    "VisibleWhenChecked",
]

#: Cycles from one character to the next, at least.
SPACING = 8
_BITS = 9
#: What is left in a CRC-32's register behind a message and its check; no final XOR.
_RESIDUE = 0xDEBB20E3
#: Cycles from a ``00`` until the receiver is as if it were the first one.
SETTLED = 4


def _crc32_step(register: Any, byte: Any) -> Any:
    """Return the register of CRC-32/ISO-HDLC, lowest bit first, one byte later."""
    register = register ^ byte
    for _ in range(8):
        register = (register >> 1) ^ Mux(register[0], 0xEDB88320, 0)
    return register


class ReceiverSpec(Spec):
    """One `FrameReceiver` or a mutant of it.

    Characters are free but for their distance. The reader releases only what is visible.
    """

    def __init__(self, component: Any) -> None:
        self.receiver = component()
        self.states = state_numbers(self.receiver)
        shapes: dict[str, Any] = {
            "fsm_state": range(len(self.states)),
            "size": _BITS,
            "bad": 1,
            "room": _BITS,
            "full": 1,
            "entry": Entry,
            "length": _BITS,
            "crc": 32,
            "write__en": 1,
            "write__addr": _BITS,
            "write__data": 8,
            "decoder.o__valid": 1,
            "decoder.o__payload": data.StructLayout(decoded_layout.members),
            "decoder.first": 1,
            "decoder.faulty": 1,
            "decoder.stuffed": 1,
            "decoder.remaining": 8,
        }
        super().__init__({"p": self.receiver}, {"p": shapes})

    def at(self, name: str) -> Any:
        """Return the value of one of the receiver's own wires."""
        return self.register("p", name)

    def state(self, *names: str) -> Any:
        """Return whether the receiver is in one of these states."""
        return sum((self.at("fsm_state") == self.states[name] for name in names), start=0) != 0

    @property
    def byte(self) -> Any:
        """A byte of a frame is decoded."""
        return self.at("decoder.o__valid") & ~self.at("decoder.o__payload").end

    @property
    def end(self) -> Any:
        """A frame's delimiter is there."""
        return self.at("decoder.o__valid") & self.at("decoder.o__payload").end

    def spaced(self, m: Module, first: int = 0) -> Any:
        """Take for granted that characters are spaced; return cycles since the last one.

        ``first`` is what the count starts with.
        """
        since = Signal(range(SPACING + 1), init=first)
        with m.If(self.receiver.i.valid):
            m.d.sync += since.eq(1)
        with m.Elif(since != SPACING):
            m.d.sync += since.eq(since + 1)
        self.contract(m, ~self.receiver.i.valid | (since == SPACING))
        return since

    def released_in_order(self, m: Module) -> Any:
        """Take for granted that the reader goes no further than `head`; return the free bytes."""
        head, tail = Signal(_BITS), Signal(_BITS)
        m.d.sync += [head.eq(self.receiver.head), tail.eq(self.receiver.tail)]
        went = (self.receiver.tail - tail)[:_BITS]
        self.contract(m, went <= (head - tail)[:_BITS])
        return (self.receiver.tail - self.receiver.head - 1)[:_BITS]

    def in_time(self, m: Module, since: Any) -> None:
        """State the lemmas of where the receiver is how long after a character."""
        self.lemma(m, self.at("fsm_state") < len(self.states))
        self.lemma(m, ~self.state("LENGTH") | (since == 1))
        self.lemma(m, ~self.state("ENTRY") | (since == 2))

    def fits(self, m: Module, since: Any, free: Any) -> None:
        """State the lemmas that what is stored is no more than there is room for."""
        size, length = self.at("size"), self.at("length")
        self.lemma(m, size <= FRAME_BYTES)
        self.lemma(m, (since < SETTLED) | (self.at("room") <= free))
        fresh = (size < FRAME_BYTES) & (size + PREFIX_BYTES < free)
        self.lemma(m, (since <= SETTLED) | self.at("full") | fresh)
        self.lemma(m, (size == 0) | (size + PREFIX_BYTES <= free))
        made_visible = self.state("LENGTH", "ENTRY")
        self.lemma(m, ~made_visible | (length + PREFIX_BYTES <= free))
        self.lemma(m, ~made_visible | (size == 0))


class StoresInFreeSpace(ReceiverSpec):
    """Decoding writes into the free part of the ring only, and a frame's length beyond `head`.

    Whatever comes over the line: nothing that is visible and not yet released is overwritten.
    """

    def specify(self, m: Module) -> None:
        receiver = self.receiver
        free_inputs(m, receiver)
        since, free = self.spaced(m), self.released_in_order(m)
        self.in_time(m, since)
        self.fits(m, since, free)
        offset = (self.at("write__addr") - receiver.head)[:_BITS]
        self.claim(m, ~self.at("write__en") | (offset < free))
        self.claim(m, ~self.at("write__en") | (offset < PREFIX_BYTES + FRAME_BYTES))
        before, may_move = Signal(_BITS), Signal(_BITS)
        m.d.sync += [before.eq(receiver.head), may_move.eq(free)]
        self.claim(m, (receiver.head - before)[:_BITS] <= may_move)


class VisibleWhenChecked(ReceiverSpec):
    """A frame becomes visible as what its check field says, no more and no less.

    The check is of all bytes that were decoded since the last ``00``, by a CRC of its own, at the
    ``00``. Good frames of the right length and within the limits do become visible; damage becomes
    an entry of length 0.
    """

    def specify(self, m: Module) -> None:
        receiver = self.receiver
        free_inputs(m, receiver)
        since, free = self.spaced(m), self.released_in_order(m)
        self.in_time(m, since)
        self.fits(m, since, free)

        register, count, short = Signal(32, init=0xFFFFFFFF), Signal(10), Signal()
        before, earlier = Signal(_BITS, init=511), Signal(_BITS, init=511)
        m.d.sync += [before.eq(free), earlier.eq(before)]
        expected, content = Signal(Entry), Signal(10)
        payload = self.at("decoder.o__payload")
        with m.If(self.byte):
            m.d.sync += register.eq(_crc32_step(register, payload.data))
            m.d.sync += count.eq(Mux(count == 1023, count, count + 1))
            m.d.sync += short.eq(short | (count + PREFIX_BYTES >= earlier))
        with m.If(self.end):
            m.d.sync += [register.eq(0xFFFFFFFF), count.eq(0), short.eq(0)]
            m.d.sync += [expected.eq(Entry.BAD), content.eq(0)]
            with m.If(payload.good & (count <= FRAME_BYTES) & ~short):
                with m.If((register == _RESIDUE) & (count > CRC_BYTES)):
                    m.d.sync += [expected.eq(Entry.SESSIONLESS), content.eq(count - CRC_BYTES)]
                of_session = receiver.session & (register ^ _RESIDUE == receiver.mask)
                whole = count >= SEQ_BYTES + CRC_BYTES
                with m.If((register != _RESIDUE) & of_session & whole):
                    m.d.sync += [expected.eq(Entry.SESSION), content.eq(count - CRC_BYTES)]

        bad, size = self.at("bad"), self.at("size")
        self.lemma(m, bad | ((self.at("crc") ^ 0xFFFFFFFF == register) & (size == count)))
        self.lemma(m, ~bad | short | (count > FRAME_BYTES))
        self.lemma(m, bad | ~short)
        self.lemma(m, bad | (count <= FRAME_BYTES))
        self.lemma(m, count >= size)
        stored = self.state("LENGTH", "ENTRY")
        entry, length = self.at("entry"), self.at("length")
        self.lemma(m, ~stored | ((entry == expected) & (length == content)))
        self._full(m, since, before, earlier, free)

        address, word = self.at("write__addr"), self.at("write__data")
        first = self.state("LENGTH")
        self.claim(m, ~first | ((address == receiver.head) & (word == content[:8])))
        second = self.state("ENTRY")
        upper = (word[:6] == content[8:]) & (word[6:] == expected.as_value())
        self.claim(m, ~second | ((address == (receiver.head + 1)[:_BITS]) & upper))
        self.claim(m, ~stored | self.at("write__en"))
        head, moves = Signal(_BITS), Signal(_BITS)
        m.d.sync += [head.eq(receiver.head), moves.eq(0)]
        with m.If(second & ~receiver.flush):
            m.d.sync += moves.eq(content + PREFIX_BYTES)
        self.claim(m, (receiver.head - head)[:_BITS] == moves)

    def _full(self, m: Module, since: Any, before: Any, earlier: Any, free: Any) -> None:
        """State the lemma that `full` tells of the room of two cycles ago."""
        late = since > SETTLED + 1
        self.lemma(m, (since < SETTLED) | (self.at("room") == before))
        size = self.at("size")
        full = (size == FRAME_BYTES) | (size + PREFIX_BYTES >= earlier)
        self.lemma(m, ~late | (self.at("full") == full))
        self.lemma(m, ~late | ((earlier <= before) & (before <= free)))
        self.lemma(m, (since < SETTLED) | (before <= free))


class NeverStalls(ReceiverSpec):
    """Each character is taken in, in the cycle in which it comes, whatever the reader does."""

    def specify(self, m: Module) -> None:
        receiver = self.receiver
        free_inputs(m, receiver)
        since = self.spaced(m)
        self.in_time(m, since)
        self.claim(m, ~self.at("decoder.o__valid") | self.state("COLLECT"))
        # A byte is stored, or its frame is damaged.
        due = Signal()
        m.d.sync += due.eq(self.byte & ~self.at("write__en"))
        self.claim(m, ~due | self.at("bad"))


class Resynchronises(ReceiverSpec):
    """From any state a ``00`` makes receiver and decoder as they are after configuration.

    Any state of theirs that has a name; the ``00`` may come in the first cycle in which the
    receiver is not just making a frame visible.
    """

    def specify(self, m: Module) -> None:
        receiver = self.receiver
        free_inputs(m, receiver)
        self.contract(m, ~self.first | (self.at("fsm_state") < len(self.states)))
        since = self.spaced(m, first=SPACING - 2)
        delimited = Signal()
        character = receiver.i
        with m.If(character.valid):
            m.d.sync += delimited.eq((character.payload.data == 0) & ~character.payload.error)
        settled = delimited & (since >= SETTLED) & ~character.valid
        self.claim(m, ~settled | self.at("decoder.first"))
        self.claim(m, ~settled | ~(self.at("decoder.faulty") | self.at("decoder.stuffed")))
        self.claim(m, ~settled | (self.at("decoder.remaining") == 0))
        self.claim(m, ~settled | self.state("COLLECT"))
        self.claim(m, ~settled | ((self.at("size") == 0) & ~self.at("bad")))
        self.claim(m, ~settled | (self.at("crc") == 0))


class SpacedCharacters(Spec):
    """The UART gives characters at least `SPACING` cycles apart, whatever is on the line."""

    def __init__(self, component: Any, clocks_a_bit: int) -> None:
        self.uart = component(clocks_a_bit, 1)
        self.states = state_numbers(self.uart)
        shapes = {"fsm_state": range(len(self.states)), "shift": 9}
        super().__init__({"p": self.uart}, {"p": shapes})

    def specify(self, m: Module) -> None:
        m.d.comb += self.uart.rx.eq(AnySeq(1))
        since = Signal(range(SPACING + 1))
        with m.If(self.uart.o.valid):
            m.d.sync += since.eq(1)
        with m.Elif(since != SPACING):
            m.d.sync += since.eq(since + 1)
        self.claim(m, ~self.uart.o.valid | (since == SPACING))
        # Each of the bits that are still to come takes a clock at least.
        shift = self.register("p", "shift")
        receiving = self.register("p", "fsm_state") == self.states["DATA"]
        come = sum((shift[:n] == 0 for n in range(1, 9)), start=0)
        self.lemma(m, ~receiving | ((shift != 0) & (since + come >= SPACING)))
        started = receiving | (self.register("p", "fsm_state") == self.states["START"])
        self.lemma(m, ~(started & self.uart.o.valid))
        self.lemma(m, since <= SPACING)
