"""What the end of a connection means to its user, whether others share the session or not."""

from __future__ import annotations

import os
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NoReturn

import pytest
import serial

from atomik_fpga import Connection, connect
from atomik_fpga.errors import AtomikError, ClosedError, SessionLostError
from atomik_sim.model import DeviceModel

from .connection_bench import CALLS, run_script, wait_for
from .ideal_peer import FastPort

URL = "ideal://"
LOST = "The device at ideal:// was reset; its state is unknown: connect again and reload it"


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> FastPort:
    made = FastPort(DeviceModel(64, 4, lanes=2))
    monkeypatch.setattr(serial, "serial_for_url", lambda url, **settings: made)
    return made


@pytest.fixture
def two(port: FastPort) -> Iterator[tuple[Connection, Connection]]:
    """Two connections to one device, closed at the end whatever came of them."""
    made = connect(URL), connect(URL)
    yield made
    for connection in made:
        with suppress(AtomikError):
            connection.close()
    assert not port.is_open


def lose(port: FastPort, connection: Connection) -> None:
    """Reset the device, post in vain, and wait until the driver knows."""
    port.device.reset()
    connection.accum(0, 1)
    wait_for(lambda: connection.error is not None)


# What was posted has acted, or an error says that it may not have.


def test_close_returns_when_what_was_posted_has_acted(
    port: FastPort, two: tuple[Connection, Connection]
) -> None:
    first, second = two
    first.accum(0, 5)
    first.fold(1, 6)
    first.close()
    assert (port.device.state(0), port.device.state(1)) == (5, 6)
    assert port.is_open
    assert second.read(0) == 5


def test_close_waits_for_what_others_posted_too(
    port: FastPort, two: tuple[Connection, Connection]
) -> None:
    first, second = two
    second.accum(0, 5)
    first.close()
    assert port.device.state(0) == 5


def test_each_connection_is_told_of_the_error_at_its_close(
    port: FastPort, two: tuple[Connection, Connection]
) -> None:
    lose(port, two[0])
    for connection in two:
        with pytest.raises(SessionLostError, match=f"^{LOST}$"):
            connection.close()
        assert isinstance(connection.error, ClosedError)
        connection.close()
    assert not port.is_open


def test_an_error_that_close_itself_finds_is_raised(
    port: FastPort, two: tuple[Connection, Connection]
) -> None:
    first, second = two
    port.device.reset()
    first.accum(0, 1)
    with pytest.raises(SessionLostError):
        first.close()
    with pytest.raises(SessionLostError):
        second.read(0)


@pytest.mark.parametrize("told", [0, 1], ids=["the first to close", "the last to close"])
def test_an_error_that_a_call_of_one_connection_has_raised_is_news_to_the_other(
    port: FastPort, two: tuple[Connection, Connection], told: int
) -> None:
    lose(port, two[0])
    with pytest.raises(SessionLostError):
        two[told].read(0)
    for number, connection in enumerate(two):
        if number == told:
            connection.close()
        else:
            with pytest.raises(SessionLostError):
                connection.close()
    assert not port.is_open


BANKS: dict[str, Callable[[Connection], object]] = {"banks.run": lambda it: it.banks.run(1)}


@pytest.mark.parametrize("call", (CALLS | BANKS).values(), ids=CALLS | BANKS)
def test_close_is_quiet_about_what_any_call_of_it_has_raised(
    port: FastPort, two: tuple[Connection, Connection], call: Callable[[Connection], object]
) -> None:
    lose(port, two[0])
    with pytest.raises(SessionLostError):
        call(two[0])
    two[0].close()
    with pytest.raises(SessionLostError):
        two[1].close()


def test_an_argument_that_is_refused_tells_nothing_of_the_session(
    port: FastPort, two: tuple[Connection, Connection]
) -> None:
    first, second = two
    second.claim(3)
    with pytest.raises(AtomikError, match="in use"):
        first.claim(3)
    with pytest.raises(IndexError):
        first.read(4)
    lose(port, first)
    with pytest.raises(SessionLostError):
        first.close()


def test_an_old_session_that_was_replaced_tells_its_user_at_the_close(port: FastPort) -> None:
    old = connect(URL)
    lose(port, old)
    with connect(URL) as new:
        new.load(0, 8)
        with pytest.raises(SessionLostError):
            old.close()
        old.close()
        assert new.read(0) == 8


def test_a_failed_close_gives_the_addresses_back(
    port: FastPort, two: tuple[Connection, Connection]
) -> None:
    first, second = two
    assert first.allocate() == 0
    port.device.reset()
    first.accum(0, 1)
    with pytest.raises(SessionLostError):
        first.close()
    assert second._shared._addresses.allocate() == 0


# Interrupts and errors in flight.


