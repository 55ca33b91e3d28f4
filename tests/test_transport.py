"""What stands between pyserial and the link: opening, and telling why it failed."""

from __future__ import annotations

import errno
from typing import ClassVar

import pytest
import serial

from atomik_fpga.errors import (
    LinkLostError,
    NoBoardError,
    PortBusyError,
    PortPermissionError,
    UnsupportedPortError,
)
from atomik_fpga.transport import explain_open_error, open_port

from .ideal_peer import IdealPort


class RealPort(IdealPort):
    """Has what only Linux' serial ports have."""

    low_latency = False

    def set_low_latency_mode(self, on):
        self.low_latency = on


class StubbornPort(IdealPort):
    """Its driver knows no low-latency mode."""

    def set_low_latency_mode(self, on):
        raise ValueError(f"Failed to update ASYNC_LOW_LATENCY flag to {on}")


@pytest.fixture
def opened(monkeypatch):
    """What `serial.serial_for_url` was asked for, and the port that it gives."""

    class Opened:
        port = RealPort()
        url = ""
        settings: ClassVar[dict[str, object]] = {}

    def serial_for_url(url, **settings):
        Opened.url, Opened.settings = url, settings
        return Opened.port

    monkeypatch.setattr(serial, "serial_for_url", serial_for_url)
    return Opened


def test_a_real_port_is_opened_alone_and_with_low_latency(opened):
    opened.port = RealPort()
    port = open_port("/dev/ttyUSB1", 115_200)
    assert (port.url, opened.url) == ("/dev/ttyUSB1", "/dev/ttyUSB1")
    assert opened.settings["baudrate"] == 115_200
    assert opened.settings["exclusive"] is True
    assert opened.port.low_latency is True
    assert (opened.port.dtr, opened.port.rts, opened.port.is_open) == (False, False, True)


def test_a_url_is_opened_without_what_only_real_ports_have(opened):
    opened.port = RealPort()
    open_port("socket://localhost:1", 115_200)
    assert opened.settings["exclusive"] is None
    assert opened.port.low_latency is False


def test_a_pseudo_terminal_is_opened_alone_without_low_latency(opened):
    opened.port = RealPort()
    open_port("/dev/pts/0", 115_200)
    assert opened.settings["exclusive"] is True
    assert opened.port.low_latency is False


def test_a_driver_without_low_latency_is_no_obstacle(opened):
    opened.port = StubbornPort()
    assert open_port("/dev/ttyUSB1", 115_200).url == "/dev/ttyUSB1"


def test_a_rate_that_the_port_refuses_is_an_error(opened):
    class Slow(IdealPort):
        def reset_input_buffer(self):
            raise ValueError("Not a valid baudrate: 7")

    opened.port = Slow()
    port = open_port("/dev/ttyUSB1", 115_200)
    with pytest.raises(UnsupportedPortError) as caught:
        port.set_baud(7)
    assert str(caught.value) == (
        "/dev/ttyUSB1 can't run at 7 bit/s (Not a valid baudrate: 7): give a baud= that it can"
    )


@pytest.mark.parametrize("use", [lambda port: port.read(), lambda port: port.write(b"x")])
def test_an_unplugged_port_is_a_lost_link(opened, use):
    opened.port = IdealPort()
    port = open_port("/dev/ttyUSB1", 115_200)
    opened.port.unplug()
    with pytest.raises(LinkLostError) as caught:
        use(port)
    assert str(caught.value) == (
        "/dev/ttyUSB1 failed (device reports readiness to read but returned no data): the state "
        "of the device is unknown. Check the cable, connect again and reload it"
    )


def test_a_missing_port_is_no_board():
    with pytest.raises(NoBoardError) as caught:
        open_port("/dev/no-such-port", 115_200)
    assert str(caught.value).startswith("Can't open /dev/no-such-port (")
    assert str(caught.value).endswith(": check the name, and that the board is plugged in")


def test_auto_is_refused():
    with pytest.raises(UnsupportedPortError) as caught:
        open_port("auto", 115_200)
    assert str(caught.value) == "Port 'auto' is not supported: name the port"


def test_an_unknown_scheme_is_refused():
    with pytest.raises(UnsupportedPortError) as caught:
        open_port("carrier-pigeon://loft", 115_200)
    assert str(caught.value) == (
        "Unknown kind of port 'carrier-pigeon://loft': use a serial port's name, "
        "socket://host:port, rfc2217://host:port or sim://"
    )


def test_the_simulators_urls_are_known_to_pyserial():
    assert "atomik_sim.urlhandlers" in serial.protocol_handler_packages


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
            "No permission to open /dev/ttyUSB1 ([Errno 13] why): allow your user to use serial "
            "ports, usually by membership in the group dialout",
        ),
        (
            "linux",
            "/etc/passwd",
            posix(errno.ENOTTY),
            NoBoardError,
            "Can't open /etc/passwd ([Errno 25] why): check that it is a serial port",
        ),
        (
            "darwin",
            "/dev/cu.usbserial",
            posix(errno.EACCES),
            PortPermissionError,
            "No permission to open /dev/cu.usbserial ([Errno 13] why): allow your user to use "
            "serial ports",
        ),
        (
            "darwin",
            "/dev/tty.usbserial",
            posix(errno.ENOENT),
            NoBoardError,
            "Can't open /dev/tty.usbserial ([Errno 2] why): on macOS use /dev/cu.usbserial",
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
