"""What is claimed of `FrameExecutor`, against contracts of receiver, sender and table.

The bytes that it reads are free, but for what the receiver sees to: only where a session is open
does an entry say that a frame belongs to it. The second walk through a frame finds what the first
one found, as nothing is written into a frame that is still to be released.
"""

from __future__ import annotations

from typing import Any

from amaranth.asserts import AnySeq
from amaranth.hdl import Module, Signal
from amaranth.lib import data
from amaranth.utils import ceil_log2

from atomik_fpga.protocol import RUN_HEADER
from atomik_hdl.link.receiver import Entry
from atomik_hdl.link.sender import HEADER_BYTES, reply_bytes

from .spec import Spec, free_inputs, state_numbers

__all__ = [
    "EXECUTOR_SIZE",
    "GHOST_BITS",
    "IN_FRAME",
    "AtMostOnce",
    "CheckedFrames",
    "ExecutorSpec",
    "KeptReplies",
    "SessionFirst",
]

#: States of a frame of the session, before its ops are executed and while they are.
_JUDGING = ("SEQ", "COMPARE", "JUDGE")
_CHECKING = ("CHECK", "VERDICT")
_EXECUTING = ("OPERAND", "REQUEST", "RESPONSE", "VALUE", "DONE")
_WALKING = ("OP", "CONTEXT")
#: From where it is known which kept replies have the frame's number, to its last op.
IN_FRAME = ("JUDGE", *_CHECKING, "CHECKED", *_EXECUTING, *_WALKING)
#: Where the executor writes values and headers into the slots.
_WRITING = ("RESPONSE", "VALUE", "HEADER")

#: Reply slots and their bytes, small ones.
EXECUTOR_SIZE = {"slots": 2, "slot_bytes": 64}

#: Bits of a ghost's count of frames; the difference of two counts is less than half of it.
GHOST_BITS = 20
#: Frames of a session that come later than this, or earlier, are out of the bound on delay.
DELAY = 1 << 16


class ExecutorSpec(Spec):
    """One `FrameExecutor` or a mutant of it, with its states by name.

    Parameters
    ----------
    component : class
        `FrameExecutor` or a mutant of it.
    width, depth : int
        Of the table.
    slots, slot_bytes : int
        Of the replies; `EXECUTOR_SIZE` where nothing is said.
    """

    def __init__(
        self,
        component: Any,
        width: int,
        depth: int,
        slots: int = EXECUTOR_SIZE["slots"],
        slot_bytes: int = EXECUTOR_SIZE["slot_bytes"],
    ) -> None:
        self.slots, self.slot_bytes = slots, slot_bytes
        self.executor = component(width, depth, slots=slots, slot_bytes=slot_bytes)
        self.states = state_numbers(self.executor)
        slot_bits = ceil_log2(slot_bytes)
        shapes: dict[str, Any] = {
            "fsm_state": range(len(self.states)),
            "at": 9,
            "left": 9,
            "length": 9,
            "entry": Entry,
            "word": 32,
            "step": 3,
            "checking": 1,
            "replies": 1,
            "second": 1,
            "more": 5,
            "fill": slot_bits,
            "slot": range(slots),
            "kept": slots,
            "kept_seq": data.ArrayLayout(16, slots),
            "asked": slots,
            "seq": 16,
            "behind": 16,
            "dirty": 1,
            "refused": 1,
            "run.replies": 1,
            "run.pairs": 1,
            "run.fault": 4,
        }
        super().__init__({"p": self.executor}, {"p": shapes})

    def at(self, name: str) -> Any:
        """Return the value of one of the executor's own wires."""
        return self.register("p", name)

    def state(self, *names: str) -> Any:
        """Return whether the executor is in one of these states."""
        return sum((self.at("fsm_state") == self.states[name] for name in names), start=0) != 0

    def starts_session(self) -> Any:
        """Return whether an OPEN that is not refused begins its session."""
        return self.state("START") & ~self.at("refused")

    def done(self) -> Any:
        """Return whether a frame has been executed."""
        return self.state("DONE") & self.executor.request.ready

    def only_legal_states(self, m: Module) -> None:
        """State the lemmas that the state has a name, and that a frame starts at its start."""
        self.lemma(m, self.at("fsm_state") < len(self.states))
        self.lemma(m, ~self.state("KIND", "OPEN") | (self.at("step") == 0))

    def entries_of_the_session(self, m: Module) -> None:
        """Take for granted what the receiver writes into the second byte of a frame's prefix."""
        session_entry = self.executor.data[6:] == Entry.SESSION.value
        self.contract(m, ~(self.state("ENTRY") & session_entry) | self.executor.session)

    def data_frames_have_a_session(self, m: Module) -> None:
        """State the lemma that a frame of a session is looked at in one."""
        of_session = self.at("entry") == Entry.SESSION
        in_frame = self.state(*_JUDGING, *_CHECKING, "CHECKED", *_EXECUTING, *_WALKING, "HEADER")
        self.lemma(m, ~in_frame | of_session)
        looked_at = self.state("KIND") & of_session
        self.lemma(m, ~(in_frame | looked_at) | self.executor.session)

    def walks_in_order(self, m: Module) -> None:
        """State the lemmas that a frame is checked, then executed, then counted."""
        executing, checking = self.executor.executing, self.at("checking")
        self.lemma(m, ~self.state(*_EXECUTING) | executing)
        self.lemma(m, ~(executing & checking))
        self.lemma(m, ~self.state(*_CHECKING) | (checking & ~executing))
        self.lemma(m, ~self.state("CHECKED") | ~executing)
        self.lemma(m, ~self.state(*_WALKING) | (executing == ~checking))
        self.lemma(m, ~executing | self.state(*_EXECUTING, *_WALKING))
        self.lemma(m, ~self.state("DONE") | (self.at("step") == 0))
        # The second walk through a frame finds what the first one has found good.
        again = self.state("OP") & executing
        whole = (self.at("left") == 0) | (self.at("left") >= RUN_HEADER.size)
        self.contract(m, ~again | whole)


