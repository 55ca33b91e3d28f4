"""The line in which ``atomik sim`` tells what its board does."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator

import pytest

from atomik_fpga import AtomikContext
from atomik_fpga.cli.common import Settings
from atomik_fpga.cli.statusline import status_line, status_text
from atomik_sim import BoardOptions, SimBoard
from atomik_sim.server import serve


class Terminal(io.StringIO):
    """What says that it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def board() -> Iterator[SimBoard]:
    board = SimBoard(BoardOptions(contexts=3, width=7))
    yield board
    board.close()


def test_the_line_has_rates_of_its_interval_and_totals_of_all() -> None:
    assert status_text("icebreaker", 0.5, 1000, 6_000_000, 2300, 2) == (
        "icebreaker  2,000 ops/s  12,000,000 cycles/s  2,300 frames  2 errors"
    )


def test_on_a_terminal_the_line_shows_what_clients_do(
    monkeypatch: pytest.MonkeyPatch, board: SimBoard
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with status_line(Settings(), board) as line, serve(board) as server:
        with AtomikContext.attach(server.url, 1, width=7) as context:
            context.accum(5)
            assert context.read() == 5
        line.update()
        line.note("said beside it")
    text = terminal.getvalue()
    [ops, cycles] = re.findall(r"([\d,]+) (?:ops|cycles)/s", text)[:2]
    assert int(ops.replace(",", "")) > 0
    assert int(cycles.replace(",", "")) > 0
    assert re.search(r"[1-9]\d* frames  0 errors", text)
    assert "said beside it\n" in text


@pytest.mark.parametrize("verbosity", [0, -1])
def test_elsewhere_and_with_quiet_there_is_no_line(
    monkeypatch: pytest.MonkeyPatch, board: SimBoard, verbosity: int
) -> None:
    stream = io.StringIO() if verbosity == 0 else Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    with status_line(Settings(verbosity), board) as line:
        line.update()
        line.note("a note")
    assert stream.getvalue() == ("a note\n" if verbosity == 0 else "")
