"""Tables of more than 256 contexts: their addresses are compared in more than one group of bits."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import numpy
import pytest

from atomik_fpga import AtomikTable
from atomik_hdl.table import TableOp

from .backends import ECP5
from .table_bench import OPS, Request, check, read_all

ACCUM, LOAD, READ, SWAP, SWAP_TO, CLEAR = TableOp


def neighbours(address: int, depth: int) -> list[int]:
    """Return the contexts whose address differs from this one in one bit."""
    others = (address ^ 1 << bit for bit in range((depth - 1).bit_length()))
    return [other for other in others if other < depth]


def ends(depth: int) -> list[int]:
    """Return the first and the last addresses, and those where a power of two is passed."""
    passed = [1 << bit for bit in range(2, (depth - 1).bit_length())]
    return [0, 1, 2, depth - 3, depth - 2, depth - 1, *passed, *(it - 1 for it in passed)]


def one_bit_apart(rng: random.Random, width: int, address: int, depth: int) -> Iterator[Request]:
    """Yield ops on an address and its neighbours, at any distance that forwarding knows."""
    for other in neighbours(address, depth):
        for distance in range(1, 7):
            yield ACCUM, address, rng.getrandbits(width)
            yield from ((ACCUM, other, rng.getrandbits(width)) for _ in range(distance - 1))
            yield READ, address, 0


@pytest.mark.parametrize(("width", "depth"), [(3, 257), (7, 1000), (8, 1024), (5, 4096)])
def test_bursts_neighbours_and_a_clear_with_pauses(width: int, depth: int, tmp_path: Path) -> None:
    rng = random.Random(f"{width} {depth}")
    base = rng.randrange(depth)
    near = [ends(depth), [base, *neighbours(base, depth)]]
    requests = list(one_bit_apart(rng, width, base, depth))
    while len(requests) < 800:
        address = rng.choice([*near, range(depth)][rng.randrange(3)])
        burst = rng.choice((1, 1, 1, 1, 8))
        requests += ((rng.choice(OPS), address, rng.getrandbits(width)) for _ in range(burst))
    requests.insert(600, (CLEAR, base, 1))
    requests += ((READ, address, 0) for addresses in near for address in addresses)
    stalls = [(0, 0), (0.5, 0), (0, 0.6), (0.3, 0.3)]
    check(width, depth, requests, tmp_path, stalls=stalls, seed=width)


def test_a_clear_reaches_every_context(tmp_path: Path) -> None:
    width, depth = 2, 1000
    requests: list[Request] = [(LOAD, address, address % 3 + 1) for address in range(depth)]
    requests += [(CLEAR, depth // 2, 3), *read_all(depth)]
    check(width, depth, requests, tmp_path)


@pytest.mark.parametrize("atomik_board_options", [ECP5])
def test_the_deepest_table_through_the_driver(atomik_table: AtomikTable) -> None:
    depth = atomik_table.num_contexts
    rng = numpy.random.default_rng(5)
    expected = numpy.zeros(depth, numpy.uint16)
    base = int(rng.integers(depth))
    near = numpy.array([*ends(depth), base, *neighbours(base, depth)])

    def accum(addresses: numpy.ndarray) -> None:
        deltas = rng.integers(0, 1 << 16, len(addresses), numpy.uint16)
        numpy.bitwise_xor.at(expected, addresses, deltas)
        atomik_table.accum_many(addresses, deltas)

    def check_some(count: int) -> None:
        chosen = numpy.concatenate([near, rng.integers(0, depth, count)])
        assert numpy.array_equal(atomik_table.read_many(chosen), expected[chosen])

    # Each context has a state of its own, so that one that stands for another is found out.
    accum(numpy.arange(depth))
    accum(rng.integers(0, depth, 1000))
    accum(rng.choice(near, 500))
    accum(numpy.repeat(rng.integers(0, depth, 20), 20))
    check_some(700)
    assert atomik_table.swap(depth - 1, 0x5A5A) == expected[depth - 1]
    atomik_table.load(0, 0xA5A5)
    expected[[0, depth - 1]] = 0xA5A5, 0x5A5A
    check_some(20)
    atomik_table.clear()
    expected[:] = 0
    accum(rng.choice(near, 50))
    check_some(300)