class SessionFirst(ExecutorSpec):
    """Without a session no op is given and nothing is said but INFO, NO_SESSION and OPEN's answer.

    A session ends by a reset only.
    """

    def specify(self, m: Module) -> None:
        executor = self.executor
        free_inputs(m, executor)
        self.entries_of_the_session(m)
        self.data_frames_have_a_session(m)
        self.only_legal_states(m)

        session, post = executor.session, executor.post
        before = Signal()
        m.d.sync += before.eq(session)
        self.lemma(m, ~before | session)
        self.claim(m, ~before | session)
        self.claim(m, session | ~executor.request.valid)
        self.claim(m, session | ~executor.executing)
        self.claim(m, session | ~(post.ack | post.nak | post.slots.any() | post.refused))
        self.claim(m, session | ((executor.next == 0) & (executor.opcount == 0)))
        self.claim(m, session | (executor.fault == 0))
        # OPEN is answered behind its last byte; its session began with the fourth.
        self.claim(m, session | ~post.opened)
        in_nonce = self.state("MASK") & (self.at("step") >= 4)
        self.lemma(m, ~(in_nonce & ~self.at("refused")) | session)
        self.lemma(m, ~(self.state("START") & self.at("refused")) | session)
        self.lemma(m, ~(in_nonce & self.at("refused")) | session)
        self.lemma(m, ~self.state("DECIDE", "START") | (self.at("step") == 4))
        self.lemma(m, ~self.at("dirty") | session)
        self.lemma(m, ~self.at("kept").any() | session)


