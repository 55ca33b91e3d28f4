"""Accumulates that are folded on the host before they are sent: the same values, fewer ops."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from unittest.mock import patch

import pytest
import serial

from atomik_fpga import AtomikContext, AtomikTable, Connection, connect
from atomik_sim.model import DeviceModel

from .ideal_peer import IdealPort

URL = "ideal://"
WIDTH, DEPTH = 16, 8


@pytest.fixture
def peer() -> Iterator[IdealPort]:
    """The port that every URL leads to."""
    made = IdealPort(DeviceModel(WIDTH, DEPTH))
    with patch.object(serial, "serial_for_url", lambda url, **settings: made):
        yield made


@pytest.fixture
def connection(peer: IdealPort) -> Iterator[Connection]:
    with connect(URL) as made:
        yield made


@contextmanager
def held(connection: Connection) -> Iterator[None]:
    """Nothing is sent by time meanwhile, however slow this machine is."""
    with patch("atomik_fpga.channel._HOLD", 3600.0):
        yield


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "It never came"
        time.sleep(0.001)


def test_accumulates_of_a_context_are_one_op_on_the_device(
    peer: IdealPort, connection: Connection
) -> None:
    with held(connection):
        for _ in range(100):
            connection.fold(3, 0x0101)
        connection.fold(3, 0x0010)
        connection.fold(5, 0x8000)
        connection.flush()
    assert peer.device.opcount == 2
    assert (peer.device.state(3), peer.device.state(5)) == (0x0010, 0x8000)


def test_what_cancels_is_not_sent(peer: IdealPort, connection: Connection) -> None:
    with held(connection):
        connection.fold(3, 0x1234)
        connection.fold(3, 0x1234)
        connection.flush()
    assert peer.device.opcount == 0


def test_a_load_ends_the_epoch_of_what_was_folded_before(connection: Connection) -> None:
    with held(connection):
        connection.fold(3, 0x00FF)
        connection.load(3, 0x1000)
        connection.fold(3, 0x0F00)
        assert connection.peek(3) == (0x1F00, 0x0F00)


def test_a_swap_takes_what_was_folded_before_and_no_more(connection: Connection) -> None:
    with held(connection):
        connection.fold(3, 0x00FF)
        assert connection.swap(3) == 0x00FF
        connection.fold(3, 0x0F00)
        assert connection.swap(3, 0x1000) == 0x0FFF
        assert connection.peek(3) == (0x1000, 0)


def test_clear_and_loads_of_many_come_behind_what_was_folded(connection: Connection) -> None:
    with held(connection):
        connection.fold(3, 0x00FF)
        connection.clear()
        connection.fold(4, 0x00FF)
        connection.load_many(2, [1, 2, 3])
        assert connection.read_many(0, 6) == [0, 0, 1, 2, 3, 0]


@pytest.mark.parametrize("seed", range(5))
def test_random_ops_equal_two_integers(connection: Connection, seed: int) -> None:
    rng = Random(seed)
    references, accumulators = [0] * DEPTH, [0] * DEPTH
    for _ in range(400):
        address, word = rng.randrange(DEPTH), rng.getrandbits(WIDTH)
        state = references[address] ^ accumulators[address]
        kind = rng.choices(["fold", "accum", "load", "swap", "swap_to", "peek"], [8, 4, 1, 1, 1, 1])
        match kind[0]:
            case "fold":
                connection.fold(address, word)
                accumulators[address] ^= word
            case "accum":
                connection.accum(address, word)
                accumulators[address] ^= word
            case "load":
                connection.load(address, word)
                references[address], accumulators[address] = word, 0
            case "swap":
                assert connection.swap(address) == state
                references[address], accumulators[address] = state, 0
            case "swap_to":
                assert connection.swap(address, word) == state
                references[address], accumulators[address] = word, 0
            case "peek":
                assert connection.peek(address) == (state, accumulators[address])
    assert connection.read_many(0, DEPTH) == [
        reference ^ accumulator
        for reference, accumulator in zip(references, accumulators, strict=True)
    ]


def test_what_is_folded_goes_out_without_a_further_call(
    peer: IdealPort, connection: Connection
) -> None:
    connection.fold(3, 0x00FF)
    wait_for(lambda: peer.device.state(3) == 0x00FF)


def test_folding_goes_on_while_the_line_is_behind(peer: IdealPort, connection: Connection) -> None:
    peer.silent = True
    for number in range(3000):
        connection.accum(number % DEPTH, 1)
        if connection._shared._engine.backlog > 3:
            break
    # The window is full: an accum would wait soon, and these do not.
    with patch("atomik_fpga.channel._BACKLOG", 2):
        for _ in range(2000):
            connection.fold(3, 0x0100)
        connection.fold(3, 0x0200)
        before = connection._shared._engine.submitted
        time.sleep(0.02)
        assert connection._shared._engine.submitted <= before + 1
    peer.silent = False
    assert connection.read(3) & 0xFF00 == 0x0200


def test_closing_sends_what_is_folded(peer: IdealPort) -> None:
    with connect(URL) as connection, held(connection):
        connection.fold(3, 0x00FF)
    assert peer.device.state(3) == 0x00FF


@pytest.mark.parametrize(
    ("address", "delta", "error", "message"),
    [
        (DEPTH, 0, IndexError, f"^Address must be 0 to {DEPTH - 1}, not {DEPTH}$"),
        (-1, 0, IndexError, f"^Address must be 0 to {DEPTH - 1}, not -1$"),
        ("1", 0, TypeError, "^Address must be an integer, not '1'$"),
        (1, 1 << WIDTH, ValueError, f"^Operand must have at most {WIDTH} bits, not 0x10000$"),
        (1, -1, ValueError, f"^Operand must have at most {WIDTH} bits, not -0x1$"),
        (1, 1.0, TypeError, "^Operand must be an integer, not 1.0$"),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(
    peer: IdealPort,
    connection: Connection,
    address: int,
    delta: int,
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        connection.fold(address, delta)
    connection.flush()
    assert peer.device.opcount == 0


# Contexts and tables.


def test_a_context_folds_when_asked_and_counts_each_call(peer: IdealPort) -> None:
    with AtomikContext(WIDTH, 0x1000, port=URL, coalesce=True) as context:
        context.flush()
        before = peer.device.opcount
        with patch("atomik_fpga.channel._HOLD", 3600.0):
            for _ in range(11):
                context.accum(0x0001)
            context.rollback(0x0002)
            assert context.delta_count == 12
            assert context.read() == 0x1003
        # One accumulate, and the read.
        assert peer.device.opcount == before + 2
        assert context.accumulator == 0x0003


def test_a_context_does_not_fold_unless_asked(peer: IdealPort) -> None:
    with AtomikContext(WIDTH, port=URL) as context:
        context.flush()
        before = peer.device.opcount
        for _ in range(11):
            context.accum(0x0001)
        context.flush()
        assert peer.device.opcount == before + 11


def test_one_context_of_a_port_folds_and_another_does_not(peer: IdealPort) -> None:
    with (
        AtomikContext(WIDTH, port=URL, coalesce=True) as folding,
        AtomikContext(WIDTH, port=URL) as plain,
    ):
        for number in range(50):
            folding.accum(number)
            plain.accum(number)
        assert folding.read() == plain.read() == 1
        assert folding.delta_count == plain.delta_count == 50


def test_attached_and_restored_contexts_fold_too(peer: IdealPort) -> None:
    with AtomikContext(WIDTH, 7, port=URL) as made:
        snapshot = made.snapshot()
    peer.device.references[3] = 0x1000
    with (
        AtomikContext.attach(URL, 3, coalesce=True) as attached,
        AtomikContext.from_snapshot(snapshot, port=URL, coalesce=True) as restored,
    ):
        for context, state in ((attached, 0x1001), (restored, 0x0006)):
            context.flush()
            before = peer.device.opcount
            with patch("atomik_fpga.channel._HOLD", 3600.0):
                for _ in range(3):
                    context.accum(1)
                context.flush()
            assert peer.device.opcount == before + 1
            assert context.read() == state


def test_a_table_folds_when_asked(peer: IdealPort) -> None:
    with AtomikTable(4, WIDTH, port=URL, coalesce=True) as table:
        table.flush()
        before = peer.device.opcount
        with patch("atomik_fpga.channel._HOLD", 3600.0):
            for _ in range(9):
                table.accum(1, 0x0001)
                table.accum(2, 0x0002)
            table.flush()
        assert peer.device.opcount == before + 2
        assert table.read_all() == [0, 1, 2, 0]


def test_without_a_port_it_means_nothing() -> None:
    context = AtomikContext(WIDTH, coalesce=True)
    context.accum(3)
    assert (context.read(), context.delta_count) == (3, 1)
    table = AtomikTable(4, WIDTH, coalesce=True)
    table.accum(1, 3)
    assert table.read(1) == 3
