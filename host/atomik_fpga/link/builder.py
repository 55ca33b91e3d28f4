"""Ops into frames: neighbouring ops share a run, runs share a frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from struct import Struct

from ..protocol import CRC_BYTES, MAX_COUNT, RUN_HEADER, SEQ_BYTES, Info, Op, operand_bytes

__all__ = ["FrameBuilder", "Payload", "Reply", "plan_reads", "values_per_word"]

_FORMATS = {1: "B", 2: "H", 4: "I", 8: "Q"}


def values_per_word(op: Op) -> int:
    """Words of ``width`` bits that one value of ``op`` has: PEEK replies with two."""
    return 2 if op is Op.PEEK else 1


def plan_reads(addresses: Iterable[int], longest: int, gap: int) -> list[tuple[int, int]]:
    """Return first context and count of reads that cover ``addresses``, in order of address.

    Parameters
    ----------
    addresses : iterable of int
        In any order; repeated ones count once.
    longest : int
        Most contexts a read has.
    gap : int
        Contexts between two addresses that are rather read along than left out.
    """
    reads: list[tuple[int, int]] = []
    first = last = -1
    for address in sorted(set(addresses)):
        if first >= 0 and address - last <= gap + 1 and address - first < longest:
            last = address
            continue
        if first >= 0:
            reads.append((first, last - first + 1))
        first = last = address
    if first >= 0:
        reads.append((first, last - first + 1))
    return reads


class Reply:
    """The values that a replying run will bring, and the words when they have come.

    Attributes
    ----------
    count : int
        Words expected.
    size : int
        Bytes of a word.
    words : list of int or None
        ``count`` words; None until the reply has come.
    """

    __slots__ = ("count", "size", "words")

    def __init__(self, count: int, size: int) -> None:
        self.count = count
        self.size = size
        self.words: list[int] | None = None

    @property
    def payload_bytes(self) -> int:
        """Bytes of the payload that is expected."""
        return self.count * self.size

    def fill(self, payload: bytes) -> None:
        """Take in the payload, which has `payload_bytes` bytes."""
        size = self.size
        self.words = [
            int.from_bytes(payload[start : start + size], "little")
            for start in range(0, len(payload), size)
        ]


@dataclass(slots=True)
class Payload:
    """What a data frame carries.

    Attributes
    ----------
    runs : bytes
        The runs, without sequence number and check field.
    ops : int
        Ops in them, as the device counts.
    reply : Reply or None
        Where the values go, if the last run replies.
    """

    runs: bytes
    ops: int
    reply: Reply | None = None


class FrameBuilder:
    """Collects ops of one device into frames; the caller checks addresses and operands.

    The posting methods return the frame that became full, if one did.

    Parameters
    ----------
    info : Info
        Width and limits of the device.
    """

    def __init__(self, info: Info) -> None:
        self._size = operand_bytes(info.width)
        self._room = info.frame_bytes - SEQ_BYTES - CRC_BYTES
        self._pack = _packer(self._size)
        self._runs: list[bytes] = []
        self._used = 0
        self._ops = 0
        # The open run, if it has operands. `_accum_next` and `_load_next` are the addresses with
        # which an op would go on with it, or -1: one comparison decides in the usual case.
        self._op = Op.ACCUM
        self._each = False
        self._first = 0
        self._operands: list[int] = []
        self._limit = 0
        self._accum_next = -1
        self._load_next = -1

    @property
    def empty(self) -> bool:
        """Whether no op is held."""
        return not self._operands and not self._ops

    def accum(self, address: int, delta: int) -> Payload | None:
        """Post an ACCUM."""
        operands = self._operands
        if address == self._accum_next:
            operands.append(delta)
            if self._each:
                self._accum_next = address + 1
            return None if len(operands) < self._limit else self._end_full_run()
        if len(operands) == 1 and self._accum_next == self._first == address - 1:
            # A run of one goes on either way: here with the neighbour.
            self._op = Op.ACCUM_EACH
            self._each = True
            operands.append(delta)
            self._accum_next = address + 1
            return None if len(operands) < self._limit else self._end_full_run()
        full = self._begin(Op.ACCUM, address, delta)
        self._accum_next = address if self._limit > 1 else -1
        return full

    def load(self, address: int, value: int) -> Payload | None:
        """Post a LOAD."""
        operands = self._operands
        if address == self._load_next:
            operands.append(value)
            self._load_next += 1
            return None if len(operands) < self._limit else self._end_full_run()
        full = self._begin(Op.LOAD, address, value)
        self._load_next = address + 1 if self._limit > 1 else -1
        return full

    def clear(self) -> Payload | None:
        """Post a CLEAR of every context."""
        self._end_run()
        full = self._make_room(0)
        self._add_run(Op.CLEAR, 0, 1)
        return full

    def reply(self, op: Op, first: int, count: int, operands: Sequence[int] = ()) -> list[Payload]:
        """Add a replying run and return the frames to send: it ends the last of them.

        Parameters
        ----------
        op : Op
            READ, PEEK, SWAP or SWAP_TO.
        first, count : int
            The contexts. One reply must have room for their values.
        operands : sequence of int
            ``count`` of them for SWAP_TO.
        """
        self._end_run()
        full = self._make_room(len(operands) * self._size)
        self._add_run(op, first, count, operands)
        reply = Reply(count * values_per_word(op), self._size)
        last = self._seal(reply)
        return [last] if full is None else [full, last]

    def seal(self) -> Payload | None:
        """Return a frame of what is held, None if nothing is."""
        self._end_run()
        return self._seal(None) if self._runs else None

    def _begin(self, op: Op, address: int, operand: int) -> Payload | None:
        self._end_run()
        full = self._make_room(self._size)
        self._op = op
        self._each = False
        self._first = address
        self._operands.append(operand)
        self._limit = min(MAX_COUNT, (self._room - self._used - RUN_HEADER.size) // self._size)
        return full

    def _make_room(self, operand_bytes: int) -> Payload | None:
        if self._used + RUN_HEADER.size + operand_bytes <= self._room:
            return None
        return self._seal(None)

    def _end_full_run(self) -> Payload | None:
        self._end_run()
        return self._make_room(self._size)

    def _end_run(self) -> None:
        operands = self._operands
        if operands:
            self._add_run(self._op, self._first, len(operands), operands)
            operands.clear()
        self._accum_next = self._load_next = -1

    def _add_run(self, op: Op, first: int, count: int, operands: Sequence[int] = ()) -> None:
        run = RUN_HEADER.pack(op << 5 | count - 1, first) + self._pack(operands)
        self._runs.append(run)
        self._used += len(run)
        self._ops += count

    def _seal(self, reply: Reply | None) -> Payload:
        payload = Payload(b"".join(self._runs), self._ops, reply)
        self._runs.clear()
        self._used = self._ops = 0
        return payload


def _packer(size: int) -> Callable[[Sequence[int]], bytes]:
    """Return what lays operands of ``size`` bytes one behind the other."""
    form = _FORMATS.get(size)
    if form is not None:
        packers = [Struct(f"<{count}{form}").pack for count in range(MAX_COUNT + 1)]
        return lambda operands: packers[len(operands)](*operands)
    return lambda operands: b"".join([word.to_bytes(size, "little") for word in operands])
