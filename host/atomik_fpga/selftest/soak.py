"""The steps of the self-test that take the time that they are given, and its figures."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..link.timing import BITS_PER_BYTE
from ..protocol import operand_bytes
from .bench import Bench

__all__ = ["link_statistics", "soak", "throughput"]

#: Ops between two comparisons of the soak, and most contexts that it takes.
_BATCH = 64
_PLACES = 64
#: How long each figure of throughput is taken, in seconds of the line.
_MEASURED = 0.25
_QUICK_MEASURED = 0.05
_READS = 16
#: Characters that an accumulate has at least, beside its operand: the header of a run for 32.
_SPREAD = 32


class _Model:
    """Contexts as plain integers."""

    def __init__(self, places: list[int]) -> None:
        self.references = dict.fromkeys(places, 0)
        self.accumulators = dict.fromkeys(places, 0)

    def state(self, place: int) -> int:
        return self.references[place] ^ self.accumulators[place]

    def start(self, place: int, reference: int) -> None:
        self.references[place] = reference
        self.accumulators[place] = 0


def soak(bench: Bench) -> None:
    """Do random ops at random contexts for `Bench.seconds`, and compare each value with a model."""
    rng, connection = bench.rng, bench.connection
    places = rng.sample(range(bench.depth), min(bench.depth, _PLACES))
    model = _Model(places)
    for place in places:
        connection.load(place, 0)
    actions: list[Callable[[Bench, _Model, int], None]] = [
        *[_accum] * 8,
        *[_load, _read, _peek, _swap, _swap_to],
    ]
    end = time.monotonic() + bench.seconds
    ops = 0
    while True:
        for action in rng.choices(actions, k=_BATCH):
            action(bench, model, rng.choice(places))
        ops += _BATCH
        if time.monotonic() >= end:
            break
    states = connection.read_each(places)
    for place in places:
        bench.compare(f"context {place} after {ops} ops", states[place], model.state(place))
    bench.figures["random ops"] = ops


def _accum(bench: Bench, model: _Model, place: int) -> None:
    delta = bench.word()
    bench.connection.accum(place, delta)
    model.accumulators[place] ^= delta


def _load(bench: Bench, model: _Model, place: int) -> None:
    word = bench.word()
    bench.connection.load(place, word)
    model.start(place, word)


def _read(bench: Bench, model: _Model, place: int) -> None:
    bench.compare(f"read of context {place}", bench.connection.read(place), model.state(place))


def _peek(bench: Bench, model: _Model, place: int) -> None:
    state, accumulator = bench.connection.peek(place)
    bench.compare(f"state of context {place}", state, model.state(place))
    bench.compare(f"accumulator of context {place}", accumulator, model.accumulators[place])


def _swap(bench: Bench, model: _Model, place: int) -> None:
    bench.compare(f"swap of context {place}", bench.connection.swap(place), model.state(place))
    model.start(place, model.state(place))


def _swap_to(bench: Bench, model: _Model, place: int) -> None:
    word = bench.word()
    got = bench.connection.swap(place, word)
    bench.compare(f"swap of context {place} to a word", got, model.state(place))
    model.start(place, word)


def throughput(bench: Bench) -> None:
    """Measure how many accumulates a second go over the line, and how many reads."""
    connection = bench.connection
    seconds = _QUICK_MEASURED if bench.quick else _MEASURED
    rate = connection.baud / BITS_PER_BYTE / operand_bytes(bench.width)
    count = max(_SPREAD, int(rate * seconds))
    deltas = [bench.word() for _ in range(count)]
    expected = 0
    for delta in deltas:
        expected ^= delta
    connection.load(0, 0)
    connection.flush()
    start = connection.link_clock()
    connection.accum_many([0] * count, deltas)
    connection.flush()
    accums = connection.link_clock() - start
    bench.compare(f"{count} accumulates at once", connection.read(0), expected)
    start = connection.link_clock()
    for _ in range(_READS):
        bench.compare("read", connection.read(0), expected)
    reads = connection.link_clock() - start
    if accums > 0:
        bench.figures["accum/s over the line"] = round(count / accums)
    if reads > 0:
        bench.figures["ms a read"] = round(1e3 * reads / _READS, 3)


def link_statistics(bench: Bench) -> None:
    """Tell what went over the link; what was sent again was repaired, and fails nothing."""
    connection = bench.connection
    connection.flush()
    stats = connection.stats
    bench.compare("frames answered", min(stats.frames_received, 1), 1)
    bench.figures.update(
        {
            "ops": stats.ops,
            "frames sent": stats.frames_sent,
            "sent again": stats.retransmissions,
            "replies damaged": stats.damaged,
            "ms round trip": round(1e3 * stats.round_trip, 3),
        }
    )
