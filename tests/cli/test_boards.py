"""``atomik boards``: the list, as text and as JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

import atomik_boards.sweep
from atomik_boards.catalog import BOARDS
from atomik_boards.fit import SMALLEST
from atomik_boards.sweep import Entry, Sweep, load_sweep

from .bench import Run


@pytest.fixture
def sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    cells: dict[str, Any] = {
        "ICESTORM_LC": {"used": 2640, "available": 5280},
        "ICESTORM_RAM": {"used": 3, "available": 30},
    }
    made = Sweep(
        "0.1.0",
        "2026-11",
        "a machine",
        {},
        {
            "icebreaker": Entry(True, 12_000_000, 31_460_000, cells, 41.5, ""),
            "icesugar": Entry(False, 0, 0, {}, 20.0, "Clock 'clk' reaches only 9 MHz"),
        },
    )
    monkeypatch.setattr(atomik_boards.sweep, "load_sweep", lambda: made)


def test_boards_are_a_line_each_with_what_the_sweep_made_of_them(run: Run, sweep: None) -> None:
    code, out, err = run("boards")
    lines = {line.split()[0]: " ".join(line.split()) for line in out.splitlines()}
    assert (code, err) == (0, "")
    assert set(BOARDS) < set(lines)
    assert lines["icebreaker"] == (
        "icebreaker iCE40UP5K-SG48 256 x 64 1000000 to 6000000 12 / 31.5 50% 10%"
    )
    assert lines["icestick"] == "icestick iCE40HX1K-TQ144 none fits 1000000 to 12000000 too small"
    assert lines["icesugar"].endswith("not built")
    assert lines["ulx3s-85f"].endswith("not in the sweep")
    assert out.splitlines()[-2:] == [
        f"Too small: the smallest device needs {SMALLEST:,} logic cells of 1,280.",
        "Clock: needed, and reached by place and route; 0.1.0, 2026-11.",
    ]


def test_boards_as_json_hold_all_that_is_known(run: Run, sweep: None) -> None:
    code, out, _ = run("boards", "--json")
    result = json.loads(out)
    boards = {board["board"]: board for board in result["boards"]}
    assert code == 0
    assert set(boards) == set(BOARDS)
    assert result["sweep"] == {"version": "0.1.0", "date": "2026-11"}
    assert boards["icebreaker"]["sweep"]["reached_hz"] == 31_460_000
    assert boards["icebreaker"]["uart"] is None
    assert (boards["icebreaker"]["fabric_hz"], boards["icebreaker"]["pll"]) == (12_000_000, False)
    assert (boards["ecpix5-45f"]["fabric_hz"], boards["ecpix5-45f"]["pll"]) == (80_000_000, True)
    assert boards["ulx3s-12f"]["idcode"] == "21111043"
    assert boards["upduino-v3"]["uart"] == {"rx": "j_0:7", "tx": "j_0:8"}
    assert boards["upduino-v3"]["clocks"] == {"clk12": 12_000_000}
    assert boards["ulx3s-85f"]["sweep"] is None
    assert (boards["ulx3s-85f"]["contexts"], boards["ulx3s-85f"]["too_small"]) == (4096, None)
    assert (boards["icestick"]["contexts"], boards["icestick"]["width"]) == (None, None)
    assert boards["icestick"]["too_small"] == {
        "kind": "logic cells",
        "needed": SMALLEST,
        "available": 1280,
    }


def test_the_record_that_comes_with_the_package_is_of_known_boards() -> None:
    assert set(load_sweep().boards) <= set(BOARDS)
