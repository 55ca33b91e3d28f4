"""Tables against a dictionary of integers, and frames from arrays against what they must say."""

from __future__ import annotations

import struct
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atomik_fpga import AtomikTable
from atomik_fpga.link import accum_frames, plan_reads
from atomik_sim.model import DeviceModel

from .backends import model_port

DEPTH = 9
#: The same examples in every run, however busy the machine is.
reproducible = settings(deadline=None, derandomize=True)
WORDS = st.one_of(st.integers(-(1 << 70), 1 << 70), st.sampled_from([0, 1, -1, 1 << 63, 1 << 64]))
PLACES = st.integers(0, DEPTH - 1)
PAIRS = st.lists(st.tuples(PLACES, WORDS), max_size=12)
OPS = st.one_of(
    st.tuples(st.just("load"), PLACES, WORDS),
    st.tuples(st.just("accum"), PLACES, WORDS),
    st.tuples(st.just("swap"), PLACES, st.none() | WORDS),
    st.tuples(st.just("accum_many"), PAIRS, st.booleans()),
    st.tuples(st.just("batch_accum"), st.dictionaries(PLACES, WORDS), st.none()),
    st.tuples(st.just("read_many"), st.lists(PLACES, max_size=12), st.booleans()),
    st.tuples(st.just("clear"), st.none(), st.none()),
)
PROGRAMS = st.lists(OPS, max_size=12)


@pytest.fixture(autouse=True, scope="module")
def no_port() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("ATOMIK_PORT", raising=False)
        yield


class Oracle:
    """Reference and accumulator of each address that is not zero, as integers of any size."""

    def __init__(self, width: int) -> None:
        self.modulus = 2**width
        self.references: dict[int, int] = {}
        self.accumulators: dict[int, int] = {}

    def state(self, addr: int) -> int:
        return self.references.get(addr, 0) ^ self.accumulators.get(addr, 0)

    def load(self, addr: int, word: int) -> None:
        self.references[addr] = word % self.modulus
        self.accumulators.pop(addr, None)

    def accum(self, addr: int, word: int) -> None:
        self.accumulators[addr] = self.accumulators.get(addr, 0) ^ word % self.modulus

    def snapshot(self) -> dict[int, int]:
        return {addr: self.state(addr) for addr in range(DEPTH) if self.state(addr)}


def run(table: AtomikTable, width: int, program: list[Any]) -> None:
    """Do the same to a table and to the oracle, and compare all that can be seen."""
    oracle = Oracle(width)
    for name, first, second in program:
        match name:
            case "load":
                table.load(first, second)
                oracle.load(first, second)
            case "accum":
                table.accum(first, second)
                oracle.accum(first, second)
            case "swap":
                state = oracle.state(first)
                assert table.swap(first, second) == state
                oracle.load(first, state if second is None else second)
            case "accum_many":
                places, words = [pair[0] for pair in first], [pair[1] for pair in first]
                if second:
                    low = [(word + 2**63) % 2**64 - 2**63 for word in words]
                    table.accum_many(numpy.array(places, int), numpy.array(low, numpy.int64))
                    words = low
                else:
                    table.accum_many(places, words)
                for place, word in zip(places, words, strict=True):
                    oracle.accum(place, word)
            case "batch_accum":
                table.batch_accum(first)
                for place, word in first.items():
                    oracle.accum(place, word)
            case "read_many":
                places = numpy.array(first, int) if second else first
                assert list(table.read_many(places)) == [oracle.state(place) for place in first]
            case "clear":
                table.clear()
                oracle = Oracle(width)
    assert table.snapshot() == oracle.snapshot()
    assert table.read_all() == [oracle.state(addr) for addr in range(DEPTH)]
    for addr in range(DEPTH):
        assert table.context(addr).reference == oracle.references.get(addr, 0)


@reproducible
@given(st.sampled_from([1, 7, 63, 64, 65, 200]), PROGRAMS)
def test_any_program_on_the_embedded_table_gives_what_the_oracle_gives(
    width: int, program: list[Any]
) -> None:
    run(AtomikTable(DEPTH, width), width, program)


