"""What differs between systems, through stand-ins for each of them."""

from __future__ import annotations

import errno
import os
import sys
from types import SimpleNamespace
from typing import Any

import pytest
import serial
import serial.tools.list_ports

from atomik_fpga import platforms
from atomik_fpga.errors import (
    NoBoardError,
    PortBusyError,
    PortPermissionError,
    UnsupportedPortError,
)
from atomik_fpga.platforms import (
    SerialPort,
    device_key,
    device_name,
    example_port,
    explain_open_error,
    has_low_latency,
    is_pty,
    keep_others_out,
    serial_ports,
)


def listed(device: str, **known: Any) -> SimpleNamespace:
    """A port as pyserial lists it."""
    usual = {
        "vid": None,
        "pid": None,
        "serial_number": None,
        "location": None,
        "description": "n/a",
    }
    return SimpleNamespace(device=device, **{**usual, **known})


FTDI = {"vid": 0x0403, "pid": 0x6010}

#: What pyserial lists on each system where an iCEBreaker is plugged in, and what is made of it.
LISTS = {
    "linux": (
        [
            listed("/dev/ttyUSB10", location="1-4:1.1", description="iCEBreaker", **FTDI),
            listed("/dev/ttyUSB9", location="1-4:1.0", description="iCEBreaker", **FTDI),
            listed("/dev/ttyS0"),
        ],
        [("/dev/ttyS0", None), ("/dev/ttyUSB9", 0), ("/dev/ttyUSB10", 1)],
    ),
    "win32": (
        [
            listed("COM10", serial_number="FT4ABCDEB", **FTDI),
            listed("COM9", serial_number="FT4ABCDEA", **FTDI),
            listed("COM3", location="1-4:x.1", vid=0x1234, pid=0x5678),
            listed("COM1", description="Communications Port (COM1)"),
        ],
        [("COM1", None), ("COM3", 1), ("COM9", 0), ("COM10", 1)],
    ),
    "darwin": (
        [
            listed("/dev/cu.usbserial-11101", **FTDI),
            listed("/dev/cu.usbserial-11100", **FTDI),
            listed("/dev/cu.usbserial-FT4ABCDEB", **FTDI),
            listed("/dev/tty.Bluetooth-Incoming-Port"),
        ],
        [
            ("/dev/cu.Bluetooth-Incoming-Port", None),
            ("/dev/cu.usbserial-11100", 0),
            ("/dev/cu.usbserial-11101", 1),
            ("/dev/cu.usbserial-FT4ABCDEB", 1),
        ],
    ),
}


