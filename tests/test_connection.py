"""What a connection does, over a port in memory."""

from __future__ import annotations

import threading
import time
from random import Random

import pytest
import serial

from atomik_fpga.connection import connect
from atomik_fpga.errors import (
    AtomikError,
    ClosedError,
    ContextInUseError,
    LinkLostError,
    NoFreeContextError,
)
from atomik_sim.model import DeviceModel

from .connection_bench import wait_for
from .ideal_peer import FastPort, IdealPort

URL = "ideal://"


@pytest.fixture
def port(monkeypatch):
    """The port that every URL leads to."""
    made = FastPort(DeviceModel(16, 40))
    monkeypatch.setattr(serial, "serial_for_url", lambda url, **settings: made)
    return made


@pytest.fixture
def connection(port):
    """A connection to it, closed at the end whatever came of it."""
    made = connect(URL)
    yield made
    try:
        made.close()
    except AtomikError:
        assert isinstance(made.error, ClosedError)


# Ops.


def test_ops_have_their_effects(connection):
    connection.load(3, 5)
    connection.accum(3, 1)
    assert connection.read(3) == 4
    assert connection.peek(3) == (4, 1)
    assert connection.swap(3) == 4
    assert connection.peek(3) == (4, 0)
    assert connection.swap(3, 9) == 4
    assert connection.peek(3) == (9, 0)
    assert connection.swap(3, 0) == 9
    assert connection.read(3) == 0


def test_clear_sets_every_context_to_zero(connection):
    for address in range(40):
        connection.load(address, address + 1)
    assert connection.read_many(0, 40) == list(range(1, 41))
    connection.clear()
    assert connection.read_many(0, 40) == [0] * 40


@pytest.mark.parametrize(("first", "count"), [(0, 0), (39, 1), (0, 40), (3, 33), (40, 0)])
def test_read_many_covers_what_was_asked_for(connection, first, count):
    for address in range(40):
        connection.load(address, 1000 + address)
    expected = [1000 + address for address in range(first, first + count)]
    assert connection.read_many(first, count) == expected


def test_accum_many_posts_every_pair(connection, port):
    rng = Random(3)
    addresses = [rng.randrange(40) for _ in range(3000)]
    deltas = [rng.getrandbits(16) for _ in range(3000)]
    expected = [0] * 40
    for address, delta in zip(addresses, deltas, strict=True):
        expected[address] ^= delta
    connection.accum_many(addresses, deltas)
    connection.flush()
    assert port.device.accumulators == expected


def test_random_ops_equal_two_integers(connection):
    rng = Random(4)
    reference = accumulator = 0
    for _ in range(2000):
        word = rng.getrandbits(16)
        match rng.randrange(8):
            case 0:
                connection.load(7, word)
                reference, accumulator = word, 0
            case 1:
                assert connection.swap(7) == reference ^ accumulator
                reference, accumulator = reference ^ accumulator, 0
            case 2:
                assert connection.swap(7, word) == reference ^ accumulator
                reference, accumulator = word, 0
            case 3:
                assert connection.peek(7) == (reference ^ accumulator, accumulator)
            case _:
                connection.accum(7, word)
                accumulator ^= word
    assert connection.read(7) == reference ^ accumulator


def test_what_is_posted_goes_out_without_a_further_call(connection, port):
    connection.accum(1, 0x55)
    wait_for(lambda: port.device.state(1) == 0x55)


def test_what_is_posted_goes_out_within_10_ms(connection, port):
    took = []
    for number in range(1, 16):
        posted = time.monotonic()
        connection.accum(1, 1)
        wait_for(lambda: port.device.opcount == number)  # noqa: B023 - called before it changes
        took.append(time.monotonic() - posted)
    # The shortest: a machine that has other work to do is often late.
    assert min(took) < 0.010


def test_flush_returns_when_all_has_acted(connection, port):
    for number in range(1000):
        connection.accum(number % 40, 1)
    connection.flush()
    assert port.device.opcount == 1000