class AtMostOnce(ExecutorSpec):
    """Each frame of a session is executed at most once, and in order.

    A frame is known by a ghost index that counts for ever, not by its number, which wraps. What
    comes may be any frame of the session that is less than `DELAY` frames behind or ahead of the
    one that is due, as often as it likes.
    """

    def specify(self, m: Module) -> None:
        executor = self.executor
        free_inputs(m, executor)
        self.entries_of_the_session(m)
        self.data_frames_have_a_session(m)
        self.only_legal_states(m)
        self.walks_in_order(m)

        #: Frames executed in this session, and the index of the frame that is looked at.
        self.executed, self.index = Signal(GHOST_BITS), Signal(GHOST_BITS)
        executed, index = self.executed, self.index
        chosen = Signal(GHOST_BITS)
        m.d.comb += chosen.eq(AnySeq(GHOST_BITS))
        lead = (chosen - executed)[:GHOST_BITS].as_signed()
        self.contract(m, (lead < DELAY) & (lead > -DELAY))
        with m.If(self.state("ENTRY")):
            m.d.sync += index.eq(chosen)
        for step in range(2):
            reads = self.state("SEQ") & (self.at("step") == step)
            self.contract(m, ~reads | (executor.data == index.word_select(step, 8)))

        was_executing = Signal()
        m.d.sync += was_executing.eq(executor.executing)
        begins = executor.executing & ~was_executing
        with m.If(begins):
            m.d.sync += executed.eq(executed + 1)
        with m.If(self.starts_session()):
            m.d.sync += executed.eq(0)

        self.claim(m, ~begins | (index == executed))
        self.claim(m, ~executor.request.valid | executor.executing)

        seq, number = self.at("seq"), index[:16]
        self.lemma(m, (executor.next + (was_executing & executor.executing))[:16] == executed[:16])
        self.lemma(m, ~(was_executing & ~executor.executing) | self.state("HEADER", "RELEASE"))
        self.lemma(m, ~self.state("SEQ") | (self.at("step") <= 1))
        self.lemma(m, ~(self.state("SEQ") & (self.at("step") == 1)) | (seq[8:] == number[:8]))
        self.lemma(m, ~self.state("COMPARE", "JUDGE") | (seq == number))
        behind = (executor.next - number - 1)[:16]
        self.lemma(m, ~self.state("JUDGE") | (self.at("behind") == behind))
        lag = (index - executed)[:GHOST_BITS].as_signed()
        looked_at = self.state("KIND", *_JUDGING)
        self.lemma(m, ~looked_at | ((lag < DELAY) & (lag > -DELAY)))
        due = self.state(*_WALKING, *_CHECKING, "CHECKED") & ~executor.executing
        self.lemma(m, ~due | (index == executed))
        self.lemma(m, ~begins | (index == executed))


class CheckedFrames(ExecutorSpec):
    """Ops come only from a stored frame whose check field has passed.

    The frame at `tail` says so in the second byte of its prefix, which is looked at in one state,
    when that byte is there; no op is given otherwise, and none while nothing is stored.
    """

    def specify(self, m: Module) -> None:
        executor = self.executor
        free_inputs(m, executor)
        self.entries_of_the_session(m)
        self.data_frames_have_a_session(m)
        self.only_legal_states(m)
        # What is stored stays until it is released.
        before, stored = Signal(), Signal(9)
        tail = Signal(9)
        m.d.comb += stored.eq(executor.head - executor.tail)
        m.d.sync += [before.eq(executor.head != executor.tail), tail.eq(executor.tail)]
        self.contract(m, ~(before & (tail == executor.tail)) | (stored != 0))

        said = Signal(Entry)
        with m.If(self.state("ENTRY")):
            m.d.sync += said.eq(executor.data[6:])
        past = (self.at("at") - executor.tail)[:9]
        self.claim(m, ~self.state("IDLE") | (past == 0))
        self.claim(m, ~self.state("ENTRY") | (past == 1))
        self.claim(m, ~executor.request.valid | (said == Entry.SESSION))
        self.claim(m, ~executor.executing | (said == Entry.SESSION))
        self.claim(m, ~executor.request.valid | (stored != 0))
        self.lemma(m, self.state("ENTRY", "IDLE") | (self.at("entry") == said))
        self.lemma(m, self.state("IDLE") | (stored != 0))
        self.walks_in_order(m)


