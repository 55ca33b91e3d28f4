"""What is claimed of sessions, by receiver and executor together, and of `ReplySender`."""

from __future__ import annotations

from typing import Any

from amaranth.asserts import AnyConst, AnySeq
from amaranth.hdl import Module, ResetSignal, Signal

from atomik_fpga.protocol import NONCE_BYTES, SEQ_MODULUS, Info, Request
from atomik_hdl.link.receiver import PREFIX_BYTES, Entry, FrameReceiver
from atomik_hdl.link.sender import HEADER_BYTES, post_layout

from .link_executor import EXECUTOR_SIZE, GHOST_BITS, IN_FRAME, AtMostOnce, ExecutorSpec
from .spec import Spec, free_inputs, state_numbers

__all__ = ["FramesOfTheSession", "OpensASession", "OwnReplies", "RepliesAreWhole"]

#: Cycles from a visible OPEN to its answer being posted, at rest.
OPEN_CYCLES = 14


class FramesOfTheSession(Spec):
    """A frame that the executor takes was checked with the mask of the session that is open.

    One visible frame of a session is picked, and what the receiver compared its check with. When
    the executor is at that frame, a session is open, and its mask is that one: a frame of the
    session before, however late it was checked, is dropped with all that an OPEN drops.
    """

    def __init__(self, component: Any, width: int, depth: int) -> None:
        self.executor = component(width, depth, **EXECUTOR_SIZE)
        self.receiver = FrameReceiver()
        self.states = {
            "e": state_numbers(self.executor),
            "r": state_numbers(self.receiver),
        }
        shapes = {name: {"fsm_state": range(len(it))} for name, it in self.states.items()}
        shapes["e"] |= {"refused": 1, "step": 3, "length": 9}
        shapes["r"] |= {"entry": Entry, "decoder.o__valid": 1, "decoder.o__payload": 11}
        super().__init__({"e": self.executor, "r": self.receiver}, shapes)

    def state(self, design: str, *names: str) -> Any:
        """Return whether a design is in one of these states."""
        state, numbers = self.register(design, "fsm_state"), self.states[design]
        return sum((state == numbers[name] for name in names), start=0) != 0

    def specify(self, m: Module) -> None:
        executor, receiver = self.executor, self.receiver
        free_inputs(m, executor, but=["head"])
        m.d.comb += executor.head.eq(receiver.head)
        names = ("session", "mask", "flush", "tail", "address")
        for name in names:
            m.d.comb += getattr(receiver, name).eq(getattr(executor, name))
        free_inputs(m, receiver, but=names)

        stored = Signal(9)
        m.d.comb += stored.eq(receiver.head - executor.tail)
        in_ring = self.register("e", "length") + PREFIX_BYTES <= stored
        self.contract(m, ~self.state("e", "RELEASE") | in_ring)

        # The mask of the last check, and the frame that is picked.
        compared, mask, start = Signal(32), Signal(32), Signal(9)
        picked, inside = Signal(), Signal()
        with m.If(self.register("r", "decoder.o__valid")):
            m.d.sync += compared.eq(executor.mask)
        m.d.comb += inside.eq(picked & ((start - executor.tail)[:9] < stored))
        of_session = self.register("r", "entry") == Entry.SESSION
        with m.If(self.state("r", "ENTRY") & of_session & ~receiver.flush & AnySeq(1)):
            m.d.sync += [picked.eq(1), start.eq(receiver.head), mask.eq(compared)]
        with m.Elif(~inside):
            m.d.sync += picked.eq(0)

        right = (mask == executor.mask) & executor.session
        busy = ~self.state("e", "IDLE", "OPEN", "MASK", "DECIDE", "START", "FLUSH")
        at_frame = inside & (executor.tail == start)
        self.claim(m, ~(at_frame & busy) | right)

        step = self.register("e", "step")
        opening = self.state("e", "MASK") & (step >= 4) & ~self.register("e", "refused")
        self.lemma(m, ~inside | right | opening | self.state("e", "FLUSH"))
        checked = self.state("r", "LENGTH", "ENTRY") & of_session
        current = (compared == executor.mask) & executor.session
        self.lemma(m, ~(self.state("r", "LENGTH") & checked) | current | (opening & (step == 4)))
        early = opening & (step <= 5)
        self.lemma(m, ~(self.state("r", "ENTRY") & checked) | current | early)
        self.lemma(m, ~self.state("e", "DECIDE", "START") | (step == 4))
        self.lemma(m, ~self.state("e", "KIND", "OPEN") | (step == 0))
        self.lemma(m, self.register("r", "fsm_state") < len(self.states["r"]))


