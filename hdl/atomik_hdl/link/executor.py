"""Checks stored frames, executes each once, and posts its reply."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from atomik_fpga.protocol import (
    MAX_DEPTH,
    NONCE_BYTES,
    RUN_HEADER,
    SEQ_BYTES,
    DeviceFault,
    Request,
    operand_bytes,
)

from ..table import request_layout, response_layout
from .receiver import PREFIX_BYTES, Entry
from .run import RunDecoder
from .sender import HEADER_BYTES, nonce_address, post_layout

__all__ = ["FrameExecutor"]

_MASK_BYTES = 4


class FrameExecutor(wiring.Component):
    """Takes the frames of a `FrameReceiver` in order; keeps the session's state.

    A frame's runs are all checked before its first op goes to the table. A byte of a frame takes
    one cycle, an op one more, a value of a reply one cycle a byte and the table's latency. A frame
    that replies waits until its slot is not being sent; an OPEN waits until nothing is. Either
    wait is bounded by the line time of the replies, and the receiver stores on meanwhile.

    A reset ends the session and drops the frame that is being executed in its midst; the table
    clears itself then.

    Parameters
    ----------
    width, depth : int
        Of the table.
    ring_bytes : int
        Of the receiver.
    slots, slot_bytes : int
        Of the sender.
    registers : bool
        There are `atomik_fpga.protocol.BankRegister`.

    Members
    -------
    head, tail, flush, address, data : as in `FrameReceiver`, from the other side
        Ring buffer.
    post, cancel_nak, tag, slot_total, slot_busy, idle, write_… : as in `ReplySender`, likewise
        Replies.
    session, mask, next, opcount, fault : Out
        Live state of the session.
    executing : Out(1)
        `opcount` runs ahead of `next`.
    request : Out(stream.Signature(request_layout(width, depth)))
        Ops for the table; with registers, of 16 bits of address.
    response : In(stream.Signature(response_layout(width)))
        Their values.
    busy : Out(1)
        A frame is being executed.
    """

    def __init__(self, width, depth, *, ring_bytes=512, slots=2, slot_bytes=256, registers=False):
        self._width = width
        self._ring_bytes = ring_bytes
        self._slots = slots
        self._slot_bytes = slot_bytes
        self._run = RunDecoder(width, depth, slot_bytes=slot_bytes, registers=registers)
        ring_bits = ceil_log2(ring_bytes)
        slot_bits = ceil_log2(slot_bytes)
        request = request_layout(width, MAX_DEPTH if registers else depth)
        super().__init__(
            {
                "head": In(ring_bits),
                "tail": Out(ring_bits),
                "flush": Out(1),
                "address": Out(ring_bits),
                "data": In(8),
                "post": Out(post_layout(slots)),
                "cancel_nak": Out(1),
                "tag": Out(16),
                "slot_total": Out(data.ArrayLayout(slot_bits, slots)),
                "slot_busy": In(slots),
                "idle": In(1),
                "write_en": Out(1),
                "write_address": Out(ceil_log2(slots) + slot_bits),
                "write_data": Out(8),
                "session": Out(1),
                "mask": Out(32),
                "next": Out(16),
                "opcount": Out(32),
                "fault": Out(4),
                "executing": Out(1),
                "request": Out(stream.Signature(request)),
                "response": In(stream.Signature(response_layout(width))),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        value_bytes = operand_bytes(self._width)
        value_bits = 8 * value_bytes
        slot_bits = ceil_log2(self._slot_bytes)

        # The frame: `data` is always the byte at `at`.
        at = Signal(self.address.shape())
        left = Signal(range(512))
        length = Signal(range(512))
        entry = Signal(Entry)
        m.d.comb += self.address.eq(at)
        m.d.sync += at.eq(self.address)

        def skip(count):
            m.d.comb += self.address.eq(at + count)
            m.d.sync += left.eq(left - count)

        # A shift register for operands on their way in, values on their way out, and the mask.
        word = Signal(8 * max(value_bytes, _MASK_BYTES))
        operand = word[-value_bits:]
        step = Signal(range(max(value_bytes, NONCE_BYTES, HEADER_BYTES)))

        def shift_in():
            m.d.sync += [word.eq(Cat(word[8:], self.data)), step.eq(step + 1)]
            skip(1)

        # The session.
        dirty = Signal()
        nak_sent = Signal()
        refused = Signal()
        seq = Signal(16)
        slot = Signal(range(self._slots))
        kept = Signal(self._slots)
        kept_seq = Signal(data.ArrayLayout(16, self._slots))
        asked = Signal(self._slots)
        behind = Signal(16)

        # The run.
        checking = Signal()
        replies = Signal()
        second = Signal()
        fill = Signal(slot_bits)
        m.submodules.run = run = self._run
        op = Signal.like(run.op)
        more = Signal.like(run.more)
        context = Signal.like(run.context)
        operands = Signal.like(run.operands)
        verdict = Signal.like(run.fault)
        m.d.comb += [
            run.op.eq(op),
            run.more.eq(more),
            run.context.eq(context),
            run.left.eq(left),
            self.request.payload.op.eq(run.table_op),
            self.request.payload.address.eq(context),
            self.request.payload.data.eq(operand),
        ]

        def reject(fault):
            m.d.comb += self.post.ack.eq(1)
            m.d.sync += [self.fault.eq(fault), dirty.eq(1)]
            m.next = "RELEASE"

        def next_value():
            with m.If(more == 0):
                m.next = "OP"
            with m.Else():
                m.d.sync += [more.eq(more - 1), step.eq(0)]
                m.next = "OPERAND"

        m.d.comb += self.busy.eq(1)
        with m.FSM(name="fsm"):
            with m.State("IDLE"):
                m.d.comb += self.busy.eq(0)
                with m.If((self.tail != self.head) & self.request.ready):
                    m.d.comb += self.busy.eq(1)
                    m.d.sync += length.eq(self.data)
                    skip(1)
                    m.next = "ENTRY"
            with m.State("ENTRY"):
                skip(1)
                m.d.sync += [
                    length[8:].eq(self.data[: len(length) - 8]),
                    left.eq(Cat(length[:8], self.data[: len(length) - 8])),
                    entry.eq(self.data[6:]),
                    step.eq(0),
                ]
                m.next = "KIND"
            with m.State("KIND"):
                m.next = "BAD"
                with m.If(entry == Entry.SESSION):
                    m.next = "SEQ"
                with m.Elif(entry == Entry.SESSIONLESS):
                    skip(1)
                    with m.If((self.data == Request.OPEN) & (left == 1 + NONCE_BYTES)):
                        m.next = "OPEN"
                    with m.If((self.data == Request.INFO) & (left == 3)):
                        m.next = "TAG"
            with m.State("BAD"):
                with m.If(self.session):
                    m.d.comb += self.post.nak.eq(~nak_sent)
                    m.d.sync += nak_sent.eq(1)
                with m.Else():
                    m.d.comb += self.post.no_session.eq(1)
                m.next = "RELEASE"
            with m.State("RELEASE"):
                m.d.comb += self.address.eq(self.tail + length + PREFIX_BYTES)
                m.d.sync += self.tail.eq(self.address)
                m.next = "IDLE"
            with m.State("TAG"):
                skip(1)
                m.d.sync += [seq.eq(Cat(seq[8:], self.data)), step.eq(1)]
                with m.If(step == 1):
                    m.next = "INFO"
            with m.State("INFO"):
                m.d.comb += self.post.info.eq(1)
                m.d.sync += self.tag.eq(seq)
                m.next = "RELEASE"

            with m.State("OPEN"):
                with m.If(self.idle):
                    m.next = "MASK"
            with m.State("MASK"):
                m.d.comb += [
                    self.write_en.eq(1),
                    self.write_address.eq(nonce_address(self._slot_bytes, step - 1)),
                    self.write_data.eq(self.data),
                ]
                shift_in()
                with m.If(step == _MASK_BYTES - 1):
                    m.next = "DECIDE"
                with m.If(step == NONCE_BYTES - 1):
                    m.d.comb += [self.post.opened.eq(~refused), self.post.refused.eq(refused)]
                    m.next = "FLUSH"
                    with m.If(refused):
                        m.next = "RELEASE"
            with m.State("DECIDE"):
                m.d.sync += refused.eq(self.session & dirty & (word[-32:] == self.mask))
                m.next = "START"
            with m.State("START"):
                m.next = "MASK"
                with m.If(~refused):
                    m.d.sync += [
                        self.session.eq(1),
                        self.mask.eq(word[-32:]),
                        self.next.eq(0),
                        self.opcount.eq(0),
                        self.fault.eq(DeviceFault.NONE),
                        dirty.eq(0),
                        nak_sent.eq(0),
                        kept.eq(0),
                        slot.eq(0),
                    ]
            with m.State("FLUSH"):
                m.d.comb += [self.flush.eq(1), self.address.eq(self.head)]
                m.d.sync += self.tail.eq(self.head)
                m.next = "IDLE"

            with m.State("SEQ"):
                skip(1)
                m.d.sync += [seq.eq(Cat(seq[8:], self.data)), step.eq(1)]
                with m.If(step == 1):
                    m.next = "COMPARE"
            with m.State("COMPARE"):
                m.d.sync += behind.eq(self.next + ~seq)
                for n in range(self._slots):
                    m.d.sync += asked[n].eq(kept[n] & (kept_seq[n] == seq))
                m.next = "JUDGE"
            with m.State("JUDGE"):
                old = ~behind[15]
                m.next = "RELEASE"
                with m.If(old & asked.any()):
                    m.d.comb += self.post.slots.eq(asked)
                with m.Elif(old | (self.fault != DeviceFault.NONE)):
                    m.d.comb += self.post.ack.eq(1)
                with m.Elif(behind.all()):
                    m.d.sync += [checking.eq(1), replies.eq(0)]
                    m.next = "OP"
                with m.Else():
                    m.next = "BAD"

            with m.State("OP"):
                m.d.sync += [op.eq(self.data[5:]), more.eq(self.data[:5]), step.eq(0)]
                with m.If(left != 0):
                    skip(1)
                    m.next = "CONTEXT"
                    with m.If(left < RUN_HEADER.size):
                        reject(DeviceFault.MALFORMED)
                with m.Elif(checking):
                    m.next = "CHECKED"
                with m.Else():
                    m.next = "DONE"
            with m.State("CONTEXT"):
                skip(1)
                m.d.sync += [context.eq(Cat(context[8:], self.data)), step.eq(1), second.eq(0)]
                with m.If(step == 1):
                    m.d.sync += step.eq(0)
                    m.next = "OPERAND"
                    with m.If(checking):
                        m.next = "CHECK"
            with m.State("CHECK"):
                m.d.sync += [operands.eq(run.operands), verdict.eq(run.fault)]
                m.next = "VERDICT"
            with m.State("VERDICT"):
                skip(operands)
                m.d.sync += replies.eq(run.replies)
                m.next = "OP"
                with m.If(verdict != DeviceFault.NONE):
                    reject(verdict)
            with m.State("CHECKED"):
                m.d.comb += self.address.eq(self.tail + PREFIX_BYTES + SEQ_BYTES)
                m.d.sync += [
                    left.eq(length - SEQ_BYTES),
                    checking.eq(0),
                    fill.eq(HEADER_BYTES),
                ]
                with m.If(~replies | ~self.slot_busy.bit_select(slot, 1)):
                    m.d.sync += self.executing.eq(1)
                    m.next = "OP"

            with m.State("OPERAND"):
                m.next = "REQUEST"
                with m.If(run.has_operands):
                    shift_in()
                    with m.If(step != value_bytes - 1):
                        m.next = "OPERAND"
            with m.State("REQUEST"):
                m.d.comb += self.request.valid.eq(1)
                with m.If(self.request.ready):
                    m.d.sync += [
                        self.opcount.eq(self.opcount + 1),
                        context.eq(context + run.steps),
                    ]
                    with m.If(run.replies):
                        m.next = "RESPONSE"
                    with m.Else():
                        next_value()
            with m.State("RESPONSE"):
                values = self.response.payload
                with m.If(self.response.valid):
                    m.d.comb += self.response.ready.eq(~run.pairs | second)
                    m.d.sync += [
                        operand.eq(Mux(second, values.accumulator, values.state)),
                        step.eq(0),
                    ]
                    m.next = "VALUE"
            with m.State("VALUE"):
                m.d.comb += [
                    self.write_en.eq(1),
                    self.write_address.eq(Cat(fill, slot)),
                    self.write_data.eq(operand[:8]),
                ]
                m.d.sync += [word.eq(word >> 8), fill.eq(fill + 1), step.eq(step + 1)]
                with m.If(step == value_bytes - 1):
                    with m.If(run.pairs & ~second):
                        m.d.sync += second.eq(1)
                        m.next = "RESPONSE"
                    with m.Else():
                        m.d.sync += second.eq(0)
                        next_value()

            with m.State("DONE"):
                with m.If(self.request.ready):
                    m.d.comb += [self.cancel_nak.eq(1), self.post.ack.eq(~replies)]
                    m.d.sync += [
                        self.next.eq(self.next + 1),
                        self.executing.eq(0),
                        dirty.eq(1),
                        nak_sent.eq(0),
                        # A reply that has this number is of the frame 65,536 before.
                        kept.eq(kept & ~asked),
                    ]
                    m.next = "RELEASE"
                    with m.If(replies):
                        m.next = "HEADER"
            with m.State("HEADER"):
                header = Cat(self.next, Const(0, 8), self.opcount)
                m.d.comb += [
                    self.write_en.eq(1),
                    self.write_address.eq(Cat(step, Const(0, slot_bits - len(step)), slot)),
                    self.write_data.eq(header.word_select(step, 8)),
                ]
                m.d.sync += step.eq(step + 1)
                with m.If(step == HEADER_BYTES - 1):
                    m.d.comb += self.post.slots.bit_select(slot, 1).eq(1)
                    m.d.sync += [
                        kept.bit_select(slot, 1).eq(1),
                        kept_seq[slot].eq(seq),
                        self.slot_total[slot].eq(fill),
                        slot.eq(Mux(slot == self._slots - 1, 0, slot + 1)),
                    ]
                    m.next = "RELEASE"

        return m
