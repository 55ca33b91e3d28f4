"""Counts of what goes over a simulated board's line."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from atomik_fpga import AtomikContext
from atomik_sim import BoardOptions, SimBoard
from atomik_sim.pins import IDLE, character
from atomik_sim.server import serve
from atomik_sim.tap import Transfer
from atomik_sim.traffic import TrafficCounter, TrafficCounts

from . import wire
from .wire import Session

PATIENCE = 60.0


@pytest.fixture
def board() -> Iterator[SimBoard]:
    board = SimBoard(BoardOptions(contexts=8, width=12, baud=2_700_000))
    yield board
    board.close()


@pytest.fixture
def counter(board: SimBoard) -> TrafficCounter:
    counter = TrafficCounter(12)
    board.tap(counter)
    return counter


def ask(board: SimBoard, frame: bytes) -> None:
    board.write(frame)
    reply = b""
    while not reply.endswith(b"\0"):
        reply += board.read(1, PATIENCE)


def test_a_new_counter_has_counted_nothing(counter: TrafficCounter) -> None:
    assert counter.counts == TrafficCounts(0, 0, 0, 0)


def test_frames_of_both_directions_and_executed_ops_are_counted(
    board: SimBoard, counter: TrafficCounter
) -> None:
    session = Session()
    ask(board, wire.info_frame(1))
    ask(board, b"\0\0" + session.open())
    ask(board, session.data(0, wire.run(wire.LOAD, 1, 1, 2, 3, size=2)))
    ask(board, session.data(1, wire.run(wire.ACCUM, 1, *range(32), size=2)))
    ask(board, session.data(2, wire.run(wire.READ, 0, count=8)))
    assert counter.counts == TrafficCounts(5, 5, 3 + 32 + 8, 0)


def test_an_op_that_is_sent_twice_is_counted_once(board: SimBoard, counter: TrafficCounter) -> None:
    session = Session()
    swap, read = (
        session.data(seq, wire.run(op, 1, count=1)) for seq, op in enumerate((wire.SWAP, wire.READ))
    )
    for frame in (session.open(), swap, swap, read, swap):
        ask(board, frame)
    assert counter.counts == TrafficCounts(5, 5, 2, 0)


def test_the_ops_of_several_sessions_add_up(board: SimBoard, counter: TrafficCounter) -> None:
    for key in (3, 4, 5):
        session = Session(key=key)
        ask(board, session.open())
        ask(board, session.data(0, wire.run(wire.ACCUM, 1, 1, 2, size=2)))
    assert counter.counts.ops == 6


def test_refused_frames_and_latched_faults_are_errors(
    board: SimBoard, counter: TrafficCounter
) -> None:
    session = Session()
    ask(board, session.data(0))
    assert counter.counts.errors == 1
    ask(board, session.open())
    ask(board, session.data(1))
    assert counter.counts.errors == 2
    for _ in range(3):
        ask(board, session.data(0, wire.run(wire.LOAD, 8, 1, size=2)))
    assert counter.counts.errors == 3


def test_what_is_damaged_on_the_way_back_is_an_error_and_no_op() -> None:
    counter = TrafficCounter(12)
    counter.transferred(Transfer(0, 40, [IDLE], b"\x05garbage\0", 90))
    assert counter.counts == TrafficCounts(0, 1, 0, 1)


def test_an_idle_line_is_no_frame() -> None:
    counter = TrafficCounter(12)
    counter.transferred(Transfer(0, 120, [IDLE, character(0), IDLE], b"", 0))
    assert counter.counts == TrafficCounts(0, 0, 0, 0)


def test_a_served_board_counts_what_its_client_does(
    board: SimBoard, counter: TrafficCounter
) -> None:
    with serve(board) as server, AtomikContext.attach(server.url, 3, width=12) as context:
        for delta in range(100):
            context.accum(delta)
        assert context.read() == 0
        counts = counter.counts
    assert (counts.ops, counts.errors) == (101, 0)