class OpensASession(ExecutorSpec):
    """A visible OPEN opens its session, whatever was before.

    Any session, latched fault, count, kept reply or half-finished word: the executor only rests,
    with its reading place where the frame begins, and nothing waits to be sent. An OPEN whose mask
    is that of the open session, which has executed something, is refused, as the format says.
    """

    def specify(self, m: Module) -> None:
        executor = self.executor
        free_inputs(m, executor, but=["idle", "request__ready"])
        m.d.comb += [executor.idle.eq(1), executor.request.ready.eq(1)]
        self.contract(m, ~ResetSignal())
        place = Signal(9)
        m.d.sync += place.eq(executor.address - executor.tail)
        size = 1 + NONCE_BYTES
        at_rest = self.state("IDLE") & (self.at("at") == executor.tail)
        self.contract(m, ~self.first | at_rest)
        stored = (executor.head - executor.tail)[:9]
        self.contract(m, ~self.first | (stored == size + PREFIX_BYTES))

        nonce = AnyConst(8 * NONCE_BYTES)
        frame = [size, Entry.SESSIONLESS.value << 6, Request.OPEN]
        for index, byte in enumerate(frame):
            self.contract(m, (place != index) | (executor.data == byte))
        for index in range(NONCE_BYTES):
            reads = place == len(frame) + index
            self.contract(m, ~reads | (executor.data == nonce.word_select(index, 8)))

        same = Signal(reset_less=True)
        with m.If(self.first):
            m.d.sync += same.eq(executor.session & self.at("dirty") & (executor.mask == nonce[:32]))
        age = Signal(range(OPEN_CYCLES + 2))
        m.d.sync += age.eq(age + (age <= OPEN_CYCLES))
        answered = age == OPEN_CYCLES - 1
        post = executor.post
        self.claim(m, ~answered | (post.opened ^ post.refused))
        self.claim(m, ~answered | (post.refused ^ ~same))
        self.claim(m, ~answered | (executor.session & (executor.mask == nonce[:32])))
        counters = (executor.next == 0) & (executor.opcount == 0) & (executor.fault == 0)
        self.claim(m, ~(answered & post.opened) | counters)


class OwnReplies(AtMostOnce):
    """A reply that is sent again is that of the frame which asks for it, not of one far behind it.

    Frames are known by the ghost index of `AtMostOnce`, and so are the frames of the kept replies.
    """

    def specify(self, m: Module) -> None:
        super().specify(m)
        executor, executed, index = self.executor, self.executed, self.index
        keeps = self.state("HEADER") & (self.at("step") == HEADER_BYTES - 1)
        seq = self.at("seq")
        in_frame = self.state(*IN_FRAME)
        self.lemma(m, ~(in_frame | self.state("HEADER")) | (seq == index[:16]))
        was_executing = Signal()
        m.d.sync += was_executing.eq(executor.executing)
        counted = (executor.executing & was_executing) | self.state("HEADER")
        self.lemma(m, ~self.state("DONE") | was_executing)
        self.lemma(m, ~counted | ((index + 1)[:GHOST_BITS] == executed))
        for slot in range(self.slots):
            owner, age = Signal(GHOST_BITS, name=f"owner{slot}"), Signal(GHOST_BITS)
            with m.If(keeps & (self.at("slot") == slot)):
                m.d.sync += owner.eq(index)
            m.d.comb += age.eq(executed - owner)
            kept, asked = self.at("kept")[slot], self.at("asked")[slot]
            number = self.at("kept_seq")[slot]
            sent = self.state("JUDGE") & executor.post.slots[slot]
            ahead = (index - executed)[:GHOST_BITS].as_signed() >= 0
            self.claim(m, ~sent | ahead | (owner == index))
            self.lemma(m, ~in_frame | (asked == (kept & (number == seq))))
            self.lemma(m, ~kept | (number == owner[:16]))
            going = in_frame & asked & executor.executing
            self.lemma(m, ~kept | ((age >= 1) & (age <= SEQ_MODULUS + going)))


