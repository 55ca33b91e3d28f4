"""How connections are shared, fail and end, over a port in memory and a pseudo-terminal."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import threading

import pytest
import serial

from atomik_fpga.connection import connect
from atomik_fpga.errors import (
    AtomikError,
    ClosedError,
    LinkLostError,
    NoBoardError,
    SessionLostError,
    WrongDeviceError,
)
from atomik_sim.model import DeviceModel

from .connection_bench import run_script, wait_for
from .ideal_peer import FastPort

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


# Sharing.


def test_a_url_has_one_connection(connection):
    with connect(URL) as other:
        other.accum(0, 3)
        assert connection.read(0) == 3
    connection.flush()


def test_closing_twice_takes_nothing_from_the_others(port):
    first, second = connect(URL), connect(URL)
    with first:
        first.accum(0, 3)
    first.close()
    first.close()
    assert port.is_open
    assert second.read(0) == 3
    for call in (first.flush, first.__enter__, lambda: first.read(0), lambda: first.banks):
        with pytest.raises(ClosedError) as caught:
            call()
        assert str(caught.value) == "The connection to ideal:// is closed: connect again"
    assert second.error is None
    second.close()
    assert not port.is_open


def test_a_connection_is_not_copied(connection):
    message = "<Connection ideal:// 40 x 16 bit, open> can't be copied or pickled"
    for copier in copy.copy, copy.deepcopy, pickle.dumps:
        with pytest.raises(TypeError, match=message):
            copier(connection)


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
    assert repr(first) == "<Connection ideal:// closed>"


def test_a_closed_url_can_be_opened_again(port):
    with connect(URL) as first:
        first.load(0, 7)
    with connect(URL) as second:
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


def test_another_baud_rate_of_an_open_port_is_refused(port):
    with connect("/dev/ttyIDEAL", baud=115_200) as connection:
        assert connection.baud == 115_200
        with pytest.raises(ValueError, match="bit/s") as caught:
            connect("/dev/ttyIDEAL", baud=9600)
    assert str(caught.value) == (
        "/dev/ttyIDEAL is open at 115200 bit/s in this process, not at 9600: close it first, or "
        "leave baud out"
    )


def test_a_rate_means_nothing_where_the_far_end_has_its_own(connection):
    assert connection.baud == 1_000_000
    with connect(URL, baud=9600) as other:
        assert other.baud == 1_000_000
    connection.flush()


def test_a_line_behind_a_network_is_tried_at_all_rates(port):
    port.spoil = lambda data: data if port.baudrate == 115_200 else b"\xf0" * len(data)
    with connect("rfc2217://host:7000") as connection:
        assert connection.baud == 115_200


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
            "The device at ideal:// was reset; its state is unknown: connect again and reload it"
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
        with connect(URL) as third:
            assert third.read(0) == 8


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
    return run_script(prelude, script)


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
        "atomik: what was posted to ideal:// is lost: The device at ideal:// was reset; its state "
        "is unknown: connect again and reload it\n"
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
