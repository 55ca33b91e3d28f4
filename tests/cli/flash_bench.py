"""A loader that is a stand-in, builds and boards: what the tests of ``atomik flash`` begin with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from atomik_fpga.usb import UsbDevice

from ..stand_in import StandIn, make_stand_in
from .bench import Run

__all__ = [
    "BUILD_ID",
    "DETECTED",
    "ICEBREAKER",
    "OTHER_ICEBREAKER",
    "OTHER_ULX3S",
    "ULX3S",
    "VERSION",
    "Build",
    "attach",
    "build",
    "flashed",
    "flashed_device",
    "loader",
]

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


#: The board that comes back has the build that was written.
flashed_device = pytest.mark.parametrize("device", [{"build_id": BUILD_ID}], indirect=True)
