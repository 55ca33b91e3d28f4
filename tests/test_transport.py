"""What stands between pyserial and the link: opening, and telling why it failed."""

from __future__ import annotations

import os
import re
import sys
from typing import ClassVar

import pytest
import serial

from atomik_fpga.errors import ClosedError, LinkLostError, NoBoardError, UnsupportedPortError
from atomik_fpga.transport import open_port, port_key

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
    assert opened.port.low_latency is (sys.platform == "linux")
    assert (opened.port.dtr, opened.port.rts, opened.port.is_open) == (False, False, True)


def test_a_driver_that_can_not_keep_others_out_is_no_obstacle(opened, monkeypatch):
    asked = []

    def keep_others_out(descriptor):
        asked.append(descriptor)
        raise OSError("Inappropriate ioctl for device")

    opened.port = RealPort()
    opened.port.fileno = lambda: 77
    monkeypatch.setattr("atomik_fpga.transport.keep_others_out", keep_others_out)
    open_port("/dev/ttyUSB1", 115_200)
    assert asked == [77]
    # One wish that is not fulfilled does not take the other one with it.
    assert opened.port.low_latency is (sys.platform == "linux")
    open_port("/dev/pts/0", 115_200)
    assert asked == [77]


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


@pytest.mark.parametrize("use", [lambda port: port.read(), lambda port: port.write(b"x")])
def test_an_error_of_ours_comes_through_as_it_is(opened, use):
    def closed(*_):
        raise ClosedError("The simulated board is closed")

    opened.port = IdealPort()
    port = open_port("sim://", 115_200)
    opened.port.read = opened.port.write = closed
    with pytest.raises(ClosedError) as caught:
        use(port)
    assert str(caught.value) == "The simulated board is closed"


def test_a_missing_port_is_no_board():
    with pytest.raises(NoBoardError) as caught:
        open_port("/dev/no-such-port", 115_200)
    assert str(caught.value).startswith("Can't open /dev/no-such-port (")
    assert str(caught.value).endswith(": check the name, and that the board is plugged in")


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such files")
@pytest.mark.parametrize("path", ["/dev/null", "/"])
def test_a_file_that_is_no_serial_port_is_told_from_a_board_that_is_not_plugged_in(path):
    with pytest.raises(NoBoardError) as caught:
        open_port(path, 115_200)
    assert re.fullmatch(
        rf"Can't open {path} \(.*\): that is not a serial port; name one, such as /dev/\S+",
        str(caught.value),
    )


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (
            "socket://localhost",
            "'socket://localhost' names no TCP port: write socket://host:port, such as "
            "socket://127.0.0.1:7000",
        ),
        (
            "rfc2217://host/",
            "'rfc2217://host/' names no TCP port: write rfc2217://host:port, such as "
            "rfc2217://127.0.0.1:7000",
        ),
        (
            "socket://:7000",
            "'socket://:7000' names no host: write socket://host:port, such as "
            "socket://127.0.0.1:7000",
        ),
        (
            "socket://localhost:70000",
            "Can't use port 'socket://localhost:70000': Port out of range 0-65535",
        ),
        ("socket://[::1", "Can't use port 'socket://[::1': Invalid IPv6 URL"),
    ],
)
def test_a_network_port_that_names_no_port_is_refused_with_what_is_missing(url, message):
    for call in (port_key, lambda url: open_port(url, 115_200)):
        with pytest.raises(UnsupportedPortError) as caught:
            call(url)
        assert str(caught.value) == message


# Names of one port.


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("sim://", "sim://icebreaker"),
        ("sim://", "SIM://icebreaker/?contexts=16&width=64"),
        ("sim://?width=8&contexts=4", "sim://icebreaker?contexts=04&width=8"),
        ("sim://?name=a%20b", "sim://?name=a+b"),
        ("socket://localhost:7000", "socket://LOCALHOST:7000/"),
        ("socket://[::1]:7000", "socket://[::1]:7000/"),
        ("ideal://board", "ideal://board/"),
        ("alt:///dev/ttyUSB1?class=Serial", "/dev/ttyUSB1"),
    ],
)
def test_names_of_one_port_have_one_key(first, second):
    assert port_key(first) == port_key(second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("sim://", "sim://?width=8"),
        ("sim://?name=a", "sim://?name=b"),
        ("socket://localhost:7000", "socket://localhost:7001"),
        ("socket://localhost:7000", "rfc2217://localhost:7000"),
        ("/dev/ttyUSB1", "/dev/ttyUSB2"),
    ],
)
def test_names_of_two_ports_have_two_keys(first, second):
    assert port_key(first) != port_key(second)


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such links")
def test_a_link_to_a_port_is_that_port(tmp_path):
    link = tmp_path / "board"
    link.symlink_to("/dev/ttyUSB1")
    assert port_key(str(link)) == port_key("/dev/ttyUSB1")


def test_a_name_that_the_handler_refuses_has_no_key():
    with pytest.raises(UnsupportedPortError) as caught:
        port_key("sim://icebreaker?width=0")
    assert str(caught.value) == (
        "Can't use port 'sim://icebreaker?width=0': Option 'width' must be in 1..256, not 0"
    )


# Schemes.


def test_an_unknown_scheme_is_refused():
    with pytest.raises(UnsupportedPortError) as caught:
        open_port("carrier-pigeon://loft", 115_200)
    assert str(caught.value) == (
        "Unknown kind of port 'carrier-pigeon://loft': use a serial port's name, "
        "socket://host:port, rfc2217://host:port or sim://"
    )


def test_the_simulators_urls_are_known_to_pyserial():
    assert "atomik_sim.urlhandlers" in serial.protocol_handler_packages
