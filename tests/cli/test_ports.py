"""``atomik ports``, and ``--port auto``, on a machine whose ports are stand-ins."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
import serial
import serial.tools.list_ports

from atomik_fpga import opening
from atomik_sim.model import DeviceModel

from ..ideal_peer import IdealPort
from .bench import Run


@pytest.fixture
def ports(monkeypatch: pytest.MonkeyPatch) -> dict[str, IdealPort]:
    """A board at ttyUSB1, a bridge where nothing answers at ttyUSB2, and a port of no board."""
    made = {
        "/dev/ttyUSB1": IdealPort(DeviceModel(16, 300)),
        "/dev/ttyUSB2": IdealPort(),
        "/dev/ttyUSB3": IdealPort(),
    }
    made["/dev/ttyUSB2"].silent = True
    ids = [(0x0403, 0x6015), (0x0403, 0x6015), (0x1A86, 0x7523)]
    infos = [
        SimpleNamespace(
            device=name,
            vid=vendor,
            pid=product,
            serial_number="S1",
            location=None,
            description="USB Serial",
        )
        for name, (vendor, product) in zip(made, ids, strict=True)
    ]

    def serial_for_url(url: str, *, baudrate: int, **_: Any) -> IdealPort:
        made[url].baudrate = baudrate
        made[url].timeout = 0.01
        return made[url]

    monkeypatch.setattr(opening, "_PATIENCE_A_RATE", 0.05)
    monkeypatch.setattr(serial.tools.list_ports, "comports", lambda: infos)
    monkeypatch.setattr(serial, "serial_for_url", serial_for_url)
    return made


def test_ports_are_listed_with_what_answers_there(run: Run, ports: dict[str, IdealPort]) -> None:
    code, out, err = run("ports")
    assert code == 0
    assert out == (
        "/dev/ttyUSB1  0403:6015  300 contexts of 16 bits, 1,000,000 baud\n"
        "/dev/ttyUSB2  0403:6015  FT231X: No answer at /dev/ttyUSB2 within 0.05 s: check that the "
        "board is powered and holds an ATOMiK bitstream, the port and the baud rate\n"
        "/dev/ttyUSB3  1a86:7523  USB Serial\n"
    )
    assert err == "asking /dev/ttyUSB1\nasking /dev/ttyUSB2\n"
    assert ports["/dev/ttyUSB3"].writes == 0
    assert run("ports", "-q")[2] == ""


def test_ports_as_json_hold_all_that_is_known(run: Run, ports: dict[str, IdealPort]) -> None:
    code, out, _ = run("ports", "--json")
    assert code == 0
    board, silent, other = json.loads(out)["ports"]
    device = board.pop("device")
    assert board == {
        "port": "/dev/ttyUSB1",
        "usb": "0403:6015",
        "serial_number": "S1",
        "description": "USB Serial",
        "bridge": "FT231X",
        "boards": ["ulx3s-12f", "ulx3s-25f", "ulx3s-45f", "ulx3s-85f", "icepi-zero"],
        "baud": 1_000_000,
        "problem": None,
    }
    assert (device["width"], device["depth"], device["build_id"]) == (16, 300, f"{0:016x}")
    assert (silent["device"], silent["bridge"]) == (None, "FT231X")
    assert silent["problem"].startswith("No answer at /dev/ttyUSB2 within")
    assert (other["bridge"], other["boards"], other["problem"]) == (None, [], None)


def test_ports_are_listed_without_opening_any(run: Run, ports: dict[str, IdealPort]) -> None:
    code, out, err = run("ports", "--no-ask")
    assert (code, err) == (0, "")
    known = "ulx3s-12f, ulx3s-25f, ulx3s-45f, ulx3s-85f, icepi-zero"
    assert out == (
        f"/dev/ttyUSB1  0403:6015  FT231X, not asked; known on {known}\n"
        f"/dev/ttyUSB2  0403:6015  FT231X, not asked; known on {known}\n"
        "/dev/ttyUSB3  1a86:7523  USB Serial\n"
    )
    assert [port.baudrate for port in ports.values()] == [0, 0, 0]


def test_a_machine_without_ports_says_so(
    run: Run, ports: dict[str, IdealPort], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serial.tools.list_ports, "comports", list)
    assert run("ports") == (0, "", "there are no serial ports: is the board plugged in?\n")
    assert json.loads(run("ports", "--json")[1]) == {"ports": []}


def test_info_and_contexts_take_auto_and_tell_the_port(
    run: Run, ports: dict[str, IdealPort]
) -> None:
    code, out, _ = run("info", "--json", "--port", "auto")
    assert (code, json.loads(out)["port"]) == (0, "/dev/ttyUSB1")
    code, out, _ = run("ctx", "load", "3", "0x2a", "--json", "--port", "auto")
    assert (code, json.loads(out)["port"]) == (0, "/dev/ttyUSB1")
    assert ports["/dev/ttyUSB1"].device.state(3) == 0x2A


def test_the_demo_takes_auto_and_stays_at_the_port_that_it_led_to(
    run: Run, ports: dict[str, IdealPort]
) -> None:
    ports["/dev/ttyUSB1"].device = DeviceModel(64, 16)
    code, out, _ = run("demo", "--json", "--events", "20", "--port", "auto")
    result = json.loads(out)
    assert (code, result["port"], result["differences"]) == (0, "/dev/ttyUSB1", [])
    assert not ports["/dev/ttyUSB1"].is_open


def test_the_variable_may_say_auto(
    run: Run, ports: dict[str, IdealPort], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATOMIK_PORT", "auto")
    code, out, _ = run("info")
    assert (code, out.splitlines()[0]) == (0, "ATOMiK device at /dev/ttyUSB1")


def test_several_boards_are_one_line_and_exit_code_1(run: Run, ports: dict[str, IdealPort]) -> None:
    ports["/dev/ttyUSB2"].silent = False
    code, out, err = run("info", "-q", "--port", "auto")
    assert (code, out) == (1, "")
    assert err == (
        "atomik: Several boards answer, so name the port of one: /dev/ttyUSB1 (0403:6015): 300 "
        "contexts of 16 bits; /dev/ttyUSB2 (0403:6015): 16 contexts of 64 bits\n"
    )
