"""``atomik flash``: which boards come back, what they are then, and what is written into which."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from atomik_boards.catalog import BOARDS
from atomik_boards.comeback import wait_for_board
from atomik_fpga.platforms import SerialPort
from atomik_fpga.protocol import Op
from atomik_fpga.usb import UsbDevice
from atomik_sim.model import DeviceModel, _Run

from ..stand_in import StandIn, make_stand_in
from ..tcp_device import TcpDevice, serve_device
from .bench import Run
from .flash_bench import (
    BUILD_ID,
    ICEBREAKER,
    Build,
    flashed_device,
)


def test_a_port_that_does_not_come_back_is_told(flashed: Run, loader: StandIn) -> None:
    # Nothing listens at the discard port of this machine.
    code, out, err = flashed("--port", "socket://127.0.0.1:9", "--wait", "0.3")
    assert (code, out) == (1, "")
    last = err.splitlines()[-1]
    assert last.startswith("atomik: Radiona ULX3S with LFE5U-25F did not come back within 0.3 s")
    assert "`atomik doctor port` tells about serial ports" in last
    assert loader.asked[-1][-2] == "-m"


@flashed_device
def test_the_port_is_found_by_the_programmers_chip_once_it_is_back(
    flashed: Run, device: TcpDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    device.model.reset()
    others = [
        SerialPort("/dev/not-asked-1", 0x0403, 0x6010, "D00123", interface=1),
        SerialPort("/dev/not-asked-2", 0x0403, 0x6015, "D00456"),
        SerialPort("/dev/not-asked-3"),
    ]
    dead = SerialPort("socket://127.0.0.1:9", 0x0403, 0x6015, "D00123")
    alive = SerialPort(device.url, 0x0403, 0x6015, "D00123")
    listings = [[], others, [dead, *others], [dead, *others, alive]]
    asked: list[str] = []
    probe = __import__("atomik_fpga.opening", fromlist=["probe"]).probe

    def probed(url: str, baud: int | None) -> Any:
        asked.append(url)
        return probe(url, baud)

    monkeypatch.setattr("atomik_boards.comeback.probe", probed)
    monkeypatch.setattr(
        "atomik_boards.comeback.serial_ports",
        lambda: listings.pop(0) if len(listings) > 1 else listings[0],
    )
    monkeypatch.setattr("atomik_boards.comeback._LOOK", 0.01)
    code, out, _ = flashed()
    assert code == 0
    assert asked == [dead.name, dead.name, device.url]
    assert f"  port      {device.url}, 1,000,000 baud" in out.splitlines()


@pytest.mark.parametrize(
    "port",
    [
        SerialPort("the uart", *ICEBREAKER.id, "ib0001", interface=1),
        # On Windows: the interface is the letter behind the serial number.
        SerialPort("the uart", *ICEBREAKER.id, "ib0001B"),
    ],
)
def test_of_a_chip_with_two_ports_the_uart_is_asked(
    monkeypatch: pytest.MonkeyPatch, port: SerialPort
) -> None:
    """The other one programs the board."""
    asked: list[str] = []

    def probe(name: str, _baud: int | None) -> Any:
        asked.append(name)
        return "what INFO says", 1_000_000

    ports = [
        SerialPort("the programmer", *ICEBREAKER.id, "ib0001", interface=0),
        SerialPort("the programmer on Windows", *ICEBREAKER.id, "ib0001A"),
        SerialPort("another board's", *ICEBREAKER.id, "ib0002", interface=1),
        port,
    ]
    monkeypatch.setattr("atomik_boards.comeback.serial_ports", lambda: ports)
    monkeypatch.setattr("atomik_boards.comeback.probe", probe)
    back = wait_for_board(
        BOARDS["icebreaker"],
        {"baud": 1_000_000},
        ICEBREAKER,
        port=None,
        baud=None,
        seconds=0,
        tell=lambda _line: None,
    )
    assert asked == ["the uart"]
    assert (back.port, back.baud) == ("the uart", 1_000_000)


@pytest.mark.parametrize("device", [{"build_id": 1}], indirect=True)
def test_a_board_that_runs_another_build_is_told(flashed: Run, device: TcpDevice) -> None:
    code, out, err = flashed("--port", device.url)
    assert (code, out) == (1, "")
    assert f"runs build 0000000000000001, and {BUILD_ID:016x} was written" in err


def test_a_board_that_fails_its_test_is_told_and_no_next_command(flashed: Run) -> None:
    class LoadsWrong(DeviceModel):
        def _act(self, run: _Run) -> list[int]:
            words = super()._act(run)
            if run.op is Op.LOAD:
                self.references[run.address] ^= 1
            return words

    with serve_device(LoadsWrong(build_id=BUILD_ID)) as served:
        code, out, _ = flashed("--port", served.url)
    assert code == 1
    assert "FAILED  walking ones and zeros" in out
    assert "Next:" not in out


def test_a_board_with_its_uart_at_pins_is_written_and_not_tested(
    run: Run, build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attach: Any
) -> None:
    program = make_stand_in(tmp_path / "programs", "dfu-util")
    monkeypatch.setenv("DFU_UTIL", str(program.path))
    attach(UsbDevice((0x1209, 0x5AF0), "crab", 1, 9, "OrangeCrab r0.2 DFU Bootloader v3.1"))
    folder = build("orangecrab-25f")
    code, out, _ = run("flash", "orangecrab-25f", "--from", str(folder))
    assert code == 0
    assert "Its UART is at io_0:0 (rx, an adapter's TXD) and io_0:1 (tx, its RXD)" in out
    assert out.splitlines()[-1] == "Next: atomik demo --port URL"
    assert program.asked[-1] == [
        "-d", "1209:5af0", "-a", "0", "-R", "-D", str(folder / "top.bit")
    ]  # fmt: skip


def test_a_board_that_takes_the_file_at_its_port_gets_it_whole(
    run: Run, build: Build, attach: Callable[..., None]
) -> None:
    attach()
    folder = build("blackice")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = f"socket://127.0.0.1:{listener.getsockname()[1]}"
        dry = run("flash", "blackice", "--from", str(folder), "--port", port, "--dry-run")
        assert dry == (0, f"cp {folder / 'top.bit'} {port}\n", "")
        code, _, err = run("flash", "blackice", "--from", str(folder), "--port", port, "--wait=0")
        client, _ = listener.accept()
        with client:
            assert client.recv(100) == b"bits"
    # Nobody answers for the board here.
    assert code == 1
    assert "did not come back within 0 s" in err


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda folder: (folder / "manifest.json").unlink(), "There is no build for ulx3s-25f in"),
        (lambda folder: (folder / "top.bit").unlink(), "There is no build for ulx3s-25f in"),
        (
            lambda folder: (folder / "top.bit").write_bytes(b"x"),
            "is not the file that its manifest",
        ),
        (lambda folder: (folder / "manifest.json").write_text("{"), "can't be read"),
        (
            lambda folder: (folder / "manifest.json").write_text(
                (folder / "manifest.json").read_text().replace("ulx3s-25f", "ulx3s-85f")
            ),
            "is for ulx3s-85f, not for ulx3s-25f",
        ),
        (
            lambda folder: (folder / "manifest.json").write_text(
                (folder / "manifest.json").read_text().replace("build_id", "id")
            ),
            "can't be read",
        ),
    ],
)
def test_only_a_whole_build_for_the_board_is_written(
    flashed: Run, loader: StandIn, tmp_path: Path, change: Callable[[Path], Any], words: str
) -> None:
    change(tmp_path / "built")
    code, out, err = flashed()
    assert (code, out) == (1, "")
    assert words in err
    assert loader.asked == []


@pytest.mark.parametrize(
    ("board", "option", "words"),
    [
        ("orangecrab-25f", "--sram", "has no way for --sram, as far as dfu-util goes: say --spi"),
        ("icesugar", "--cable=ft232", "written by icesprog, which takes no --cable"),
        ("blackice", "--dry-run", "takes the bitstream at its serial port: name it with --port"),
    ],
)
def test_what_a_board_can_not_do_is_told(
    run: Run, build: Build, attach: Callable[..., None], board: str, option: str, words: str
) -> None:
    code, out, err = run("flash", board, "--from", str(build(board)), option)
    assert (code, out) == (1, "")
    assert words in err


def test_a_wait_without_end_is_a_usage_error(run: Run) -> None:
    code, out, err = run("flash", "icebreaker", "--wait", "nan")
    assert (code, out) == (2, "")
    assert "Invalid value for '--wait': nan is no finite number" in err


def test_an_unknown_board_is_a_usage_error(run: Run) -> None:
    code, out, err = run("flash", "etch-a-sketch")
    assert (code, out) == (2, "")
    assert "No board is called 'etch-a-sketch'" in err