@pytest.mark.parametrize("platform", LISTS)
def test_ports_are_listed_with_the_interface_that_the_system_tells(
    platform: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, expected = LISTS[platform]
    monkeypatch.setattr(serial.tools.list_ports, "comports", lambda: given)
    assert [(port.name, port.interface) for port in serial_ports(platform)] == expected


def test_a_listed_port_has_its_usb_ids_and_what_the_system_calls_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = [
        listed("/dev/ttyUSB1", serial_number="ib1", description="iCEBreaker V1.0e", **FTDI),
        listed("/dev/ttyS0"),
    ]
    monkeypatch.setattr(serial.tools.list_ports, "comports", lambda: given)
    plain, usb = serial_ports("linux")
    assert plain == SerialPort("/dev/ttyS0")
    assert plain.usb_id is None
    assert usb == SerialPort("/dev/ttyUSB1", 0x0403, 0x6010, "ib1", "iCEBreaker V1.0e")
    assert usb.usb_id == "0403:6010"


def test_a_port_that_vanishes_while_it_is_listed_is_looked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = []

    def comports() -> list[SimpleNamespace]:
        calls.append(1)
        if len(calls) == 1:
            raise TypeError("int() can't convert non-string with explicit base")
        return [listed("/dev/ttyUSB1")]

    monkeypatch.setattr(platforms, "_LISTING_PAUSE", 0)
    monkeypatch.setattr(serial.tools.list_ports, "comports", comports)
    assert [port.name for port in serial_ports("linux")] == ["/dev/ttyUSB1"]


def test_a_system_that_can_not_list_its_ports_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def comports() -> list[SimpleNamespace]:
        raise OSError("no sysfs")

    monkeypatch.setattr(platforms, "_LISTING_PAUSE", 0)
    monkeypatch.setattr(serial.tools.list_ports, "comports", comports)
    with pytest.raises(NoBoardError) as caught:
        serial_ports()
    assert str(caught.value) == (
        "Can't list the serial ports (no sysfs): try again, or name the port, such as "
        f"{example_port()}"
    )


@pytest.mark.parametrize(
    ("platform", "port", "name"),
    [
        ("darwin", "/dev/tty.usbserial-1101", "/dev/cu.usbserial-1101"),
        ("darwin", "/dev/cu.usbserial-1101", "/dev/cu.usbserial-1101"),
        ("linux", "/dev/tty.usbserial-1101", "/dev/tty.usbserial-1101"),
        ("win32", "COM6", "COM6"),
    ],
)
def test_on_macos_the_name_that_does_not_wait_for_a_carrier_is_opened(
    platform: str, port: str, name: str
) -> None:
    assert device_name(port, platform) == name


@pytest.mark.parametrize(
    ("platform", "first", "second", "same"),
    [
        ("win32", "com6", r"\\.\COM6", True),
        ("win32", "COM6", "COM16", False),
        ("darwin", "/dev/tty.usbserial-1", "/dev/cu.usbserial-1", True),
        ("linux", "/dev/ttyUSB1", "/dev/../dev/ttyUSB1", True),
        ("linux", "/dev/ttyUSB1", "/dev/ttyusb1", False),
    ],
)
def test_names_of_one_real_port_have_one_key(
    platform: str, first: str, second: str, same: bool
) -> None:
    assert (device_key(first, platform) == device_key(second, platform)) is same


def test_low_latency_is_asked_of_real_ports_on_linux_alone() -> None:
    assert has_low_latency("/dev/ttyUSB1", "linux")
    assert not has_low_latency("/dev/pts/3", "linux")
    assert not has_low_latency("/dev/cu.usbserial-1", "darwin")
    assert not has_low_latency("COM6", "win32")


def test_a_pseudo_terminal_is_told_by_its_name_on_each_system() -> None:
    assert [is_pty(name) for name in ("/dev/pts/3", "/dev/ttys004")] == [True, True]
    names = ("/dev/ttyUSB1", "/dev/ttyS0", "/dev/cu.usbserial-1", "/dev/pts/ptmx", "COM6")
    assert not any(map(is_pty, names))


#: Linux' request for the flag that keeps others out; Python has no name for it before 3.13.
TIOCGEXCL = 0x80045440


@pytest.mark.skipif(sys.platform == "win32", reason="Windows needs no such call")
def test_others_are_kept_out_of_a_terminal_and_what_is_none_is_an_error() -> None:
    import fcntl

    controller, terminal = os.openpty()
    try:
        keep_others_out(terminal)
        if sys.platform == "linux":
            # The superuser is let in, so the flag itself is looked at.
            flag = fcntl.ioctl(terminal, TIOCGEXCL, bytes(4))
            assert int.from_bytes(flag, sys.byteorder) == 1
    finally:
        os.close(terminal)
        os.close(controller)
    read, write = os.pipe()
    with pytest.raises(OSError, match="ioctl"):
        keep_others_out(read)
    os.close(read)
    os.close(write)


@pytest.mark.parametrize(
    ("platform", "name"),
    [("linux", "/dev/ttyUSB1"), ("win32", "COM6"), ("darwin", "/dev/cu.usbserial-1101")],
)
def test_messages_show_a_name_of_the_system_at_hand(platform: str, name: str) -> None:
    assert example_port(platform) == name


# Errors.


def windows(text):
    return serial.SerialException(f"could not open port 'COM6': {text}")


def posix(number, text="why"):
    return serial.SerialException(number, text)


@pytest.mark.parametrize(
    ("platform", "url", "error", "kind", "message"),
    [
        (
            "linux",
            "/dev/ttyUSB1",
            posix(errno.ENOENT),
            NoBoardError,
            "Can't open /dev/ttyUSB1 ([Errno 2] why): check the name, and that the board is "
            "plugged in",
        ),
        (
            "linux",
            "/dev/ttyUSB1",
            posix(errno.EBUSY),
            PortBusyError,
            "/dev/ttyUSB1 is in use by another program ([Errno 16] why): close that one",
        ),
        (
            "linux",
            "/dev/ttyUSB1",
            posix(errno.EWOULDBLOCK),
            PortBusyError,
            "/dev/ttyUSB1 is in use by another program ([Errno 11] why): close that one",
        ),
        (
            "linux",
            "/dev/ttyUSB1",
            posix(errno.EACCES),
            PortPermissionError,
            "No permission to open /dev/ttyUSB1 ([Errno 13] why): `atomik doctor port` says how to "
            "allow it",
        ),
        (
            "linux",
            "/etc/passwd",
            posix(errno.ENOTTY),
            NoBoardError,
            "Can't open /etc/passwd ([Errno 25] why): that is not a serial port; name one, such as "
            "/dev/ttyUSB1",
        ),
        (
            "darwin",
            "/dev/cu.usbserial",
            posix(errno.EACCES),
            PortPermissionError,
            "No permission to open /dev/cu.usbserial ([Errno 13] why): `atomik doctor port` says "
            "how to allow it",
        ),
        (
            "linux",
            "/dev/ttyUSB1",
            posix(errno.EIO),
            NoBoardError,
            "Can't open /dev/ttyUSB1 ([Errno 5] why): check that it is a serial port, and that the "
            "board is plugged in",
        ),
        (
            "darwin",
            "/dev/cu.usbserial",
            posix(errno.ENOTTY),
            NoBoardError,
            "Can't open /dev/cu.usbserial ([Errno 25] why): that is not a serial port; name one, "
            "such as /dev/cu.usbserial-1101",
        ),
        (
            "linux",
            "socket://localhost:1",
            posix(errno.EACCES),
            NoBoardError,
            "Can't open socket://localhost:1 ([Errno 13] why): check the address, and that "
            "something listens there",
        ),
        (
            "win32",
            "COM6",
            windows("FileNotFoundError(2, 'missing', None, 2)"),
            NoBoardError,
            "Can't open COM6 (could not open port 'COM6': FileNotFoundError(2, 'missing', None, "
            "2)): check the name, and that the board is plugged in",
        ),
        (
            "win32",
            "COM6",
            windows("PermissionError(13, 'Access is denied.', None, 5)"),
            PortBusyError,
            "COM6 is in use by another program (could not open port 'COM6': PermissionError(13, "
            "'Access is denied.', None, 5)): close that one",
        ),
        (
            "linux",
            "socket://localhost:1",
            serial.SerialException("Could not open port"),
            NoBoardError,
            "Can't open socket://localhost:1 (Could not open port): check the address, and that "
            "something listens there",
        ),
        (
            "linux",
            "sim://icebreaker",
            ValueError("invalid URL, protocol 'sim' not known"),
            UnsupportedPortError,
            "sim://icebreaker needs the simulator, which is not installed: run pip install "
            '"atomik-fpga[sim]"',
        ),
        (
            "linux",
            "sim://no-such-board",
            ValueError("Unknown board"),
            UnsupportedPortError,
            "Can't use port 'sim://no-such-board': Unknown board",
        ),
    ],
)
def test_the_error_says_what_was_seen_and_what_to_do(platform, url, error, kind, message):
    explained = explain_open_error(url, error, platform)
    assert type(explained) is kind
    assert str(explained) == message
