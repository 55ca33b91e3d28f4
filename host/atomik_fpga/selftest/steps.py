"""The steps of the self-test that take no set time."""

from __future__ import annotations

from collections.abc import Sequence

from ..protocol import (
    FEATURE_BANKS,
    FRAME_BYTES,
    VERSION_MAJOR,
    VERSION_MINOR,
    Op,
    operand_bytes,
)
from .bench import Bench

__all__ = ["algebra", "banks", "contexts", "identity", "walking_bits"]

#: Orders in which the same deltas are accumulated.
_ORDERS = 4
_DELTAS = 16
#: Cycles of the runs of banks.
_BANK_CYCLES = (0, 1, 7, 1000)


def identity(bench: Bench) -> None:
    """Hold what the device says of itself against what can be, and against the build."""
    info = bench.connection.info
    bench.compare("protocol, major version", info.major, VERSION_MAJOR)
    bench.compare("bytes a frame", info.frame_bytes, FRAME_BYTES)
    bench.compare("lanes, as far as there are banks", bool(info.lanes), _has_banks(bench))
    # A READ of state and accumulator must fit, and a bit must have four clocks.
    least = 2 * operand_bytes(info.width)
    bench.compare("bytes a reply", min(info.reply_bytes, least), least)
    bench.compare("clocks a second", min(info.clock_hz, 4 * info.baud), 4 * info.baud)
    if bench.build_id is not None:
        bench.compare("build id", info.build_id, bench.build_id)
    bench.figures.update(
        {
            "contexts": info.depth,
            "bits": info.width,
            "protocol": f"{info.major}.{info.minor} (driver {VERSION_MAJOR}.{VERSION_MINOR})",
            "baud": bench.connection.baud,
            "build id": f"{info.build_id:016x}",
        }
    )


def walking_bits(bench: Bench) -> None:
    """Walk a one and a zero through reference and accumulator."""
    connection = bench.connection
    single = [1 << bit for bit in range(bench.width)]
    words = [*single, *(bench.ones ^ word for word in single), 0, bench.ones]
    size = min(bench.depth, len(words))
    for start in range(0, len(words), size):
        part = words[start : start + size]
        rest = [0] * len(part)
        connection.load_many(0, part)
        _peek_and_compare(bench, "loaded", 0, part, rest)
        connection.load_many(0, rest)
        connection.accum_many(range(len(part)), part)
        _peek_and_compare(bench, "accumulated", 0, part, part)
        # And each bit of one against the other: the state is their XOR.
        connection.load_many(0, part)
        connection.accum_many(range(len(part)), part)
        _peek_and_compare(bench, "loaded and accumulated", 0, rest, part)


def algebra(bench: Bench) -> None:
    """Do each op, and compare state and accumulator with its definition; neighbours stay."""
    connection = bench.connection
    place = bench.rng.randrange(bench.depth)
    others = [it for it in (place - 1, place + 1) if 0 <= it < bench.depth]
    guards = {other: bench.word() for other in others}
    for other, guard in guards.items():
        connection.load(other, guard)
    _ops(bench, place)
    _orders(bench, place)
    for other, guard in guards.items():
        bench.compare(f"context {other} beside {place}", connection.read(other), guard)


def _ops(bench: Bench, place: int) -> None:
    connection = bench.connection
    value, first, second, new = (bench.word() for _ in range(4))

    def check(what: str, state: int, accumulator: int) -> None:
        got = connection.peek(place)
        bench.compare(f"state after {what}", got[0], state)
        bench.compare(f"accumulator after {what}", got[1], accumulator)

    connection.load(place, value)
    check("load", value, 0)
    connection.accum(place, first)
    check("accum", value ^ first, first)
    connection.accum(place, second)
    check("a second accum", value ^ first ^ second, first ^ second)
    connection.accum(place, first)
    check("undo of the first", value ^ second, second)
    bench.compare("read", connection.read(place), value ^ second)
    check("read", value ^ second, second)
    bench.compare("swap", connection.swap(place), value ^ second)
    check("swap", value ^ second, 0)
    connection.accum(place, first)
    bench.compare("swap to a word", connection.swap(place, new), value ^ second ^ first)
    check("swap to a word", new, 0)
    connection.accum(place, second)
    bench.compare("swap to 0", connection.swap(place, 0), new ^ second)
    check("swap to 0", 0, 0)


def _orders(bench: Bench, place: int) -> None:
    """Accumulate the same deltas in several orders."""
    connection = bench.connection
    start = state = bench.word()
    deltas = [bench.word() for _ in range(_DELTAS)]
    for delta in deltas:
        state ^= delta
    for order in range(1, _ORDERS + 1):
        connection.load(place, start)
        connection.accum_many([place] * _DELTAS, deltas)
        bench.compare(f"{_DELTAS} deltas, order {order}", connection.read(place), state)
        bench.rng.shuffle(deltas)


def contexts(bench: Bench) -> None:
    """Give each context words of its own, look at all of them, and clear them."""
    connection = bench.connection
    if bench.quick:
        _few_contexts(bench)
    else:
        references = [bench.word() for _ in range(bench.depth)]
        for turn in ("", ", inverted"):
            deltas = [bench.word() for _ in references]
            connection.load_many(0, references)
            connection.accum_many(range(bench.depth), deltas)
            states = [it ^ delta for it, delta in zip(references, deltas, strict=True)]
            _peek_and_compare(bench, f"all loaded{turn}", 0, states, deltas)
            references = [bench.ones ^ it for it in references]
    connection.clear()
    places = _sample(bench) if bench.quick else range(bench.depth)
    for address, state in connection.read_each(places).items():
        bench.compare(f"cleared, context {address}", state, 0)
    bench.figures["contexts tested"] = len(places)


def _few_contexts(bench: Bench) -> None:
    """Do the same to one context for each address line, which tells lines that are stuck."""
    connection = bench.connection
    words = {address: bench.word() for address in _sample(bench)}
    for address, word in words.items():
        connection.load(address, word)
        connection.accum(address, bench.ones)
    for address, word in words.items():
        state, accumulator = connection.peek(address)
        bench.compare(f"loaded, context {address}", state, word ^ bench.ones)
        bench.compare(f"accumulated, context {address}", accumulator, bench.ones)


def _sample(bench: Bench) -> list[int]:
    last = bench.depth - 1
    return sorted({0, last, *(1 << bit for bit in range(last.bit_length()))} & {*range(last + 1)})


def banks(bench: Bench) -> None:
    """Run the banks for some numbers of cycles, and compare with what Python makes of it."""
    lanes = bench.connection.banks
    rate = 0.0
    for cycles in _BANK_CYCLES:
        seed = bench.rng.randrange(1, bench.ones + 1)
        result = lanes.run(cycles, seed)
        expected = lanes.expected(cycles, seed)
        bench.compare(f"banks, {cycles} cycles from {seed:#x}", result.state, expected)
        if result.elapsed:
            seconds = result.elapsed / bench.connection.info.clock_hz
            rate = result.accumulates / seconds
    bench.figures["lanes"] = lanes.lanes
    bench.figures["accum/s in the fabric"] = round(rate)


def _has_banks(bench: Bench) -> bool:
    return bool(bench.connection.info.features & FEATURE_BANKS)


def _peek_and_compare(
    bench: Bench, what: str, first: int, states: Sequence[int], accumulators: Sequence[int]
) -> None:
    words = bench.connection.read_many(first, len(states), op=Op.PEEK)
    bench.compare_each(f"state, {what}", first, words[::2], states)
    bench.compare_each(f"accumulator, {what}", first, words[1::2], accumulators)
