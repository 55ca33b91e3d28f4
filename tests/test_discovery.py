"""Port "auto": which board is found, and what is said where none or several are."""

from __future__ import annotations

import errno
from types import SimpleNamespace
from typing import Any

import pytest
import serial
import serial.tools.list_ports

from atomik_boards.catalog import BOARDS
from atomik_fpga import (
    AtomikContext,
    AtomikTable,
    LinkLostError,
    NoBoardError,
    PortBusyError,
    PortPermissionError,
    SeveralBoardsError,
    WrongDeviceError,
    connect,
    opening,
    platforms,
)
from atomik_fpga.bridges import BRIDGES
from atomik_fpga.discovery import choose
from atomik_sim.model import DeviceModel

from .ideal_peer import IdealPort

FT2232H = (0x0403, 0x6010)
FT231X = (0x0403, 0x6015)
CH340 = (0x1A86, 0x7523)


class Machine:
    """A machine with serial ports: what is plugged in, and what is opened."""

    def __init__(self) -> None:
        self.infos: list[SimpleNamespace] = []
        self.ports: dict[str, IdealPort | OSError] = {}
        self.opened: list[str] = []

    def plug(
        self,
        name: str,
        usb: tuple[int, int] | None = FT231X,
        port: IdealPort | OSError | None = None,
        *,
        location: str | None = None,
    ) -> Any:
        vendor, product = usb or (None, None)
        self.infos.append(
            SimpleNamespace(
                device=name,
                vid=vendor,
                pid=product,
                serial_number=None,
                location=location,
                description="n/a",
            )
        )
        if port is None:
            port = IdealPort(DeviceModel(16, 40))
        if isinstance(port, IdealPort):
            port.timeout = 0.01
        self.ports[name] = port
        return self.ports[name]

    def unplug(self, name: str) -> None:
        port = self.ports.pop(name)
        assert isinstance(port, IdealPort)
        port.unplug()
        self.infos = [info for info in self.infos if info.device != name]

    def serial_for_url(self, url: str, *, baudrate: int, **_: Any) -> IdealPort:
        self.opened.append(url)
        port = self.ports[url]
        if isinstance(port, OSError):
            raise port
        port.baudrate = baudrate
        return port


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    monkeypatch.delenv("ATOMIK_PORT", raising=False)
    monkeypatch.setattr(opening, "_PATIENCE_A_RATE", 0.05)
    monkeypatch.setattr(serial.tools.list_ports, "comports", lambda: list(made.infos))
    monkeypatch.setattr(serial, "serial_for_url", made.serial_for_url)
    return made


def garbage() -> IdealPort:
    port = IdealPort()
    port.device.receive = lambda data: b"login: "  # type: ignore[method-assign]
    return port


def silence() -> IdealPort:
    port = IdealPort()
    port.silent = True
    return port


def busy() -> OSError:
    return serial.SerialException(errno.EAGAIN, "Could not exclusively lock port")


def forbidden() -> OSError:
    return serial.SerialException(errno.EACCES, "could not open port")


def test_the_one_board_is_found_and_no_other_port_is_opened(machine: Machine) -> None:
    machine.plug("/dev/ttyS0", None)
    machine.plug("/dev/ttyUSB0", CH340)
    machine.plug("/dev/ttyUSB1", FT231X)
    with connect("auto") as connection:
        assert connection.url == "/dev/ttyUSB1"
        assert connection.info.depth == 40
    assert set(machine.opened) == {"/dev/ttyUSB1"}


def test_of_two_interfaces_only_that_of_the_uart_is_opened(machine: Machine) -> None:
    machine.plug("/dev/ttyUSB0", FT2232H, location="1-4:1.0")
    machine.plug("/dev/ttyUSB1", FT2232H, location="1-4:1.1")
    with connect("auto") as connection:
        assert connection.url == "/dev/ttyUSB1"
    assert set(machine.opened) == {"/dev/ttyUSB1"}


def test_asking_leaves_dtr_and_rts_unasserted_and_sends_nothing_but_info(machine: Machine) -> None:
    port = machine.plug("/dev/ttyUSB1")
    board = choose(None, {})
    assert (board.port, board.info.depth, board.baud) == ("/dev/ttyUSB1", 40, 1_000_000)
    assert (port.dtr, port.rts, port.is_open) == (False, False, False)
    assert port.device.info.session == 0
    assert port.device.opcount == 0