class RepliesAreWhole(Spec):
    """A kept reply is busy from its post until its delimiter has gone; nothing begins on hold.

    What waits is told by `idle`, and a character on its way holds until it is taken.
    """

    def __init__(self, component: Any, slots: int, slot_bytes: int) -> None:
        info = Info(1, 0, 8, 16, 0, slots, 0, 272, slot_bytes - 16, 12, 1, 0, 0, 0)
        self.slots = slots
        self.sender = component(info, slots=slots, slot_bytes=slot_bytes)
        self.states = state_numbers(self.sender)
        shapes: dict[str, Any] = {
            "fsm_state": range(len(self.states)),
            "kept": 1,
            "slot": range(slots),
            "sending": slots,
            "waiting": post_layout(slots),
            "run": 8,
            "full": 1,
        }
        super().__init__({"p": self.sender}, {"p": shapes})

    def at(self, name: str) -> Any:
        """Return the value of one of the sender's own wires."""
        return self.register("p", name)

    def state(self, *names: str) -> Any:
        """Return whether the sender is in one of these states."""
        return sum((self.at("fsm_state") == self.states[name] for name in names), start=0) != 0

    def specify(self, m: Module) -> None:
        sender = self.sender
        free_inputs(m, sender)
        post = sender.post
        busy, posted, idle, hold = Signal(self.slots), Signal(self.slots), Signal(init=1), Signal()
        any_posted, delimited = Signal(), Signal()
        taken = sender.o.valid & sender.o.ready
        m.d.sync += [
            busy.eq(sender.slot_busy),
            posted.eq(post.slots),
            idle.eq(sender.idle),
            any_posted.eq(post.as_value().any()),
            hold.eq(sender.hold & self.state("IDLE")),
            delimited.eq(taken & (sender.o.payload == 0)),
        ]
        self.claim(m, (sender.slot_busy & ~(busy | posted)) == 0)
        self.claim(m, (posted & ~sender.slot_busy) == 0)
        self.claim(m, delimited | ((busy & ~sender.slot_busy) == 0))
        self.claim(m, ~(idle & ~any_posted) | sender.idle)
        self.claim(m, ~sender.idle | ~sender.slot_busy.any())
        self.claim(m, ~(hold & ~self.state("IDLE")))
        self.claim(m, ~self.state("CODE") | (sender.o.payload != 0))

        reads = ~self.state("IDLE") & self.at("kept")
        mine = (sender.slot_busy & (1 << self.at("slot"))) != 0
        self.claim(m, ~reads | mine)
        self.lemma(m, ~reads | (self.at("sending") == (1 << self.at("slot"))[: self.slots]))
        self.lemma(m, ~self.state("IDLE") | (self.at("sending") == 0))
        self.lemma(m, reads | (self.at("sending") == 0))
        self.lemma(m, ~reads | (self.at("slot") < self.slots))
        self.lemma(m, self.at("fsm_state") < len(self.states))
        run, full = self.at("run"), self.at("full")
        self.lemma(m, run <= 254)
        self.lemma(m, ~self.state("SCAN") | full | (run < 254))
        self.lemma(m, ~self.state("SEND") | (run != 0))

        waited = Signal()
        payload = Signal(8)
        m.d.sync += [waited.eq(sender.o.valid & ~sender.o.ready), payload.eq(sender.o.payload)]
        self.claim(m, ~waited | (sender.o.valid & (sender.o.payload == payload)))
