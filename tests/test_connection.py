"""Connections over a port in memory, and over a real pseudo-terminal."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from random import Random

import pytest
import serial

from atomik_fpga.connection import Connection, connect
from atomik_fpga.errors import (
    AtomikError,
    ClosedError,
    ContextInUseError,
    LinkLostError,
    NoBoardError,
    NoFreeContextError,
    SessionLostError,
    WrongDeviceError,
)
from atomik_sim.model import DeviceModel

from .ideal_peer import IdealPort

URL = "ideal://"


class FastPort(IdealPort):
    """Its line runs through time a hundred times as fast as the clock on the wall."""

    def link_clock(self) -> float:
        return 100 * time.monotonic()


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


def wait_for(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "It never came"
        time.sleep(0.001)


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
    assert (stats.ops, stats.retransmissions, stats.naks, stats.timeouts) == (2, 0, 0, 0)
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


# Sharing.


def test_a_url_has_one_connection(connection):
    with connect(URL) as other:
        assert other is connection
    connection.flush()


def test_the_last_close_flushes_and_closes_the_port(port):
    first, second = connect(URL), connect(URL)
    first.accum(0, 3)
    first.close()
    assert port.is_open
    second.close()
    assert not port.is_open
    assert port.device.state(0) == 3
    for call in (first.flush, lambda: first.read(0), lambda: first.accum(0, 1)):
        with pytest.raises(ClosedError) as caught:
            call()
        assert str(caught.value) == "The connection to ideal:// is closed: connect again"
    first.close()
    assert repr(first) == "<Connection ideal:// 40 x 16 bit, ClosedError>"


def test_a_closed_url_can_be_opened_again(port):
    with connect(URL) as first:
        first.load(0, 7)
    with connect(URL) as second:
        assert second is not first
        assert second.read(0) == 7


def test_the_port_may_come_from_the_environment(port, monkeypatch):
    monkeypatch.setenv("ATOMIK_PORT", "ideal://other")
    with connect() as connection:
        assert connection.url == "ideal://other"


@pytest.mark.parametrize("value", [None, ""])
def test_no_port_at_all_is_an_error(monkeypatch, value):
    if value is None:
        monkeypatch.delenv("ATOMIK_PORT", raising=False)
    else:
        monkeypatch.setenv("ATOMIK_PORT", value)
    with pytest.raises(NoBoardError) as caught:
        connect()
    assert str(caught.value) == ("No port: name one, or set the environment variable ATOMIK_PORT")


def test_another_baud_rate_of_an_open_port_is_refused(connection):
    assert connection.baud == 1_000_000
    with pytest.raises(ValueError, match="bit/s") as caught:
        connect(URL, baud=9600)
    assert str(caught.value) == (
        "ideal:// is open at 1000000 bit/s in this process, not at 9600: close it first, or leave "
        "baud out"
    )


def test_a_baud_rate_must_be_positive(port):
    with pytest.raises(ValueError, match="Baud") as caught:
        connect(URL, baud=0)
    assert str(caught.value) == "Baud rate must be positive, not 0"


@pytest.mark.parametrize("rate", [1_000_000, 115_200, 3_000_000])
def test_the_rate_of_a_real_port_is_found(port, rate):
    port.spoil = lambda data: data if port.baudrate == rate else b"\xf0" * len(data)
    with connect("/dev/ttyIDEAL") as connection:
        assert connection.baud == rate
        assert port.baudrate == rate


def test_dtr_and_rts_stay_unasserted(connection, port):
    assert (port.dtr, port.rts) == (False, False)


def test_a_port_where_nothing_answers_is_closed_again(port):
    port.silent = True
    with pytest.raises(WrongDeviceError):
        connect(URL)
    assert not port.is_open


# Errors.


def test_an_unplugged_port_is_an_error_for_every_call(connection, port):
    connection.flush()
    port.unplug()
    wait_for(lambda: connection.error is not None)
    for call in (
        lambda: connection.accum(0, 1),
        lambda: connection.load(0, 1),
        lambda: connection.clear(),
        lambda: connection.accum_many([0], [1]),
        lambda: connection.read(0),
        lambda: connection.read_many(0, 3),
        lambda: connection.swap(0),
        lambda: connection.peek(0),
        connection.flush,
        connection.allocate,
    ):
        with pytest.raises(LinkLostError) as caught:
            call()
        assert str(caught.value) == (
            "ideal:// failed (device reports readiness to read but returned no data): the state "
            "of the device is unknown. Check the cable, connect again and reload it"
        )


def test_a_silent_device_is_an_error_in_bounded_time(connection, port):
    port.silent = True
    with pytest.raises(LinkLostError):
        connection.read(0)


def test_posting_to_a_silent_device_ends(connection, port):
    port.silent = True

    def post_for_ever() -> None:
        while True:
            connection.accum(0, 1)

    with pytest.raises(LinkLostError):
        post_for_ever()


def test_a_reset_device_is_an_error_for_every_call(connection, port):
    connection.load(0, 1)
    connection.flush()
    port.device.reset()
    for _ in range(2):
        with pytest.raises(SessionLostError) as caught:
            connection.read(0)
        assert str(caught.value) == (
            "The device was reset; its state is unknown: connect again and reload it"
        )


def test_an_error_found_in_the_background_is_raised_by_the_next_call(connection, port):
    connection.flush()
    port.device.reset()
    connection.accum(0, 1)
    wait_for(lambda: connection.error is not None)
    with pytest.raises(SessionLostError):
        connection.accum(0, 1)


def test_connecting_again_replaces_what_failed(port):
    old = connect(URL)
    port.device.reset()
    with pytest.raises(SessionLostError):
        old.read(0)
    with connect(URL) as new:
        assert new is not old
        new.load(0, 8)
        with pytest.raises(SessionLostError):
            old.read(0)
        old.close()
        assert new.read(0) == 8
        assert connect(URL) is new
        new.close()


def test_close_raises_what_no_call_has_raised(port):
    connection = connect(URL)
    port.device.reset()
    connection.accum(0, 1)
    with pytest.raises(SessionLostError):
        connection.close()
    assert not port.is_open
    assert isinstance(connection.error, ClosedError)
    connection.close()


def test_close_is_quiet_about_what_a_call_has_raised(port):
    connection = connect(URL)
    port.device.reset()
    with pytest.raises(SessionLostError):
        connection.read(0)
    connection.close()
    assert not port.is_open


def test_threads_end_with_the_connection(port):
    before = threading.active_count()
    with connect(URL) as connection:
        connection.flush()
        assert threading.active_count() == before + 2
    assert threading.active_count() == before


# The end of a process.


def run(script: str) -> subprocess.CompletedProcess[str]:
    """Run a script that finds ``port``, ``connect`` and a registered last look at the device."""
    prelude = """
        import atexit, os, sys
        import serial
        from atomik_sim.model import DeviceModel
        from tests.ideal_peer import IdealPort

        port = IdealPort(DeviceModel(16, 4))
        serial.serial_for_url = lambda url, **settings: port
        atexit.register(lambda: print("at the end", port.device.state(0)))

        from atomik_fpga.connection import connect
        from atomik_fpga.errors import AtomikError
    """
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(prelude) + textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=os.path.dirname(os.path.dirname(__file__)),
    )


def test_what_was_posted_is_flushed_at_exit():
    result = run("connect('ideal://').accum(0, 5)")
    assert (result.returncode, result.stdout, result.stderr) == (0, "at the end 5\n", "")


def test_a_failed_flush_at_exit_is_told_and_fails_the_process():
    result = run(
        """
        connection = connect('ideal://')
        port.device.reset()
        connection.accum(0, 5)
        print("done")
        """
    )
    assert result.returncode == 1
    assert result.stdout == "done\n"
    assert result.stderr == (
        "atomik: what was posted to ideal:// is lost: The device was reset; its state is unknown: "
        "connect again and reload it\n"
    )


def test_an_error_that_was_handled_does_not_fail_the_process():
    result = run(
        """
        connection = connect('ideal://')
        port.device.reset()
        try:
            connection.read(0)
        except AtomikError as error:
            print(type(error).__name__)
        """
    )
    assert (result.returncode, result.stdout) == (0, "SessionLostError\nat the end 0\n")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="This system has no fork")
def test_a_forked_child_may_not_use_the_connection():
    result = run(
        """
        import warnings

        warnings.simplefilter("ignore", DeprecationWarning)
        connection = connect('ideal://')
        connection.accum(0, 5)
        child = os.fork()
        if child == 0:
            for call in (connection.flush, lambda: connection.accum(0, 1), connection.close):
                try:
                    call()
                except AtomikError as error:
                    print(type(error).__name__, error, flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        connection.accum(0, 1)
        print("parent", connection.read(0))
        """
    )
    told = (
        "ForkError The connection to ideal:// was opened before fork, and belongs to the parent "
        "process: connect again in the child, to another port, or use the parent's\n"
    )
    assert result.stdout == 2 * told + "parent 4\nat the end 4\n"
    assert (result.returncode, result.stderr) == (0, "")


# A pseudo-terminal.


@pytest.fixture
def pty():
    """A `DeviceModel` behind a pseudo-terminal, and its path."""
    tty = pytest.importorskip("tty", reason="This system has no pseudo-terminals")
    master, slave = os.openpty()
    tty.setraw(slave)
    device = DeviceModel(64, 8)
    stop_read, stop_write = os.pipe()

    def serve() -> None:
        import select

        while True:
            ready, _, _ = select.select([master, stop_read], [], [])
            if stop_read in ready:
                return
            os.write(master, device.receive(os.read(master, 4096)))

    thread = threading.Thread(target=serve)
    thread.start()
    yield device, os.ttyname(slave)
    os.write(stop_write, b"x")
    thread.join()
    for end in (master, slave, stop_read, stop_write):
        os.close(end)


def test_a_pseudo_terminal_is_a_port(pty):
    device, path = pty
    rng = Random(6)
    expected = [0] * 8
    with connect(path, baud=115_200) as connection:
        assert isinstance(connection, Connection)
        for _ in range(5000):
            address, delta = rng.randrange(8), rng.getrandbits(64)
            connection.accum(address, delta)
            expected[address] ^= delta
        assert connection.read_many(0, 8) == expected
        assert connection.stats.retransmissions == 0
    assert device.accumulators == expected


def test_a_pseudo_terminal_with_another_program_behind_it_is_no_device(pty, monkeypatch):
    device, path = pty
    device.receive = lambda data: b"login: "
    monkeypatch.setattr("atomik_fpga.opening._PATIENCE", 0.5)
    with pytest.raises(WrongDeviceError, match="no answer of an ATOMiK device among them"):
        connect(path, baud=115_200)