def test_many_ops_share_a_frame(connection):
    before = connection.stats.frames_sent
    for _ in range(1280):
        connection.accum(0, 1)
    connection.flush()
    # A frame holds 123 operands of 16 bits; the pacer may close some before they are full.
    assert connection.stats.frames_sent - before < 128
    assert connection.stats.ops == 1280


def test_stats_count_what_went_by(connection, port):
    connection.load(0, 1)
    connection.read(0)
    stats = connection.stats
    # This line's time is a hundred times ours: a slow machine runs into its timer.
    assert (stats.ops, stats.naks, stats.retransmissions) == (2, 0, stats.timeouts)
    assert 0 < stats.bytes_sent < len(port.written)
    assert set(stats.as_dict()) >= {"frames_sent", "bytes_received", "round_trip"}


def test_damaged_frames_are_repaired(connection, port):
    rng = Random(5)

    def flip_some(data: bytes) -> bytes:
        if rng.random() < 0.1:
            spoilt = bytearray(data)
            spoilt[rng.randrange(len(data))] ^= 0x10
            return bytes(spoilt)
        return data

    port.spoil = flip_some
    expected = 0
    for number in range(300):
        connection.accum(2, number)
        expected ^= number
        if number % 10 == 0:
            assert connection.read(2) == expected
    assert connection.read(2) == expected
    assert connection.stats.retransmissions > 0