class KeptReplies(ExecutorSpec):
    """A reply is not overwritten while it may be asked for again, nor while it is sent.

    Any one reply is marked when it is kept. Until ``slots - 1`` later replies are kept nothing
    writes to its slot, and until its slot is written to, asking for it has it sent again. It is
    forgotten when a frame that has its number is executed: that is the frame 65,536 behind it.
    """

    def specify(self, m: Module) -> None:
        executor = self.executor
        free_inputs(m, executor)
        self.entries_of_the_session(m)
        self.data_frames_have_a_session(m)
        self.only_legal_states(m)
        self.walks_in_order(m)
        self._neighbours(m)
        write, slot = executor.write_en, self.at("slot")
        slot_bits = ceil_log2(self.slot_bytes)
        offset = executor.write_address[:slot_bits]
        target = executor.write_address[slot_bits:]
        nonce = self.state("MASK")

        # The nonce of OPEN and the replies have bytes of their own.
        last = self.slot_bytes - 8
        self.claim(m, ~(write & nonce) | ((offset >= last) & (target == 0) & executor.idle))
        self.claim(m, ~(write & ~nonce) | (offset < last))
        busy = executor.slot_busy.bit_select(target, 1)
        self.claim(m, ~(write & ~nonce) | ~busy)
        self._room(m)
        self.lemma(m, ~nonce | executor.idle)
        self.lemma(m, ~self.state("DECIDE", "START") | executor.idle)
        replying = self.state(*_WRITING) | (self.state("OPERAND", "REQUEST") & self.at("replies"))
        free = ~executor.slot_busy.bit_select(slot, 1)
        self.lemma(m, ~self.state(*_WRITING) | self.at("replies"))
        self.lemma(m, ~((executor.executing | replying) & self.at("replies")) | free)

        keeps = self.state("HEADER") & (self.at("step") == HEADER_BYTES - 1)
        marked, later = Signal(), Signal(range(self.slots + 1))
        place, number = Signal.like(slot), Signal(16)
        with m.If(keeps):
            with m.If(~marked & AnySeq(1)):
                m.d.sync += [marked.eq(1), later.eq(0)]
                m.d.sync += [place.eq(slot), number.eq(self.at("seq"))]
            with m.Elif(marked & (later != self.slots)):
                m.d.sync += later.eq(later + 1)
        same = self.at("seq") == number
        with m.If(self.starts_session() | (self.done() & same)):
            m.d.sync += marked.eq(0)

        on_it = write & ~nonce & marked & (target == place)
        self.claim(m, ~on_it | (later >= self.slots - 1))
        kept = marked & (later < self.slots)
        self.claim(m, ~kept | self.at("kept").bit_select(place, 1))
        self.claim(m, ~kept | (self.at("kept_seq")[place] == number))
        old = ~self.at("behind")[15]
        asked = self.state("JUDGE") & same & old & kept
        self.claim(m, ~asked | executor.post.slots.bit_select(place, 1))
        is_asked = self.at("asked").bit_select(place, 1)
        judged = self.state(*IN_FRAME) & kept
        self.lemma(m, ~judged | (is_asked == same))
        self.lemma(m, slot < self.slots)
        following = place + 1 + later
        wrapped = following - (following >= self.slots) * self.slots
        self.lemma(m, ~kept | (wrapped - (wrapped >= self.slots) * self.slots == slot))
        self.lemma(m, ~marked | (place < self.slots))
        self.lemma(m, later <= self.slots)

    def _neighbours(self, m: Module) -> None:
        """Take for granted that a slot gets busy by a post, and idle ends by one, no other way."""
        executor = self.executor
        busy, posted, idle = Signal(self.slots), Signal(self.slots), Signal()
        any_posted = Signal()
        m.d.sync += [
            busy.eq(executor.slot_busy),
            posted.eq(executor.post.slots),
            idle.eq(executor.idle),
            any_posted.eq(executor.post.as_value().any()),
        ]
        self.contract(m, (executor.slot_busy & ~(busy | posted)) == 0)
        self.contract(m, ~(idle & ~any_posted) | executor.idle)
        # The second walk through a frame finds what the first one has found good.
        runs = self.state("OPERAND", "REQUEST", "RESPONSE", "VALUE")
        self.contract(m, ~(runs & self.at("run.replies")) | self.at("replies"))
        begins = self.state("OPERAND") & self.at("run.replies") & (self.at("fill") == HEADER_BYTES)
        self.contract(m, ~begins | (self.at("run.fault") == 0))
        # A run that replies is the last one of its frame.
        again = self.state("CONTEXT") & self.executor.executing
        self.contract(m, ~again | (self.at("fill") == HEADER_BYTES))

    def _room(self, m: Module) -> None:
        """State the lemma that values which are still to come have room."""
        size = (self.at("more") + 1) << self.at("run.pairs")
        fill, limit = self.at("fill"), HEADER_BYTES + reply_bytes(self.slot_bytes)
        replies = self.at("run.replies")
        before = self.state("REQUEST") & replies
        self.lemma(m, ~before | (fill + size <= limit))
        half = self.state("RESPONSE", "VALUE")
        self.lemma(m, ~half | replies)
        self.lemma(m, ~half | (fill + size - self.at("second") <= limit))
        self.lemma(m, ~(half & self.at("second")) | self.at("run.pairs"))
        self.lemma(m, ~self.state("VALUE") | (self.at("step") == 0))
        between = self.state("OPERAND") & replies & (fill != HEADER_BYTES)
        self.lemma(m, ~between | (fill + size <= limit))
        self.lemma(m, ~self.state("HEADER") | (self.at("step") < HEADER_BYTES))
        self.lemma(m, ~self.state("OPERAND", "REQUEST") | ~self.at("second"))
        checked = self.state(*_WALKING) & self.executor.executing
        self.lemma(m, ~(checked & self.state("CONTEXT")) | (fill == HEADER_BYTES))