@settings(reproducible, max_examples=25)
@given(st.sampled_from([1, 7, 64]), PROGRAMS)
def test_any_program_on_a_device_gives_what_the_oracle_gives(
    width: int, program: list[Any]
) -> None:
    with model_port(64, 16) as (url, _), AtomikTable(DEPTH, width, port=url) as table:
        run(table, width, program)


@reproducible
@given(
    st.sampled_from([1, 7, 8, 9, 33, 64]),
    st.integers(1, 60),
    st.sampled_from([272, 40]),
    st.lists(st.tuples(st.sampled_from(["same", "next", "any"]), st.integers(1, 70)), max_size=12),
    st.randoms(use_true_random=False),
)
def test_frames_from_arrays_hold_each_accumulate_in_order(
    width: int, depth: int, frame_bytes: int, pattern: list[tuple[str, int]], random: Any
) -> None:
    addresses, address = [], 0
    for step, times in pattern:
        for _ in range(times):
            addresses.append(address)
            address = {"same": address, "next": address + 1, "any": random.randrange(depth)}[step]
            address %= depth
    deltas = [random.getrandbits(width) for _ in addresses]
    info = replace(DeviceModel(width, depth).info, frame_bytes=frame_bytes)
    size = -(-width // 8)
    found: list[tuple[int, int]] = []
    for frame in accum_frames(
        info, numpy.array(addresses, numpy.intp), numpy.array(deltas, numpy.uint64)
    ):
        assert frame.reply is None
        assert 0 < len(frame.runs) <= info.frame_bytes - 6
        position, ops = 0, 0
        while position < len(frame.runs):
            code, first = struct.unpack_from("<BH", frame.runs, position)
            position += 3
            step, count = code >> 5, (code & 31) + 1
            assert step in (0, 1)
            for number in range(count):
                word = int.from_bytes(frame.runs[position : position + size], "little")
                found.append((first + step * number, word))
                position += size
            ops += count
        assert position == len(frame.runs)
        assert frame.ops == ops
    assert found == list(zip(addresses, deltas, strict=True))


@pytest.mark.parametrize(
    ("addresses", "frames"),
    [
        (numpy.arange(32 * 7) % 64, 7),
        (numpy.zeros(32 * 7, int), 7),
        (numpy.arange(24 * 7) * 2 % 63, 7),
        (numpy.repeat(numpy.arange(24 * 7), 2) % 64, 12),
    ],
)
def test_equal_and_consecutive_addresses_share_runs(addresses: Any, frames: int) -> None:
    info = DeviceModel(64, 64).info
    deltas = numpy.ones(len(addresses), numpy.uint64)
    assert len(list(accum_frames(info, addresses, deltas))) == frames


@reproducible
@given(st.lists(st.integers(0, 200)), st.integers(1, 32), st.integers(0, 9))
def test_a_plan_of_reads_covers_what_is_wanted_and_bridges_small_gaps(
    addresses: list[int], longest: int, gap: int
) -> None:
    reads = plan_reads(addresses, longest, gap)
    covered = [address for first, count in reads for address in range(first, first + count)]
    assert covered == sorted(set(covered))
    assert set(addresses) <= set(covered)
    for first, count in reads:
        assert 1 <= count <= longest
        assert {first, first + count - 1} <= set(addresses)
    wanted = sorted(set(addresses))
    for before, after in pairwise(wanted):
        if after - before > gap + 1:
            assert not set(range(before + 1, after)) & set(covered)


def test_threads_share_the_embedded_table_and_no_delta_is_lost() -> None:
    table = AtomikTable(64)
    context = table.context(5)

    def work(lane: int) -> None:
        for number in range(0, 4000, 500):
            deltas = numpy.arange(number + 1, number + 501, dtype=numpy.uint64) << 16 * lane
            table.accum_many(numpy.full(500, 5), deltas)
            context.accum(1 << 16 * lane)
            table.accum_many([5], [1 << 16 * lane])

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work, args=(lane,)) for lane in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    # 1 ^ 2 ^ … ^ n is n where n is a multiple of 4.
    assert table.read(5) == sum(4000 << 16 * lane for lane in range(4))
    assert context.delta_count == 4 * (4000 + 16)
