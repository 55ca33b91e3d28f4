"""One board is one connection, by whatever name, and a port that is opened harms no other one."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import serial

from atomik_fpga import AtomikContext, LinkLostError, connect
from atomik_fpga.ports import MAX_BAUD
from atomik_fpga.registry import Registry
from atomik_sim.model import DeviceModel

from .ideal_peer import FastPort


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The URLs that were opened; each leads to a port of its own."""
    urls: list[str] = []

    def serial_for_url(url: str, **_: Any) -> FastPort:
        urls.append(url)
        return FastPort(DeviceModel(16, 4))

    monkeypatch.setattr(serial, "serial_for_url", serial_for_url)
    # These names are of simulated boards too, which another test of the process may have left open.
    monkeypatch.setattr("atomik_fpga.shared._registry", Registry())
    return urls


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("sim://", "sim://icebreaker"),
        ("sim://?width=16&contexts=4", "sim://icebreaker/?contexts=4&width=16"),
        ("socket://localhost:7000", "socket://localhost:7000/"),
        ("IDEAL://board", "ideal://board/"),
    ],
)
def test_two_names_of_one_board_are_one_connection(
    opened: list[str], first: str, second: str
) -> None:
    with connect(first) as one, connect(second) as other:
        assert one is not other
        one.accum(0, 3)
        assert other.read(0) == 3
    assert opened == [first]
    connect(second).close()
    assert opened == [first, second]


def test_the_variable_and_the_program_may_name_one_board_in_two_ways(
    opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATOMIK_PORT", "sim://")
    with AtomikContext(16, 1) as one, AtomikContext(16, 2, port="sim://icebreaker") as other:
        assert (one.port, one.address, other.port, other.address) == (
            "sim://",
            0,
            "sim://icebreaker",
            1,
        )
    assert opened == ["sim://"]


def test_a_simulated_board_has_one_connection_by_all_its_names() -> None:
    name = "name=names"
    with AtomikContext(64, 3, port=f"sim://?{name}&contexts=16") as one:
        with AtomikContext(64, 4, port=f"sim://icebreaker?contexts=16&{name}") as other:
            assert (one.address, other.address) == (0, 1)
            assert (one.read(), other.read()) == (3, 4)


@pytest.mark.parametrize(
    ("port", "kind", "message"),
    [
        ("", ValueError, "Port must be a URL, not ''; pass None for ATOMIK_PORT or none"),
        (7, TypeError, "Port must be a URL or None, not 7"),
        (b"sim://", TypeError, "Port must be a URL or None, not b'sim://'"),
        ("COM\0", ValueError, "Port must be a URL, and none has a NUL in it, as 'COM\\x00' has"),
    ],
)
def test_what_is_no_port_is_refused_as_a_context_refuses_it(
    port: Any, kind: type[Exception], message: str
) -> None:
    for call in (connect, lambda port: AtomikContext(port=port)):
        with pytest.raises(kind) as caught:
            call(port)
        assert str(caught.value) == message


@pytest.mark.parametrize(
    ("baud", "kind", "message"),
    [
        (0, ValueError, "Baud rate must be a positive integer, not 0"),
        (-1, ValueError, "Baud rate must be a positive integer, not -1"),
        (9600.0, TypeError, "Baud rate must be a positive integer, not 9600.0"),
        ("9600", TypeError, "Baud rate must be a positive integer, not '9600'"),
        (
            MAX_BAUD + 1,
            ValueError,
            "Baud rate must be at most 2,147,483,647 bit/s, not 2147483648",
        ),
    ],
)
def test_what_is_no_rate_is_refused_before_a_port_is_opened(
    opened: list[str], baud: Any, kind: type[Exception], message: str
) -> None:
    for call in (
        lambda: connect("ideal://", baud=baud),
        lambda: AtomikContext(port="ideal://", baud=baud),
        lambda: AtomikContext.attach("ideal://", 0, baud=baud),
    ):
        with pytest.raises(kind) as caught:
            call()
        assert str(caught.value) == message
    assert opened == []


def test_a_port_that_takes_long_to_open_holds_up_no_other_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def serial_for_url(url: str, **_: Any) -> FastPort:
        if url == "slow://":
            entered.set()
            go_on.wait(20)
        return FastPort(DeviceModel(16, 4))

    monkeypatch.setattr(serial, "serial_for_url", serial_for_url)
    other = connect("other://")
    opener = threading.Thread(target=lambda: connect("slow://").close())
    opener.start()
    assert entered.wait(20)
    with connect("third://") as third:
        assert third.read(0) == 0
    other.close()
    assert opener.is_alive()
    go_on.set()
    opener.join()


def test_many_threads_that_connect_at_once_share_one_connection(opened: list[str]) -> None:
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(connect("ideal://board"))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    found[0].accum(3, 5)
    assert [connection.read(3) for connection in found] == [5] * 8
    assert opened == ["ideal://board"]
    for connection in found:
        connection.close()


def test_errors_of_the_link_name_the_port(monkeypatch: pytest.MonkeyPatch) -> None:
    port = FastPort(DeviceModel(16, 4))
    monkeypatch.setattr(serial, "serial_for_url", lambda url, **_: port)
    connection = connect("ideal://board")
    port.silent = True
    with pytest.raises(LinkLostError) as caught:
        connection.read(0)
    connection.close()
    assert str(caught.value) == (
        "The device at ideal://board did not answer, 8 retransmissions included: check cable and "
        "power; its state is unknown: connect again and reload it"
    )