def test_an_interrupted_close_lets_go_without_waiting_again(
    port: FastPort, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = connect(URL)
    flushes: list[int] = []

    def interrupt() -> NoReturn:
        flushes.append(1)
        raise KeyboardInterrupt

    monkeypatch.setattr(connection._shared, "flush", interrupt)
    with pytest.raises(KeyboardInterrupt):
        connection.close()
    assert len(flushes) == 1
    assert not port.is_open
    connection.close()


def in_flight(opened: Any, lost: Callable[[], None], error: BaseException) -> BaseException:
    """Let an error leave a with block whose end fails; return what comes out."""
    try:
        with opened:
            lost()
            raise error
    except (type(error), AtomikError) as raised:
        return raised


@pytest.mark.parametrize("error", [ZeroDivisionError("mine"), KeyboardInterrupt("mine")])
def test_an_error_that_leaves_the_block_is_not_hidden_by_the_end_of_it(
    port: FastPort, two: tuple[Connection, Connection], error: BaseException
) -> None:
    first, _ = two
    raised = in_flight(first, lambda: lose(port, first), error)
    assert raised is error
    assert raised.__notes__ == [f"Closing failed as well: {LOST}"]
    assert "raise error" in "".join(traceback.format_tb(raised.__traceback__))


def test_the_error_of_the_link_itself_keeps_its_place_in_the_block(
    port: FastPort, two: tuple[Connection, Connection]
) -> None:
    first, _ = two

    def touch() -> None:
        port.device.reset()
        first.read(0)

    raised = in_flight(first, touch, SessionLostError())
    assert str(raised) == LOST
    assert not hasattr(raised, "__notes__")
    assert "in touch" in "".join(traceback.format_tb(raised.__traceback__))


def test_a_block_that_ends_well_raises_what_its_end_finds(
    port: FastPort, two: tuple[Connection, Connection]
) -> None:
    with pytest.raises(SessionLostError), two[0]:
        lose(port, two[0])


# Threads and processes.


def test_threads_that_close_one_connection_all_wait_and_one_is_told(
    two: tuple[Connection, Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = two
    begun, go = threading.Event(), threading.Event()
    done: list[AtomikError | None] = []

    def flush() -> None:
        begun.set()
        go.wait()
        raise SessionLostError

    def close() -> None:
        try:
            first.close()
        except AtomikError as error:
            done.append(error)
        else:
            done.append(None)

    monkeypatch.setattr(first._shared, "flush", flush)
    threads = [threading.Thread(target=close) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert begun.wait(20)
    for thread in threads:
        thread.join(0.02)
    assert done == []
    go.set()
    for thread in threads:
        thread.join(20)
    monkeypatch.undo()
    assert sorted(type(error).__name__ for error in done) == ["NoneType"] * 3 + ["SessionLostError"]


def test_threads_that_close_a_connection_each_leave_a_closed_port(port: FastPort) -> None:
    connections = [connect(URL) for _ in range(8)]
    for number, connection in enumerate(connections):
        connection.accum(number % 4, 1 << number)
    threads = [threading.Thread(target=connection.close) for connection in connections]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not port.is_open
    assert [port.device.state(address) for address in range(4)] == [0x11, 0x22, 0x44, 0x88]


@pytest.mark.parametrize("call", ["allocate", "claim"])
def test_an_address_that_is_taken_while_the_connection_is_closed_is_given_back(
    two: tuple[Connection, Connection], monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    first, second = two
    taken, go = threading.Event(), threading.Event()
    usual = getattr(first._shared, call)

    def take(*arguments: int) -> int:
        address: int = usual(*arguments)
        taken.set()
        go.wait()
        return address

    monkeypatch.setattr(first._shared, call, take)
    taker = threading.Thread(target=getattr(first, call), args=() if call == "allocate" else (0,))
    closer = threading.Thread(target=first.close)
    taker.start()
    assert taken.wait(20)
    closer.start()
    # The order that leaks: were the connection closed by now, it would give back nothing.
    closer.join(0.1)
    go.set()
    taker.join(20)
    closer.join(20)
    monkeypatch.undo()
    assert second.allocate() == 0
    with pytest.raises(ClosedError):
        getattr(first, call)(*(() if call == "allocate" else (0,)))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="This system has no fork")
def test_a_forked_child_is_told_once_at_most_and_takes_nothing_from_the_parent() -> None:
    result = run_script(
        """
        import os, warnings
        import serial
        from atomik_sim.model import DeviceModel
        from tests.ideal_peer import IdealPort

        port = IdealPort(DeviceModel(16, 4))
        serial.serial_for_url = lambda url, **settings: port

        from atomik_fpga import AtomikError, connect

        warnings.simplefilter("ignore", DeprecationWarning)
        used, unused = connect("ideal://"), connect("ideal://")
        used.accum(0, 5)
        child = os.fork()
        if child == 0:
            for call in used.flush, used.close, used.close, unused.close, unused.close:
                try:
                    call()
                    print("quiet", flush=True)
                except AtomikError as error:
                    print(type(error).__name__, flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        unused.close()
        used.accum(0, 1)
        print(used.read(0), port.is_open)
        """
    )
    told = "ForkError\nquiet\nquiet\nForkError\nquiet\n"
    assert (result.stdout, result.stderr) == (f"{told}4 True\n", "")