def test_threads_share_a_connection(connection):
    def work(address: int) -> None:
        expected = 0
        for number in range(400):
            connection.accum(address, number)
            expected ^= number
            if number % 40 == 0 and connection.read(address) != expected:
                wrong.append((address, number))

    wrong: list[tuple[int, int]] = []
    threads = [threading.Thread(target=work, args=(address,)) for address in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    connection.flush()
    assert connection.stats.ops == 4 * 410


# Arguments.


@pytest.mark.parametrize("address", [-1, 40])
@pytest.mark.parametrize(
    "call",
    [
        lambda c, a: c.accum(a, 0),
        lambda c, a: c.load(a, 0),
        lambda c, a: c.read(a),
        lambda c, a: c.peek(a),
        lambda c, a: c.swap(a),
        lambda c, a: c.claim(a),
        lambda c, a: c.accum_many([0, a], [0, 0]),
    ],
)
def test_an_address_outside_of_the_device_is_refused_before_anything_is_sent(
    connection, port, call, address
):
    before = len(port.written)
    with pytest.raises(IndexError) as caught:
        call(connection, address)
    assert str(caught.value) == f"Address must be 0 to 39, not {address}"
    connection.flush()
    assert len(port.written) == before


@pytest.mark.parametrize(("operand", "shown"), [(-1, "-0x1"), (0x10000, "0x10000")])
@pytest.mark.parametrize(
    "call",
    [
        lambda c, v: c.accum(0, v),
        lambda c, v: c.load(0, v),
        lambda c, v: c.swap(0, v),
        lambda c, v: c.accum_many([0, 1], [0, v]),
    ],
)
def test_an_operand_that_does_not_fit_is_refused_before_anything_is_sent(
    connection, port, call, operand, shown
):
    before = len(port.written)
    with pytest.raises(ValueError, match="bits") as caught:
        call(connection, operand)
    assert str(caught.value) == f"Operand must have at most 16 bits, not {shown}"
    connection.flush()
    assert len(port.written) == before


def test_accum_many_wants_as_many_deltas_as_addresses(connection):
    with pytest.raises(ValueError, match="deltas") as caught:
        connection.accum_many([1, 2], [3])
    assert str(caught.value) == "2 addresses for 1 deltas"


@pytest.mark.parametrize(("first", "count"), [(0, 41), (40, 1), (-1, 2), (3, -1)])
def test_read_many_outside_of_the_device_is_refused(connection, first, count):
    with pytest.raises(IndexError) as caught:
        connection.read_many(first, count)
    assert str(caught.value) == (
        f"Contexts {first} to {first + count - 1} are not all within 0 to 39"
    )


# Addresses.


def test_the_lowest_free_address_is_taken(connection):
    assert [connection.allocate() for _ in range(3)] == [0, 1, 2]
    connection.release(1)
    assert connection.claim(3) == 3
    assert [connection.allocate() for _ in range(2)] == [1, 4]


def test_a_taken_address_is_refused(connection):
    connection.claim(2)
    with pytest.raises(ContextInUseError) as caught:
        connection.claim(2)
    assert str(caught.value) == (
        "Context 2 of ideal:// is in use in this process: close the other object first, or use "
        "that one"
    )


def test_no_free_address_is_an_error(connection):
    for _ in range(40):
        connection.allocate()
    with pytest.raises(NoFreeContextError) as caught:
        connection.allocate()
    assert str(caught.value) == (
        "All 40 contexts of ideal:// are in use in this process: close one, or build the board "
        "with more"
    )


def test_addresses_are_given_back_by_who_took_them_and_no_later_than_at_the_end(connection):
    with connect(URL) as other:
        assert [other.allocate(), other.claim(5), connection.allocate()] == [0, 5, 1]
        with pytest.raises(ContextInUseError):
            connection.claim(5)
        for address in 0, 7:
            with pytest.raises(ValueError, match=f"has not taken address {address}$"):
                connection.release(address)
    assert [connection.allocate(), connection.claim(5)] == [0, 5]


@pytest.mark.parametrize("length", [1, 2])
def test_an_answer_that_lies_there_unread_stops_the_timer(monkeypatch, length):
    late = threading.Event()

    class LatePort(FastPort):
        def read(self, size=1):
            data = super().read(size)
            if data and late.is_set():
                # As on a machine that has something else to do, for 30 s on the line's clock.
                time.sleep(0.3)
            return data

    port = LatePort(DeviceModel(16, 40))
    monkeypatch.setattr(serial, "serial_for_url", lambda url, **settings: port)
    with connect(URL) as connection:
        connection.read(0)
        late.set()
        assert connection.read_many(0, length) == [0] * length
        late.clear()
        assert (connection.stats.timeouts, connection.stats.retransmissions) == (0, 0)


def test_an_answer_in_the_readers_hands_stops_the_timer_also_where_one_was_late_before(monkeypatch):
    class HeldPort(IdealPort):
        """Its reads and writes go no further than the test lets them."""

        def __init__(self, device):
            super().__init__(device)
            self.hands, self.line = threading.Event(), threading.Event()
            self.hands.set()
            self.line.set()
            self.asked = 0

        def read(self, size=1):
            data = super().read(size)
            if data and not self.in_waiting:
                self.hands.wait()
            return data

        def write(self, data):
            self.line.wait()
            return super().write(data)

        def cancel_read(self):
            self.asked += 1
            super().cancel_read()

    port = HeldPort(DeviceModel(16, 40))
    monkeypatch.setattr(serial, "serial_for_url", lambda url, **settings: port)
    with connect(URL) as connection:
        try:
            # The timer runs out on a first answer that the reader has in its hands. It is handed
            # over while another thread writes, which then finds nothing else to write.
            port.hands.clear()
            connection.accum(0, 1)
            wait_for(lambda: port.asked)
            port.line.clear()
            connection.accum(0, 2)
            wait_for(lambda: connection.stats.frames_sent == 2)
            port.hands.set()
            wait_for(lambda: connection.stats.ops == 1)
            # Now it runs out on a second one.
            asked = port.asked
            port.hands.clear()
            port.line.set()
            wait_for(lambda: port.asked > asked or connection.stats.timeouts)
            assert connection.stats.timeouts == 0
        finally:
            port.line.set()
            port.hands.set()
        assert connection.read(0) == 3
        assert connection.stats.retransmissions == 0


def test_a_device_that_never_stops_talking_nonsense_is_given_up(monkeypatch):
    class BabblingPort(FastPort):
        babbling = False

        @property
        def in_waiting(self):
            return 64 if self.babbling else super().in_waiting

        def read(self, size=1):
            return b"U" * size if self.babbling else super().read(size)

    port = BabblingPort(DeviceModel(16, 40))
    monkeypatch.setattr(serial, "serial_for_url", lambda url, **settings: port)
    connection = connect(URL)
    connection.read(0)
    port.babbling = True
    with pytest.raises(LinkLostError, match="did not answer"):
        connection.read(0)
    connection.close()
