"""Connections over what operating systems have: a pseudo-terminal, and a socket after fork."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import warnings
from random import Random

import pytest

from atomik_fpga.connection import Connection, connect
from atomik_fpga.errors import WrongDeviceError
from atomik_sim.model import DeviceModel

from .tcp_device import serve_device


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
        # No count of retransmissions: a machine with other work to do can be late.
        assert (connection.stats.damaged, connection.stats.naks) == (0, 0)
    assert device.accumulators == expected


def test_of_two_processes_on_one_board_the_second_is_told(pty):
    device, path = pty
    with connect(path, baud=115_200) as connection:
        connection.load(0, 5)
        connection.flush()
        session = device.info.session
        second = subprocess.run(
            [sys.executable, "-m", "atomik_fpga", "ctx", "load", "0", "1", "--port", path],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (second.returncode, second.stdout) == (1, "")
        assert second.stderr.startswith(f"atomik: {path} is in use by another program (")
        assert second.stderr.endswith("): close that one\n")
        assert device.info.session == session
        assert connection.read(0) == 5


@pytest.mark.skipif(not hasattr(os, "fork"), reason="This system has no fork")
def test_a_child_that_lives_on_does_not_keep_the_port_from_its_parent(pty):
    _, path = pty
    stay_read, stay_write = os.pipe()
    alive_read, alive_write = os.pipe()
    with connect(path, baud=115_200) as connection:
        connection.load(0, 5)
        with warnings.catch_warnings():
            # Python 3.12 warns of forks with threads, which is what is tested here.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            os.close(stay_write)
            os.write(alive_write, b"x")
            os.read(stay_read, 1)
            os._exit(0)
        assert os.read(alive_read, 1) == b"x"
        assert connection.read(0) == 5
    try:
        with connect(path, baud=115_200) as again:
            assert again.read(0) == 5
    finally:
        os.close(stay_write)
        os.waitpid(child, 0)
        for end in (stay_read, alive_read, alive_write):
            os.close(end)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="This system has no fork")
def test_a_child_that_closes_all_leaves_the_parents_network_connection_open():
    with serve_device(DeviceModel(16, 4)) as served, connect(served.url) as connection:
        connection.load(0, 5)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            connection._shared._port.close()
            os._exit(0)
        os.waitpid(child, 0)
        assert connection.read(0) == 5


def test_a_pseudo_terminal_with_another_program_behind_it_is_no_device(pty, monkeypatch):
    device, path = pty
    device.receive = lambda data: b"login: "
    monkeypatch.setattr("atomik_fpga.opening._PATIENCE", 0.5)
    with pytest.raises(WrongDeviceError, match="no answer of an ATOMiK device among them"):
        connect(path, baud=115_200)
