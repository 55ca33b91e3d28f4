"""Ops on the contexts of a device: posted ones, and those that wait for values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from .bulk import (
    Integers,
    bad_address,
    bad_operand,
    check_addresses,
    check_operands,
    is_array,
    to_integer,
)
from .channel import NEVER, Channel
from .link import Payload, Reply, Session, accum_frames, plan_reads, values_per_word
from .link.timing import BITS_PER_BYTE, wire_bytes
from .protocol import CRC_BYTES, FRAME_BYTES, MAX_COUNT, REPLY_HEADER, Info, Op, operand_bytes
from .transport import Port

__all__ = ["Ops"]

#: Line time of the frames that are submitted at a time from arrays, in seconds, and how many
#: frames that are at least.
_BATCH_TIME = 0.010
_BATCH_FRAMES = 8
#: Fewer accumulates than these share frames with what else is posted, also from arrays.
_FEW = 64
#: What a reply has on the line beside its values: header, check field, COBS code, delimiter.
_REPLY_OVERHEAD = REPLY_HEADER.size + CRC_BYTES + 2


class Ops(Channel):
    """What a `Connection` does with the contexts of its device. Parameters as there."""

    def __init__(self, port: Port, session: Session, baud: int) -> None:
        self._info = session.info
        self._depth = session.info.depth
        self._largest = (1 << session.info.width) - 1
        frame_time = wire_bytes(FRAME_BYTES) * BITS_PER_BYTE / baud
        self._batch = max(_BATCH_FRAMES, int(_BATCH_TIME / frame_time))
        super().__init__(port, session)

    # Posted ops.

    def accum(self, address: int, delta: int) -> None:
        """Post A ^= ``delta``."""
        if not (type(address) is type(delta) is int and 0 <= address < self._depth):
            address, delta = self._check_address(address), to_integer(delta, "Operand")
        if not 0 <= delta <= self._largest:
            delta = self._check_operand(delta)
        self.post_accum(address, delta)

    def post_accum(self, address: int, delta: int) -> None:
        """Do what `accum` does, for a caller who has checked address and delta."""
        with self._lock:
            if self._error is not None:
                self._check()
            try:
                # Not a turn, which would cost as much again.
                full = self._builder.accum(address, delta)
                if self._flush_at is NEVER:
                    self._hold()
                if full is None:
                    return
                self._engine.submit(full)
            except Exception as error:
                broken = self._broken(error)
                self._stop_with(broken)
                self._raised = True
                raise broken from error
            except BaseException as error:
                self._stop_with(self._broken(error))
                raise
        self._pump()
        self._wait_for_room()

    def fold(self, address: int, delta: int) -> None:
        """Post A ^= ``delta``, folded with those of the same context that are not sent yet.

        The device gets one accumulate for all of them; any other op comes behind it.
        """
        if not (type(address) is type(delta) is int and 0 <= address < self._depth):
            address, delta = self._check_address(address), to_integer(delta, "Operand")
        if not 0 <= delta <= self._largest:
            delta = self._check_operand(delta)
        with self._lock, self._turn:
            folded = self._folded
            folded[address] = folded.get(address, 0) ^ delta
            if self._flush_at is NEVER:
                self._hold()

    def load(self, address: int, value: int) -> None:
        """Post R := ``value``, A := 0."""
        address = self._check_address(address)
        value = self._check_operand(value)
        with self._lock, self._turn:
            self._unfold()
            full = self._builder.load(address, value)
            self._post(full)
        if full is not None:
            self._pump()
            self._wait_for_room()

    def clear(self) -> None:
        """Post R := 0, A := 0 for every context of the device."""
        with self._lock, self._turn:
            self._unfold()
            full = self._builder.clear()
            self._post(full)
        if full is not None:
            self._pump()
            self._wait_for_room()

    def load_many(self, first: int, values: Integers) -> None:
        """Post a load of each value into consecutive contexts. All is checked before."""
        self._check_alive()
        words: Any = values if is_array(values) else list(values)
        start, count = self._check_span(first, len(words))
        words = check_operands(words, self._info.width)
        if is_array(words):
            words = words.tolist()
        self._post_each(self._builder.load, range(start, start + count), words)

    def accum_many(self, addresses: Integers, deltas: Integers) -> None:
        """Post A ^= delta for each pair. All are checked before the first is posted.

        Arrays of NumPy are posted many times as fast as other iterables.

        Raises
        ------
        TypeError
            If one is not an integer.
        ValueError
            Also if the lengths differ.
        """
        self._check_alive()
        places = check_addresses(addresses, self._depth)
        words = check_operands(deltas, self._info.width)
        if len(places) != len(words):
            raise ValueError(f"{len(places)} addresses for {len(words)} deltas")
        if is_array(places) and is_array(words) and len(places) >= _FEW:
            self._post_frames(accum_frames(self._info, places, words))
            return
        if is_array(places):
            places = places.tolist()
        if is_array(words):
            words = words.tolist()
        self._post_each(self._builder.accum, places, words)

    def _post_each(
        self,
        post: Callable[[int, int], Payload | None],
        addresses: Sequence[int],
        operands: Sequence[int],
    ) -> None:
        """Post an op for each pair, and wait for room after each frame."""
        start = 0
        while start < len(addresses):
            with self._lock, self._turn:
                self._unfold()
                for position in range(start, len(addresses)):
                    full = post(addresses[position], operands[position])
                    if full is not None:
                        self._engine.submit(full)
                        break
                start = position + 1
                self._post(None)
            self._pump()
            self._wait_for_room()

    def _post_frames(self, frames: Iterator[Payload]) -> None:
        """Post frames behind what is held, and wait for room after each batch of them."""
        while batch := list(islice(frames, self._batch)):
            with self._lock, self._turn:
                held = self._builder.seal()
                if held is not None:
                    self._engine.submit(held)
                for frame in batch:
                    self._engine.submit(frame)
            self._pump()
            self._wait_for_room()

    # Registers, which only devices with banks have.

    @property
    def device_info(self) -> Info:
        """What the device said of itself before the session was opened."""
        return self._info

    def link_clock(self) -> float:
        """Return the time in which the device runs, in seconds."""
        return self._port.clock()

    def load_registers(self, first: int, values: Sequence[int]) -> None:
        """Post loads of consecutive registers, all in one frame of their own."""
        with self._lock, self._turn:
            self._unfold()
            held = self._builder.seal()
            if held is not None:
                self._engine.submit(held)
        self._post_each(self._builder.load, range(first, first + len(values)), values)

    def read_registers(self, first: int, count: int) -> list[int]:
        """Return the values of consecutive registers, in the order in which they were read."""
        (reply,) = self._ask_each(Op.READ, [(first, count)])
        return self._await(reply)

    # Barriers.

    def read(self, address: int) -> int:
        """Return the state R ^ A."""
        address = self._check_address(address)
        return self._exchange(Op.READ, address)[0]

    def peek(self, address: int) -> tuple[int, int]:
        """Return state R ^ A and accumulator A of one instant."""
        address = self._check_address(address)
        state, accumulator = self._exchange(Op.PEEK, address)
        return state, accumulator

    def swap(self, address: int, new_reference: int | None = None) -> int:
        """Start a new epoch in one step and return the state before.

        The reference becomes ``new_reference``, or that state if it is None; A becomes 0.
        """
        address = self._check_address(address)
        if new_reference is None:
            return self._exchange(Op.SWAP, address)[0]
        new_reference = self._check_operand(new_reference)
        return self._exchange(Op.SWAP_TO, address, (new_reference,))[0]

    def read_many(self, first: int, count: int, op: Op = Op.READ) -> list[int]:
        """Return the words of ``count`` consecutive contexts, several replies under way at once.

        These are the states or, with ``op=Op.PEEK``, state and accumulator of each. Each reply is
        of one instant; different replies are of different ones.

        Raises
        ------
        ValueError
            If ``op`` is neither `Op.READ` nor `Op.PEEK`.
        """
        first, count = self._check_span(first, count)
        if op not in (Op.READ, Op.PEEK):
            raise ValueError(f"Op must be Op.READ or Op.PEEK, not {op!r}")
        op = Op(op)
        step = self._step(op)
        end = first + count
        starts = range(first, end, step)
        replies = self._ask_each(op, [(start, min(step, end - start)) for start in starts])
        return [word for reply in replies for word in self._await(reply)]

    def read_each(self, addresses: Iterable[int]) -> dict[int, int]:
        """Return the states of contexts anywhere, by address; those nearby may be among them.

        Neighbours share a reply, also where it costs fewer bytes to read what is between them.
        """
        self._check_alive()
        wanted = set(addresses)
        for address in wanted:
            self._check_address(address)
        gap = _REPLY_OVERHEAD // operand_bytes(self._info.width)
        reads = plan_reads(wanted, self._step(Op.READ), gap)
        states: dict[int, int] = {}
        for (first, _), reply in zip(reads, self._ask_each(Op.READ, reads), strict=True):
            states.update(enumerate(self._await(reply), first))
        return states

    def _step(self, op: Op) -> int:
        """Return how many contexts a reply has room for."""
        size = operand_bytes(self._info.width) * values_per_word(op)
        return min(MAX_COUNT, self._info.reply_bytes // size)

    def _ask_each(self, op: Op, reads: Sequence[tuple[int, int]]) -> list[Reply]:
        """Submit replying runs behind all that is posted; the engine keeps the slots filled."""
        with self._lock, self._turn:
            replies = [self._ask(op, first, count) for first, count in reads]
        self._pump()
        return replies

    def _exchange(self, op: Op, address: int, operands: Sequence[int] = ()) -> list[int]:
        with self._lock, self._turn:
            reply = self._ask(op, address, 1, operands)
        self._pump()
        return self._await(reply)

    # Arguments. What stands against any call is told before what is wrong with this one.

    def _check_address(self, address: int) -> int:
        self._check_alive()
        number = to_integer(address, "Address")
        if not 0 <= number < self._depth:
            raise bad_address(number, self._depth)
        return number

    def _check_operand(self, operand: int) -> int:
        self._check_alive()
        word = to_integer(operand, "Operand")
        if not 0 <= word <= self._largest:
            raise bad_operand(word, self._info.width)
        return word

    def _check_alive(self) -> None:
        if self._error is not None:
            with self._lock:
                self._check()

    def _check_span(self, first: int, count: int) -> tuple[int, int]:
        """Return both as ``int``."""
        self._check_alive()
        first, count = to_integer(first, "First address"), to_integer(count, "Count")
        if count < 0 or not 0 <= first <= self._depth - count:
            raise IndexError(
                f"Contexts {first} to {first + count - 1} are not all within 0 to {self._depth - 1}"
            )
        return first, count
