"""The line in which ``atomik sim`` tells what its board does."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from .common import Settings

if TYPE_CHECKING:
    from atomik_sim import SimBoard
    from atomik_sim.traffic import TrafficCounter

__all__ = ["StatusLine", "status_line", "status_text"]


class StatusLine(Protocol):
    """Where the command writes while it runs."""

    def note(self, text: str) -> None:
        """Write a remark, which stays."""
        ...

    def update(self) -> None:
        """Show the status as it is now."""
        ...


def status_text(board: str, seconds: float, ops: int, clocks: int, frames: int, errors: int) -> str:
    """Return the line.

    Parameters
    ----------
    board : str
    seconds : float
        Since the line before.
    ops, clocks : int
        Executed and simulated in this time.
    frames, errors : int
        Since the board was made.
    """
    return (
        f"{board}  {ops / seconds:,.0f} ops/s  {clocks / seconds:,.0f} cycles/s  "
        f"{frames:,} frames  {errors:,} errors"
    )


class _Notes:
    """Notes alone, where there is no terminal."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def note(self, text: str) -> None:
        self._settings.note(text)

    def update(self) -> None:
        pass


class _Line:
    """Notes, and under them a line that is written over and over."""

    def __init__(
        self,
        board: SimBoard,
        counter: TrafficCounter,
        note: Callable[[str], None],
        show: Callable[[str], None],
    ) -> None:
        self._board = board
        self._counter = counter
        self.note = note
        self._show = show
        self._before = monotonic(), 0, board.status.clocks

    def update(self) -> None:
        now, counts, clocks = monotonic(), self._counter.counts, self._board.status.clocks
        before, ops_before, clocks_before = self._before
        self._before = now, counts.ops, clocks
        self._show(
            status_text(
                self._board.options.board,
                max(now - before, 1e-9),
                counts.ops - ops_before,
                clocks - clocks_before,
                counts.frames_to_device + counts.frames_from_device,
                counts.errors,
            )
        )


@contextmanager
def status_line(settings: Settings, board: SimBoard) -> Iterator[StatusLine]:
    """Show on stderr what ``board`` does; notes alone where that is no terminal, or with ``-q``."""
    if settings.quiet or not sys.stderr.isatty():
        yield _Notes(settings)
        return

    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    from atomik_sim.traffic import TrafficCounter

    counter = TrafficCounter(board.options.width)
    board.tap(counter)
    console = Console(stderr=True)
    # What the command writes to stdout stays there: it may be a pipe.
    with Live(console=console, auto_refresh=False, transient=True, redirect_stdout=False) as live:

        def note(text: str) -> None:
            console.print(Text(text))

        def show(text: str) -> None:
            live.update(Text(text, no_wrap=True, overflow="ellipsis"), refresh=True)

        yield _Line(board, counter, note, show)