def test_contexts_tables_and_connections_take_auto(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.plug("/dev/ttyUSB1")
    with AtomikContext(16, 5, port="auto") as context, AtomikTable(4, 16, port="auto") as table:
        assert (context.port, context.address) == ("/dev/ttyUSB1", 0)
        assert (table.port, table.first) == ("/dev/ttyUSB1", 1)
        with AtomikContext.attach("auto", 20) as attached:
            assert attached.port == "/dev/ttyUSB1"
        with AtomikTable.attach("auto", 30, 2) as rest:
            assert rest.port == "/dev/ttyUSB1"
        monkeypatch.setenv("ATOMIK_PORT", "auto")
        with connect() as connection, connect("/dev/ttyUSB1") as named:
            connection.load(30, 9)
            assert named.read(30) == 9
        context.accum(3)
        assert context.read() == 6
    # Asked once, then opened once for all of them.
    assert machine.opened == ["/dev/ttyUSB1"] * 2


def test_a_board_that_is_open_here_is_not_asked_again(machine: Machine) -> None:
    machine.plug("/dev/ttyUSB1")
    with connect("/dev/ttyUSB1") as named:
        opened = len(machine.opened)
        with connect("auto") as found:
            found.load(30, 9)
            assert named.read(30) == 9
        assert len(machine.opened) == opened


def test_a_choice_is_demanded_when_several_answer(machine: Machine) -> None:
    machine.plug("/dev/ttyUSB1")
    machine.plug("/dev/ttyUSB2", FT2232H, IdealPort(DeviceModel(64, 256)), location="1-4:1.1")
    machine.plug("/dev/ttyUSB3", FT231X, garbage())
    with pytest.raises(SeveralBoardsError) as caught:
        connect("auto")
    assert str(caught.value) == (
        "Several boards answer, so name the port of one: /dev/ttyUSB1 (0403:6015): 40 contexts of "
        "16 bits; /dev/ttyUSB2 (0403:6010): 256 contexts of 64 bits"
    )
    for port in machine.ports.values():
        assert isinstance(port, IdealPort)
        assert not port.is_open


@pytest.mark.parametrize("other", [garbage, silence, busy, forbidden])
def test_the_one_that_answers_is_taken_whatever_the_others_do(machine: Machine, other: Any) -> None:
    machine.plug("/dev/ttyUSB0", FT231X, other())
    machine.plug("/dev/ttyUSB1")
    with connect("auto") as connection:
        assert connection.url == "/dev/ttyUSB1"


@pytest.mark.parametrize(
    ("port", "kind", "message"),
    [
        (garbage, WrongDeviceError, "no answer of an ATOMiK device among them"),
        (silence, WrongDeviceError, "No answer at /dev/ttyUSB1 within"),
        (busy, PortBusyError, "/dev/ttyUSB1 is in use by another program"),
        (forbidden, PortPermissionError, "No permission to open /dev/ttyUSB1"),
    ],
)
def test_what_stands_against_the_only_candidate_is_the_error(
    machine: Machine, port: Any, kind: type[Exception], message: str
) -> None:
    machine.plug("/dev/ttyUSB1", FT231X, port())
    with pytest.raises(kind, match=message):
        connect("auto")


def test_where_none_of_several_answers_each_is_told_with_its_reason(machine: Machine) -> None:
    machine.plug("/dev/ttyUSB0", FT231X, busy())
    machine.plug("/dev/ttyUSB1", FT231X, silence())
    with pytest.raises(NoBoardError) as caught:
        connect("auto")
    assert str(caught.value) == (
        "No board answers at any port: /dev/ttyUSB0 (0403:6015): /dev/ttyUSB0 is in use by another "
        "program ([Errno 11] Could not exclusively lock port): close that one; /dev/ttyUSB1 "
        "(0403:6015): No answer at /dev/ttyUSB1 within 0.05 s: check that the board is powered and "
        "holds an ATOMiK bitstream, the port and the baud rate"
    ).replace("[Errno 11]", f"[Errno {errno.EAGAIN}]")


@pytest.mark.parametrize(
    ("ports", "there"),
    [
        ((), "no serial port at all"),
        ((("/dev/ttyS0", None),), "/dev/ttyS0 (no USB port)"),
        (
            (("/dev/ttyS0", None), ("/dev/ttyUSB0", CH340)),
            "/dev/ttyS0 (no USB port), /dev/ttyUSB0 (1a86:7523)",
        ),
    ],
)
def test_where_there_is_no_candidate_the_error_says_what_was_seen(
    machine: Machine, ports: Any, there: str
) -> None:
    for name, usb in ports:
        machine.plug(name, usb)
    with pytest.raises(NoBoardError) as caught:
        connect("auto")
    assert str(caught.value).startswith(
        f"No board found: there is {there}, and port 'auto' looks for a FT2232H (0403:6010) or "
        "FT231X (0403:6015) or iCELink (1d50:602b). Plug the board in, or name its port, such as "
    )
    assert machine.opened == []


def test_a_board_that_comes_back_under_another_name_is_found_again(machine: Machine) -> None:
    machine.plug("/dev/ttyUSB1")
    context = AtomikContext(16, port="auto")
    machine.unplug("/dev/ttyUSB1")
    with pytest.raises(LinkLostError):
        context.read()
    with pytest.raises(LinkLostError):
        context.close()
    machine.plug("/dev/ttyUSB2")
    with AtomikContext(16, 7, port="auto") as again:
        assert (again.port, again.read()) == ("/dev/ttyUSB2", 7)


def test_a_board_that_comes_back_under_its_name_is_opened_again(machine: Machine) -> None:
    machine.plug("/dev/ttyUSB1")
    old = connect("/dev/ttyUSB1")
    machine.unplug("/dev/ttyUSB1")
    with pytest.raises(LinkLostError):
        old.read(0)
    machine.plug("/dev/ttyUSB1")
    with connect("/dev/ttyUSB1") as new:
        assert new is not old
        new.load(0, 9)
        assert new.read(0) == 9
        with pytest.raises(LinkLostError):
            old.read(0)
    old.close()


# Rates.


@pytest.mark.parametrize("rate", [1_000_000, 115_200, 3_000_000])
def test_the_rate_at_which_the_board_answers_is_found(machine: Machine, rate: int) -> None:
    port = machine.plug("/dev/ttyUSB1")
    port.spoil = lambda data: data if port.baudrate == rate else b"\xf0" * len(data)
    with connect("auto") as connection:
        assert connection.baud == rate


def test_a_rate_that_is_given_is_the_only_one_tried(machine: Machine) -> None:
    port = machine.plug("/dev/ttyUSB1")
    rates = set()
    receive = port.device.receive

    def note(data: bytes) -> bytes:
        rates.add(port.baudrate)
        return bytes(receive(data))

    port.device.receive = note
    with connect("auto", baud=460_800) as connection:
        assert connection.baud == 460_800
    assert rates == {460_800}


def test_an_adapter_that_knows_no_megabaud_is_used_at_a_rate_that_it_knows(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.plug("/dev/ttyUSB0", CH340)
    usual = machine.serial_for_url

    def serial_for_url(url: str, *, baudrate: int, **settings: Any) -> IdealPort:
        if baudrate == 1_000_000:
            raise ValueError("Failed to set custom baud rate (1000000)")
        return usual(url, baudrate=baudrate, **settings)

    monkeypatch.setattr(serial, "serial_for_url", serial_for_url)
    with connect("/dev/ttyUSB0") as connection:
        assert connection.baud == 115_200


def test_the_board_table_says_which_rates_are_tried_first(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.plug("/dev/ttyUSB0", CH340)
    machine.plug("/dev/ttyUSB1", FT231X)
    slow = {**BRIDGES, FT231X: opening.BRIDGES[FT231X].__class__("slow", (), 115_200, 2_000_000)}
    monkeypatch.setattr(opening, "BRIDGES", slow)
    assert opening.line_rates("/dev/ttyUSB0") == (1_000_000, 115_200, 3_000_000)
    assert opening.line_rates("/dev/ttyUSB1") == (115_200, 1_000_000)
    assert opening.line_rates("sim://") == (1_000_000,)


def test_a_port_that_is_named_needs_no_list_of_ports(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def comports() -> list[Any]:
        raise OSError("no sysfs")

    machine.plug("/dev/ttyUSB1")
    monkeypatch.setattr(platforms, "_LISTING_PAUSE", 0)
    monkeypatch.setattr(serial.tools.list_ports, "comports", comports)
    with connect("/dev/ttyUSB1") as connection:
        assert connection.baud == 1_000_000
    with pytest.raises(NoBoardError, match="Can't list the serial ports"):
        connect("auto")


def test_the_board_table_has_every_board_with_a_bridge_that_can_be_told() -> None:
    bridges = {name: id_ for id_, bridge in BRIDGES.items() for name in bridge.boards}
    assert bridges == {name: board.usb for name, board in BOARDS.items() if board.usb}
    for name, id_ in bridges.items():
        bridge, board = BRIDGES[id_], BOARDS[name]
        assert (bridge.name, bridge.default_baud, bridge.max_baud, bridge.interface) == (
            board.bridge,
            board.default_baud,
            board.max_baud,
            board.usb_interface,
        )
