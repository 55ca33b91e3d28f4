"""A simulated board that other processes reach, by TCP and through a pseudo-terminal."""

from __future__ import annotations

import logging
import queue
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import serial

from atomik_fpga import AtomikContext, SessionLostError
from atomik_fpga.protocol import Info
from atomik_sim import BoardFailedError, BoardOptions, SimBoard, ports
from atomik_sim.pins import LineError
from atomik_sim.server import BoardServer, ServerEvent, serve

from .echo_engine import EchoEngine
from .wire import INFO, Session, info_frame

PATIENCE = 30.0

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")


@pytest.fixture
def engine() -> EchoEngine:
    return EchoEngine()


@pytest.fixture
def echo(engine: EchoEngine) -> Iterator[SimBoard]:
    board = SimBoard(engine=engine)
    yield board
    engine.gate.set()
    board.close()


class Events:
    """What a server told, in order."""

    def __init__(self) -> None:
        self._queue: queue.Queue[ServerEvent] = queue.Queue()

    def __call__(self, event: ServerEvent, client: str) -> None:
        assert re.fullmatch(r"127\.0\.0\.1:\d+", client)
        self._queue.put(event)

    def next(self) -> ServerEvent:
        return self._queue.get(timeout=PATIENCE)


def dial(server: BoardServer) -> socket.socket:
    assert server.tcp is not None
    return socket.create_connection(server.tcp.address, timeout=PATIENCE)


