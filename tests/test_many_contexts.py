"""Thousands of contexts of a simulated ECP5 board: the driver against NumPy, and the demo."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy
import pytest

from atomik_fpga import AtomikTable, connect
from atomik_fpga.cli import main
from atomik_sim.testing import AtomikBoard

from .backends import ECP5

pytestmark = pytest.mark.parametrize("atomik_board_options", [ECP5])

CONTEXTS = 4096
#: Up to the last address but one, so that there is a context below the table and one above it.
FIRST = ECP5["contexts"] - CONTEXTS - 1
OUTSIDE = {FIRST - 1: 0x1234, FIRST + CONTEXTS: 0x5678}


class Oracle:
    """References and accumulators as arrays, changed by NumPy alone."""

    def __init__(self, seed: int) -> None:
        self.random = numpy.random.default_rng(seed)
        self.references = numpy.zeros(CONTEXTS, numpy.uint16)
        self.accumulators = numpy.zeros(CONTEXTS, numpy.uint16)

    @property
    def states(self) -> Any:
        return self.references ^ self.accumulators

    def places(self, count: int) -> Any:
        """Return addresses: anywhere, near the ends, or bursts on a few."""
        kind = self.random.integers(3)
        if kind == 0:
            return self.random.integers(0, CONTEXTS, count)
        if kind == 1:
            return self.random.choice([0, 1, 2, CONTEXTS - 2, CONTEXTS - 1], count)
        return numpy.repeat(self.random.integers(0, CONTEXTS, -(-count // 9)), 9)[:count]

    def words(self, count: int) -> Any:
        return self.random.integers(0, 1 << 16, count, numpy.uint16)

    def word(self) -> int:
        return int(self.words(1)[0])

    def load(self, place: int, word: int) -> None:
        self.references[place], self.accumulators[place] = word, 0


def accum_array(table: AtomikTable, oracle: Oracle) -> None:
    places = oracle.places(int(oracle.random.integers(1, 400)))
    words = oracle.words(len(places))
    numpy.bitwise_xor.at(oracle.accumulators, places, words)
    table.accum_many(places, words)


def accum_mapping(table: AtomikTable, oracle: Oracle) -> None:
    places = numpy.unique(oracle.places(30))
    words = oracle.words(len(places))
    oracle.accumulators[places] ^= words
    table.batch_accum(dict(zip(places.tolist(), words.tolist(), strict=True)))


def accum_singly(table: AtomikTable, oracle: Oracle) -> None:
    for place in oracle.places(20).tolist():
        word = oracle.word()
        oracle.accumulators[place] ^= word
        table.accum(place, word)


def load_some(table: AtomikTable, oracle: Oracle) -> None:
    for place in oracle.places(20).tolist():
        word = oracle.word()
        oracle.load(place, word)
        table.load(place, word)


def swap(table: AtomikTable, oracle: Oracle) -> None:
    place = int(oracle.places(1)[0])
    state = int(oracle.states[place])
    if oracle.random.integers(2):
        oracle.load(place, state)
        assert table.swap(place) == state
    else:
        word = oracle.word()
        oracle.load(place, word)
        assert table.swap(place, word) == state


def read(table: AtomikTable, oracle: Oracle) -> None:
    places = oracle.places(40)
    assert numpy.array_equal(table.read_many(places), oracle.states[places])


def look(table: AtomikTable, oracle: Oracle) -> None:
    place = int(oracle.places(1)[0])
    context = table.context(place)
    assert context.address == FIRST + place
    assert context.accumulator == oracle.accumulators[place]
    assert context.reference == oracle.references[place]


WORK: tuple[Callable[[AtomikTable, Oracle], None], ...] = (
    accum_array,
    accum_mapping,
    accum_singly,
    load_some,
    swap,
    read,
    look,
)


def test_random_work_on_4096_contexts_is_as_numpy_has_it(atomik_board: AtomikBoard) -> None:
    oracle = Oracle(4096)
    with connect(atomik_board.url) as outside:
        for address, word in OUTSIDE.items():
            outside.load(address, word)
        with AtomikTable.attach(atomik_board.url, FIRST, CONTEXTS) as table:
            table.accum_many(range(CONTEXTS), words := oracle.words(CONTEXTS))
            oracle.accumulators ^= words
            for number in oracle.random.integers(0, len(WORK), 150):
                WORK[number](table, oracle)
            assert table.read_all() == oracle.states.tolist()
            table.clear()
            oracle.references[:] = oracle.accumulators[:] = 0
            for number in oracle.random.integers(0, len(WORK), 15):
                WORK[number](table, oracle)
            states = {place: word for place, word in enumerate(oracle.states.tolist()) if word}
            assert table.snapshot() == states
        assert {address: outside.read(address) for address in OUTSIDE} == OUTSIDE


def test_the_demo_finds_no_difference(
    atomik_board: AtomikBoard, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--port", atomik_board.url, "--events", "300", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["events"], result["width"], result["differences"]) == (300, 16, [])
