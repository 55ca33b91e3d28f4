"""What a command shows while the gateware of a simulated board is compiled."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Callable
from time import monotonic, sleep

import pytest

from atomik_fpga.cli import common, main
from atomik_fpga.cli.common import Settings, working
from atomik_sim import BoardOptions, board
from atomik_sim.amaranth_engine import AmaranthEngine

LOGGER = "atomik_sim.cxxrtl.build"
SAID = "Compiling for 1 contexts"


@pytest.fixture
def info(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Return a function that asks a new simulated board, and returns what is on stderr."""

    def make_engine(options: BoardOptions) -> AmaranthEngine:
        logging.getLogger(LOGGER).info("Compiling for %d contexts", options.contexts)
        return AmaranthEngine(options)

    monkeypatch.setattr(board, "make_engine", make_engine)

    def info(*arguments: str) -> str:
        assert main(["info", "--port", "sim://?contexts=1&fresh=1", *arguments]) == 0
        return capsys.readouterr().err

    return info


def test_a_line_says_so_where_there_is_no_terminal(info: Callable[..., str]) -> None:
    assert info().splitlines() == [SAID]
    assert logging.getLogger("atomik_sim.cxxrtl").level == logging.NOTSET


def test_quiet_is_quiet(info: Callable[..., str]) -> None:
    assert info("-q") == ""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_it_is_what_the_command_does(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(common, "_PATIENCE", 0.0)
    monkeypatch.setenv("TERM", "xterm")
    deadline = monotonic() + 30
    with working(Settings(), "opening"):
        logging.getLogger(LOGGER).info(SAID)
        while SAID not in terminal.getvalue() and monotonic() < deadline:
            sleep(0.02)
    assert SAID in terminal.getvalue()