def receive(client: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = client.recv(size - len(data))
        assert more
        data += more
    return data


def has_ended(client: socket.socket) -> bool:
    try:
        return client.recv(1) == b""
    except ConnectionError:
        return True


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def open_path(path: str) -> Any:
    return serial.Serial(path, timeout=PATIENCE)


# TCP.


def test_bytes_go_both_ways_over_tcp(echo: SimBoard) -> None:
    data = bytes(range(256)) * 40
    with serve(echo) as tcp, dial(tcp) as client:
        sender = threading.Thread(target=client.sendall, args=(data,))
        sender.start()
        assert receive(client, len(data)) == data
        sender.join(PATIENCE)


def test_pyserial_reaches_the_gateware_by_the_servers_url() -> None:
    board = SimBoard(BoardOptions(contexts=3, width=65))
    with serve(board) as tcp, serial.serial_for_url(tcp.url, timeout=PATIENCE) as port:
        port.write(info_frame(5))
        reply = Session().decode(port.read_until(b"\0")[:-1])
    board.close()
    assert (reply.kind, reply.next) == (INFO, 5)
    assert Info.unpack(reply.payload).depth == 3


def test_a_second_client_is_sent_away_and_the_first_one_stays(echo: SimBoard) -> None:
    events = Events()
    with serve(echo, on_event=events) as tcp, dial(tcp) as first:
        assert events.next() is ServerEvent.CONNECTED
        with dial(tcp) as second:
            assert has_ended(second)
        assert events.next() is ServerEvent.REFUSED
        first.sendall(b"a")
        assert receive(first, 1) == b"a"


def test_a_client_can_come_when_another_has_left(echo: SimBoard, engine: EchoEngine) -> None:
    events = Events()
    with serve(echo, on_event=events) as tcp:
        for _ in range(3):
            with dial(tcp) as client:
                assert events.next() is ServerEvent.CONNECTED
                client.sendall(b"ab")
                assert receive(client, 2) == b"ab"
            assert events.next() is ServerEvent.DISCONNECTED
    assert len(engine.characters) == 6


def test_a_client_that_vanishes_with_bytes_on_their_way_does_no_harm(
    echo: SimBoard, engine: EchoEngine
) -> None:
    events = Events()
    with serve(echo, on_event=events) as tcp:
        engine.gate.clear()
        with dial(tcp) as client:
            client.sendall(b"ab")
            wait_for(lambda: echo.out_waiting == 1)
        assert [events.next(), events.next()] == [ServerEvent.CONNECTED, ServerEvent.DISCONNECTED]
        engine.gate.set()
        wait_for(lambda: echo.status.bytes_from_device == 2 and echo.in_waiting == 0)
        with dial(tcp) as client:
            client.sendall(b"c")
            assert receive(client, 1) == b"c"


def test_closing_the_server_ends_the_connection_and_leaves_the_board(echo: SimBoard) -> None:
    with serve(echo) as tcp:
        client = dial(tcp)
        client.sendall(b"a")
        assert receive(client, 1) == b"a"
        assert not tcp.wait(0)
    assert tcp.wait(0)
    tcp.close()
    with client:
        assert has_ended(client)
    echo.write(b"b")
    assert echo.read(1, PATIENCE) == b"b"


def test_waiting_raises_what_ended_the_simulation(echo: SimBoard, engine: EchoEngine) -> None:
    with serve(echo) as tcp, dial(tcp) as client:
        engine.error = LineError("no stop bit")
        client.sendall(b"a")
        assert has_ended(client)
        with pytest.raises(BoardFailedError) as raised:
            tcp.wait(PATIENCE)
        assert str(raised.value) == "The simulated board stopped: no stop bit"


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_an_address_that_others_can_reach_is_refused(echo: SimBoard, host: str) -> None:
    message = (
        f"Host {host!r} is not a loopback address: the simulated board has no authentication, so "
        "listening there must be allowed (allow_remote)"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        serve(echo, tcp=(host, 0))


def test_an_address_that_others_can_reach_is_warned_of_when_it_is_allowed(
    echo: SimBoard, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        caplog.at_level(logging.WARNING),
        serve(echo, tcp=("0.0.0.0", 0), allow_remote=True) as tcp,
    ):
        assert tcp.url.startswith("socket://0.0.0.0:")
    assert caplog.messages == [
        "The simulated board listens at 0.0.0.0 without authentication: whoever reaches that "
        "address can use it"
    ]


def test_a_port_that_is_taken_is_an_error(echo: SimBoard) -> None:
    with serve(echo) as tcp:
        assert tcp.tcp is not None
        with pytest.raises(OSError, match=r"[Aa]ddress|permitted"):
            serve(echo, tcp=tcp.tcp.address)


# Pseudo-terminals.


@posix_only
def test_a_pseudo_terminal_carries_every_byte_value_both_ways(echo: SimBoard) -> None:
    data = bytes(range(256))
    with serve(echo, tcp=None, pty=True) as pty, open_path(pty.url) as port:
        port.write(data)
        assert port.read(len(data)) == data


@posix_only
def test_a_client_can_come_back_to_a_pseudo_terminal(echo: SimBoard) -> None:
    with serve(echo, tcp=None, pty=True) as pty:
        for data in (b"\x03\x04\r\n", b"\x11\x13\x00"):
            with open_path(pty.url) as port:
                port.write(data)
                assert port.read(len(data)) == data


@posix_only
def test_the_gateware_answers_through_a_pseudo_terminal() -> None:
    board = SimBoard(BoardOptions(contexts=3, width=65))
    with serve(board, tcp=None, pty=True) as pty, open_path(pty.url) as port:
        port.write(info_frame(9))
        reply = Session().decode(port.read_until(b"\0")[:-1])
    board.close()
    assert (reply.kind, reply.next) == (INFO, 9)


@posix_only
def test_a_client_that_never_reads_does_not_block_the_board(
    echo: SimBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ports, "_STALL_SECONDS", 0.01)
    data = bytes(100_000)
    with serve(echo, tcp=None, pty=True) as pty:
        with open_path(pty.url) as port:
            port.write(data)
            wait_for(lambda: echo.status.bytes_from_device == len(data))
        with open_path(pty.url) as port:
            wait_for(lambda: echo.in_waiting == 0)
            port.reset_input_buffer()
            port.write(b"x" * 10)
            assert port.read_until(b"x" * 10).endswith(b"x" * 10)


@posix_only
def test_closing_the_server_ends_the_pseudo_terminal(echo: SimBoard) -> None:
    with serve(echo, tcp=None, pty=True) as pty:
        assert not pty.wait(0)
    assert pty.wait(0)
    pty.close()
    with pytest.raises(serial.SerialException):
        open_path(pty.url)


def test_without_pseudo_terminals_the_error_says_what_to_do(
    echo: SimBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    message = "Windows has no pseudo-terminals; serve the board at a TCP port instead"
    with pytest.raises(OSError, match=f"^{message}$"):
        serve(echo, pty=True)


# Both, at once.


@posix_only
def test_the_client_that_wrote_last_is_answered(echo: SimBoard) -> None:
    with serve(echo, pty=True) as both, dial(both) as tcp, open_path(both.urls[1]) as pty:
        for data in (b"one", b"two"):
            pty.write(data)
            assert pty.read(3) == data
            tcp.sendall(data.upper())
            assert receive(tcp, 3) == data.upper()
        assert pty.in_waiting == 0


@posix_only
def test_a_client_that_only_connects_takes_nothing_from_the_other(echo: SimBoard) -> None:
    with serve(echo, pty=True) as both, open_path(both.urls[1]) as pty:
        pty.write(b"a")
        assert pty.read(1) == b"a"
        with dial(both):
            pty.write(b"b")
            assert pty.read(1) == b"b"
        pty.write(b"c")
        assert pty.read(1) == b"c"


@posix_only
def test_a_pseudo_terminal_that_nobody_reads_does_not_hold_up_the_tcp_client(
    echo: SimBoard,
) -> None:
    with serve(echo, pty=True) as both, dial(both) as tcp, open_path(both.urls[1]) as pty:
        pty.write(bytes(20_000))
        wait_for(lambda: echo.status.bytes_from_device == 20_000)
        tcp.sendall(b"a")
        while receive(tcp, 1) != b"a":
            pass


@posix_only
def test_both_ports_lead_to_one_board_which_keeps_its_state() -> None:
    board = SimBoard(BoardOptions(contexts=3, width=65))
    with serve(board, pty=True) as both:
        tcp, pty = both.urls
        with AtomikContext.attach(tcp, 2) as context:
            context.load(0x55)
        with AtomikContext.attach(pty, 2) as context:
            assert context.read() == 0x55
            context.accum(0x0F)
        with AtomikContext.attach(tcp, 2) as context:
            assert context.read() == 0x5A
    board.close()


@posix_only
def test_a_session_at_one_port_ends_the_session_at_the_other() -> None:
    board = SimBoard(BoardOptions(contexts=3, width=65))
    with serve(board, pty=True) as both:
        tcp, pty = both.urls
        before = AtomikContext.attach(pty, 2)
        before.accum(1)
        assert before.read() == 1
        with AtomikContext.attach(tcp, 2) as after:
            assert after.read() == 1
            with pytest.raises(SessionLostError):
                before.read()
            after.accum(2)
            assert after.read() == 3
        with pytest.raises(SessionLostError):
            before.close()
    board.close()


def test_a_board_without_any_port_is_refused(echo: SimBoard) -> None:
    message = "A board must be served at a port: ask for tcp, pty, or both"
    with pytest.raises(ValueError, match=f"^{message}$"):
        serve(echo, tcp=None)
