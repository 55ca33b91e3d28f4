"""Proofs about the parts of the link, each against a contract of its neighbours.

A contract that one proof takes for granted is a claim of another one: characters are spaced by the
UART; a visible frame is what its check says, and stays as it is until it is released; the executor
releases in order; a slot is busy from its post until it is sent. What is not claimed anywhere is
that a block RAM returns what was written.
"""

from __future__ import annotations

from collections.abc import Callable

from atomik_hdl.link.executor import FrameExecutor
from atomik_hdl.link.receiver import FrameReceiver
from atomik_hdl.link.sender import ReplySender
from atomik_hdl.uart import UartReceiver

from . import link_executor, link_receiver, link_session
from .mutation import Mutation
from .registry import Proof
from .spec import Spec

__all__ = ["PROOFS"]

_SMALL = {"width": 8, "depth": 16}
_LARGE = {"width": 64, "depth": 256}
#: What pytest proves too, of the executor.
_QUICK = (link_executor.AtMostOnce,)
#: Cycles from power-up to the first op of a first session, and some.
_FIRST_OP = 36


def _executor(
    claim: str,
    specification: Callable[..., Spec],
    mutation: Mutation,
    *,
    invariant: int = 0,
    sizes: tuple[dict[str, int], ...] = (_SMALL,),
) -> list[Proof]:
    return [
        Proof(
            claim,
            FrameExecutor,
            specification,
            size,
            mutation,
            mutant_depth=invariant or _FIRST_OP,
            mutant_start="invariant" if invariant else "power-up",
            thorough=size is not _SMALL or specification not in _QUICK,
        )
        for size in sizes
    ]


def _receiver(claim: str, specification: Callable[..., Spec], mutation: Mutation) -> Proof:
    return Proof(
        claim,
        FrameReceiver,
        specification,
        {},
        mutation,
        mutant_depth=12,
        mutant_start="invariant",
        thorough=specification is not link_receiver.NeverStalls,
    )


_EXECUTOR = (
    *_executor(
        "without a session no op is given, and OPEN and INFO alone are answered",
        link_executor.SessionFirst,
        Mutation(
            "takes a damaged frame for one of the session",
            "m.If(entry == Entry.SESSION)",
            "m.If(entry != Entry.SESSIONLESS)",
        ),
        sizes=(_SMALL, _LARGE),
    ),
    *_executor(
        "a frame of a session less than 65,536 frames late or early is executed at most once",
        link_executor.AtMostOnce,
        Mutation(
            "judges by eight bits of the number",
            "behind.eq(self.next + ~seq)",
            "behind.eq((self.next + ~seq)[:8].as_signed())",
        ),
        sizes=(_SMALL, _LARGE),
    ),
    *_executor(
        "ops come only from a stored frame whose check field has passed",
        link_executor.CheckedFrames,
        Mutation(
            "takes every stored frame for a checked one",
            "entry.eq(self.data[6:])",
            "entry.eq(Entry.SESSION)",
        ),
    ),
    *_executor(
        "a kept reply is not written to while it waits or is sent",
        link_executor.KeptReplies,
        Mutation(
            "does not wait for a slot that is being sent",
            "m.If(~replies | ~self.slot_busy.bit_select(slot, 1))",
            "m.If(C(1))",
        ),
        invariant=6,
    ),
    *_executor(
        "the last replies, as many as slots, are kept, and sent again when asked for",
        link_executor.KeptReplies,
        Mutation(
            "writes every value into the first slot",
            "self.write_address.eq(Cat(fill, slot))",
            "self.write_address.eq(Cat(fill, Const(0, len(slot))))",
        ),
        invariant=6,
    ),
    *_executor(
        "a reply that is sent again is that of the frame which asks for it",
        link_session.OwnReplies,
        Mutation(
            "keeps a reply when a frame with its number is executed",
            "kept.eq(kept & ~asked),",
            "",
        ),
        invariant=10,
    ),
    *_executor(
        "a frame is executed in the session with whose mask it was checked, or not at all",
        link_session.FramesOfTheSession,
        Mutation(
            "keeps what is stored when a session opens",
            "self.tail.eq(self.head)",
            "self.tail.eq(self.tail + length + PREFIX_BYTES)",
        ),
        invariant=6,
    ),
    Proof(
        "at rest a visible OPEN opens its session within 14 cycles, whatever was before",
        FrameExecutor,
        link_session.OpensASession,
        _SMALL,
        Mutation(
            "refuses every OPEN while a session is used",
            "self.session & dirty & (word[-32:] == self.mask)",
            "self.session & dirty",
        ),
        mutant_depth=link_session.OPEN_CYCLES - 1,
        bound=link_session.OPEN_CYCLES + 2,
        start="any state",
        mutant_start="any state",
        thorough=True,
    ),
)

_RECEIVER = (
    _receiver(
        "decoding writes into the free part of the ring only, and no further than a frame",
        link_receiver.StoresInFreeSpace,
        Mutation(
            "stores without looking for room", "| (size + PREFIX_BYTES >= room)", "| (room == 0)"
        ),
    ),
    _receiver(
        "a frame becomes visible as what its check field says, no more and no less",
        link_receiver.VisibleWhenChecked,
        Mutation(
            "takes any undamaged frame for one of the session",
            "self.session & (undamaged == self.mask)",
            "self.session",
        ),
    ),
    _receiver(
        "each character is taken in when it comes, whatever the reader does",
        link_receiver.NeverStalls,
        Mutation(
            "waits until the reader is done with what is stored",
            'm.next = "ENTRY"',
            'm.next = "LENGTH"\n                with m.If(self.tail == self.head):\n'
            '                    m.next = "ENTRY"',
        ),
    ),
    Proof(
        "from any state a 00 makes it as after configuration, within 4 cycles",
        FrameReceiver,
        link_receiver.Resynchronises,
        {},
        Mutation(
            "takes the frame behind a damaged one for damaged",
            "size.eq(0), bad.eq(0)",
            "size.eq(0)",
        ),
        mutant_depth=10,
        bound=20,
        start="any state",
        mutant_start="any state",
    ),
)

#: All proofs about the link and what feeds it.
PROOFS = (
    *_EXECUTOR,
    *_RECEIVER,
    Proof(
        "a kept reply is busy until its delimiter was sent, and none begins on hold",
        ReplySender,
        link_session.RepliesAreWhole,
        {"slots": 2, "slot_bytes": 64},
        Mutation(
            "gives a slot back as soon as its reply begins",
            "self.slot_busy.eq(waiting.slots | sending)",
            "self.slot_busy.eq(waiting.slots)",
        ),
    ),
    Proof(
        "characters are at least 8 cycles apart, whatever is on the line",
        UartReceiver,
        link_receiver.SpacedCharacters,
        {"clocks_a_bit": 4},
        Mutation("takes a character's first bit for its last", "0b1_0000_0000", "0b0_0000_0001"),
        mutant_depth=24,
    ),
)
