"""The board with a part of Gowin's: what its tools are given, without running them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from amaranth import Module
from amaranth.lib import io, wiring

import atomik_boards.build
import atomik_boards.flow
import benchmarks.gowin
from atomik_boards.board import Family
from atomik_boards.build import build_board
from atomik_boards.catalog import find_board
from atomik_boards.design import plan_design
from atomik_boards.errors import ClockError, ToolMissingError
from atomik_boards.platforms import load_platform, request
from atomik_boards.tools import Tool, find_tools

BOARD = find_board("tang-nano-9k")
REPORT = {
    "fmax": {"clk": {"constraint": 27.0, "achieved": 40.0}},
    # Place and route counts one cell of which the part has none by its name.
    "utilization": {
        "LUT4": {"used": 4320, "available": 8640},
        "TBUF": {"used": 1, "available": 0},
    },
    "critical_paths": [],
}
#: Tools by name, which are never run.
TOOLS = {
    name: Tool(name, Path("/nowhere", name), name, "1")
    for name in ("yosys", "nextpnr-himbaechel-gowin", "gowin_pack")
}


class Top(wiring.Component):
    """The pins of the UART, and nothing between them but a register."""

    def __init__(self, *_arguments: Any, **_options: Any) -> None:
        super().__init__({})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        uart = request(platform, "uart", 0)
        m.submodules.rx = rx = io.Buffer("i", uart.rx)
        m.submodules.tx = tx = io.Buffer("o", uart.tx)
        m.d.sync += tx.o.eq(rx.i)
        return m


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Sequence[str]]:
    """Replace the device by its pins, and the tools by ones that write what a test needs."""
    commands: list[Sequence[str]] = []

    def run_steps(
        steps: Sequence[Sequence[str]], _tools: Any, folder: Path, _progress: Any
    ) -> None:
        for step in steps:
            commands.append(step)
            if step[0] == "yosys":
                assert "-json top.json" in (folder / "top.ys").read_text(encoding="utf-8")
                write(folder / "top.json", {"modules": {"top": {"cells": {}}}})
            elif step[0] == "nextpnr-himbaechel-gowin":
                pins = (folder / "top.cst").read_text(encoding="utf-8")
                assert 'IO_LOC "uart_0__rx__io" 18;' in pins
                assert 'IO_LOC "uart_0__tx__io" 17;' in pins
                place = {"attributes": {"NEXTPNR_BEL": "X3Y14/LUT2"}}
                write(folder / "top.placed.json", {"modules": {"top": {"cells": {"a": place}}}})
                write(folder / "top.report.json", REPORT)
            else:
                assert (folder / step[-1]).exists()
                (folder / "top.fs").write_text("0", encoding="utf-8")

    monkeypatch.setenv("ATOMIK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(atomik_boards.build, "BoardTop", Top)
    monkeypatch.setattr(atomik_boards.build, "find_tools", lambda *_arguments: TOOLS)
    monkeypatch.setattr(atomik_boards.flow, "run_steps", run_steps)
    return commands


def write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


def test_a_build_goes_through_the_tools_of_the_part(
    ran: list[Sequence[str]], tmp_path: Path
) -> None:
    result = build_board(BOARD, out=tmp_path / "build", seed=7)

    yosys, route, pack = ran
    assert yosys[0] == "yosys"
    options = dict(pairwise(route))
    assert route[0] == "nextpnr-himbaechel-gowin"
    # As `amaranth_boards` has the part, and as Apicula names its die.
    assert options["--device"] == "GW1NR-LV9QN88PC6/I5"
    assert {"family=GW1N-9C", "cst=top.cst"} <= {*route}
    assert (options["--freq"], options["--seed"]) == ("27.0", "7")
    assert (options["--json"], options["--write"]) == ("top.json", "top.placed.json")
    assert pack[:5] == ["gowin_pack", "-d", "GW1N-9C", "-o", "top.fs"]
    assert pack[5:] == ["--sspi_as_gpio", "--mspi_as_gpio", "top.placed.json"]
    assert result.bitstream == tmp_path / "build" / "top.fs"
    assert result.manifest["clocks"] == {"clk": {"wanted_hz": 27_000_000, "reached_hz": 40_000_000}}
    assert result.manifest["utilization"] == {"LUT4": {"used": 4320, "available": 8640}}
    assert "4,320" in result.report.read_text(encoding="utf-8")
    # Its rows count from the top.
    assert "M3 14h" in result.report.read_text(encoding="utf-8")
    placement = json.loads((tmp_path / "build" / "top.placement.json").read_text(encoding="utf-8"))
    assert placement == {"a": "X3Y14/LUT2"}


def test_it_runs_at_its_oscillators_clock_alone() -> None:
    assert plan_design(BOARD, freq=27_000_000).clock.hz == 27_000_000
    with pytest.raises(
        ClockError,
        match=r"^tang-nano-9k runs at its oscillator's 27 MHz, not at 54 MHz: no build sets up "
        r"the PLL of a GW1NR-9C$",
    ):
        plan_design(BOARD, freq=54_000_000)


def test_programs_that_are_missing_are_named_with_their_extra(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sysconfig.get_path", lambda _name: str(tmp_path))
    with pytest.raises(ToolMissingError, match=r'pip install "atomik-fpga\[build,gowin\]"$'):
        find_tools(Family.GOWIN, environment={})


def test_the_boards_uart_is_that_of_its_bridge() -> None:
    platform, uart = load_platform(BOARD)
    assert uart == ("uart", 0)
    assert platform.default_clk_frequency == 27_000_000


def test_the_benchmark_takes_the_median_and_takes_off_the_harness(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    luts, clocks = iter((264 + 271, 1900 + 271)), iter((90.0, 100.0, 95.0, 65.0, 70.0, 66.0))

    def run_steps(
        steps: Sequence[Sequence[str]], _tools: Any, folder: Path, _progress: Any
    ) -> None:
        ((name, *arguments),) = steps
        if name == "yosys":
            cells = {f"lut{n}": {"type": "LUT4"} for n in range(next(luts))}
            write(folder / "harness.json", {"modules": {"harness": {"cells": cells}}})
        else:
            asked = float(arguments[arguments.index("--freq") + 1])
            figures = {"clk": {"constraint": asked, "achieved": next(clocks)}}
            result = folder / arguments[arguments.index("--report") + 1]
            write(result, {"fmax": figures, "utilization": {}, "critical_paths": []})

    monkeypatch.setattr(benchmarks.gowin, "find_tools", lambda _family: TOOLS)
    monkeypatch.setattr(benchmarks.gowin, "run_steps", run_steps)

    # The banks' 1,900 LUTs are more than the published 1,779.
    assert benchmarks.gowin.main(["--json"]) == 4
    records = {it["metric"]: it for it in json.loads(capsys.readouterr().out)["records"]}
    assert {name: (it["value"], it["target"], it["met"]) for name, it in records.items()} == {
        "core_luts": (264, 477, True),
        "core_clock": (95.0, 94.5, True),
        "banks_luts": (1900, 1779, False),
        "banks_clock": (66.0, 66.0, True),
        "banks_accumulates": (16 * 66.0, 1056.0, True),
    }
