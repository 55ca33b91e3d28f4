"""Contexts as plain integers, random ops on them, and what a program saw of the device."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from atomik_fpga.link import FrameBuilder, Payload, Reply
from atomik_fpga.protocol import RUN_HEADER, Op

from .virtual_line import VirtualLine

__all__ = ["Client", "Contexts", "WrongValueError"]

#: References, then accumulators.
Snapshot = tuple[int, ...]


class WrongValueError(Exception):
    """The device holds, or answered with, what it should not."""


class Contexts:
    """Contexts as two integers each."""

    def __init__(self, depth: int) -> None:
        self.references = [0] * depth
        self.accumulators = [0] * depth

    def state(self, address: int) -> int:
        return self.references[address] ^ self.accumulators[address]

    def set(self, address: int, reference: int) -> None:
        self.references[address] = reference
        self.accumulators[address] = 0

    @property
    def snapshot(self) -> Snapshot:
        return (*self.references, *self.accumulators)


class Client:
    """A program that uses a device over one session after the other, and knows what it did.

    Parameters
    ----------
    line : VirtualLine
    rng : Random
    width, depth : int
        Of the device.
    """

    def __init__(self, line: VirtualLine, rng: Random, width: int, depth: int) -> None:
        self.line = line
        self.rng = rng
        self.width, self.depth = width, depth
        self.contexts = Contexts(depth)
        self._awaited: list[tuple[Reply, list[int]]] = []
        self._begin()

    def _begin(self) -> None:
        self._awaited.clear()
        self._builder: FrameBuilder | None = None
        #: What the contexts are after each op of the session, and ops up to each frame's end.
        self._history = [self.contexts.snapshot]
        self._ends = [0]
        self._first = 0
        self._refused: int | None = None

    def connect(self, *, next_index: int = 0, opcount: int = 0) -> None:
        """Open a session and take what the contexts are for granted."""
        self._begin()
        self._first = next_index
        engine = self.line.connect(next_index=next_index, opcount=opcount)
        self._builder = FrameBuilder(engine._info)

    @property
    def builder(self) -> FrameBuilder:
        assert self._builder is not None
        return self._builder

    def submit(self, *frames: Payload | None) -> None:
        for frame in frames:
            if frame is not None:
                self._ends.append(self._ends[-1] + frame.ops)
                self.line.engine.submit(frame)

    def flush(self) -> None:
        """Return when all that was posted has acted; every answer must be right."""
        self.submit(self.builder.seal())
        self.line.settle()
        self.check()
        if self._awaited:
            raise WrongValueError("an answer never came")

    def check(self) -> None:
        """Compare the answers that have come."""
        for reply, expected in self._awaited:
            if reply.words is not None and reply.words != expected:
                raise WrongValueError(f"a reply was {reply.words} instead of {expected}")
        self._awaited = [(reply, expected) for reply, expected in self._awaited if not reply.words]

    def act(self) -> None:
        """Post or ask something at random."""
        kinds = ["accum", "load", "clear", "seal", "read", "peek", "swap", "swap_to", "all"]
        self.do(self.rng.choices(kinds, [12, 2, 0.2, 2, 2, 1, 1.5, 1.5, 0.5])[0])

    def do(self, kind: str) -> None:
        """Post or ask something of a kind, of a random context."""
        address, word = self.rng.randrange(self.depth), self.rng.getrandbits(self.width)
        contexts, builder = self.contexts, self.builder
        match kind:
            case "accum":
                contexts.accumulators[address] ^= word
                self._acted()
                self.submit(builder.accum(address, word))
            case "load":
                self.load(address, word)
            case "clear":
                for each in range(self.depth):
                    contexts.set(each, 0)
                self._acted()
                self.submit(builder.clear())
            case "seal":
                self.submit(builder.seal())
            case "read":
                self._ask(Op.READ, address, [contexts.state(address)])
            case "all":
                self._ask(Op.READ, 0, [contexts.state(each) for each in range(self.depth)])
            case "peek":
                self.peek(address)
            case "swap" | "swap_to":
                before = contexts.state(address)
                contexts.set(address, word if kind == "swap_to" else before)
                op, operands = (Op.SWAP_TO, [word]) if kind == "swap_to" else (Op.SWAP, [])
                self._ask(op, address, [before], operands)

    def load(self, address: int, word: int) -> None:
        self.contexts.set(address, word)
        self._acted()
        self.submit(self.builder.load(address, word))

    def peek(self, address: int) -> Reply:
        contexts = self.contexts
        return self._ask(
            Op.PEEK, address, [contexts.state(address), contexts.accumulators[address]]
        )

    def _ask(
        self, op: Op, address: int, expected: list[int], operands: Sequence[int] = ()
    ) -> Reply:
        count = len(expected) // (2 if op is Op.PEEK else 1)
        self._acted(count)
        frames = self.builder.reply(op, address, count, operands)
        self.submit(*frames)
        reply = frames[-1].reply
        assert reply is not None
        self._awaited.append((reply, expected))
        return reply

    def _acted(self, ops: int = 1) -> None:
        self._history += [self.contexts.snapshot] * ops

    def blunder(self) -> None:
        """Submit what the device must refuse: an op on a context that it does not have."""
        self.submit(self.builder.seal())
        word = bytes((self.width + 7) // 8)
        run = RUN_HEADER.pack(Op.LOAD << 5, self.depth) + word
        self._refused = len(self._ends)
        self._acted()
        self.submit(Payload(run, 1))

    # After an error.

    def possible(self) -> list[Snapshot]:
        """Return what the contexts may be: as after any frame that was not acknowledged."""
        acknowledged = self.line.engine.acknowledged - self._first
        return [self._history[end] for end in self._ends[acknowledged : self._refused]]

    def reload(self) -> None:
        """Give every context a new value, whatever it holds."""
        for address in range(self.depth):
            self.load(address, self.rng.getrandbits(self.width))
        self.flush()

    def look(self, possible: Sequence[Snapshot]) -> None:
        """Read what the contexts hold, which must be one of what is possible; go on with that."""
        self._awaited.clear()
        replies = [self.peek(address) for address in range(self.depth)]
        self._awaited.clear()
        self.line.settle()
        pairs = [reply.words for reply in replies if reply.words is not None]
        if len(pairs) < len(replies):
            raise WrongValueError("an answer never came")
        found = (*(state ^ delta for state, delta in pairs), *(delta for _, delta in pairs))
        if found not in possible:
            raise WrongValueError(f"the contexts hold {found}, which is none of {set(possible)}")
        self.contexts.references = list(found[: self.depth])
        self.contexts.accumulators = list(found[self.depth :])
        # From here on it is known.
        self._history = [self.contexts.snapshot] * len(self._history)
