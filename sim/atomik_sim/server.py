"""A simulated board for other processes: at a TCP port and behind a pseudo-terminal at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from .board import SimBoard
from .ports import PtyPort, ServerEvent, TcpPort
from .pump import Exchange

__all__ = ["BoardServer", "ServerEvent", "serve"]


def _ignore(event: ServerEvent, client: str) -> None:
    pass


class BoardServer:
    """One board at several ports; `serve` makes it. A context manager that closes itself.

    All ports lead to the same device. Whoever wrote last gets what the device sends, so that a
    client which begins to write takes the board over from the one before: as soon as it opens a
    session, the other one's next call raises `atomik_fpga.SessionLostError`, as when two programs
    use one real board. A client that is connected and writes nothing disturbs nobody. The TCP port
    has one client at a time, and sends further ones away. What the board sends while nobody takes
    it is lost, as at a serial port that nobody has opened, and never holds up the board.

    Attributes
    ----------
    tcp : TcpPort or None
    pty : PtyPort or None
    """

    def __init__(self, board: SimBoard, tcp: TcpPort | None, pty: PtyPort | None) -> None:
        self._board = board
        self.tcp = tcp
        self.pty = pty
        self._closed = threading.Event()
        board.hold()
        self._exchange = Exchange(board)
        for port in self._ports():
            port.start(self._exchange)

    @property
    def board(self) -> SimBoard:
        """The board that is served."""
        return self._board

    @property
    def urls(self) -> list[str]:
        """What to give as ``port``, a port each: that of the TCP port, the terminal's path."""
        urls = [] if self.tcp is None else [self.tcp.url]
        return urls if self.pty is None else [*urls, self.pty.path]

    @property
    def url(self) -> str:
        """The first of `urls`."""
        return self.urls[0]

    def wait(self, timeout: float) -> bool:
        """Wait ``timeout`` seconds, or until `close`; return whether it is closed.

        Raises
        ------
        BoardFailedError
            If the board's simulation has failed.
        """
        if not self._closed.is_set():
            self._board.check()
        return self._closed.wait(timeout)

    def close(self) -> None:
        """End it. The board is left as it is. May be called again."""
        if self._closed.is_set():
            return
        self._closed.set()
        for port in self._ports():
            port.close()
        self._exchange.stop()
        self._board.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _ports(self) -> list[TcpPort | PtyPort]:
        return [port for port in (self.tcp, self.pty) if port is not None]


def serve(
    board: SimBoard,
    *,
    tcp: tuple[str, int] | None = ("127.0.0.1", 0),
    pty: bool = False,
    allow_remote: bool = False,
    on_event: Callable[[ServerEvent, str], None] = _ignore,
) -> BoardServer:
    """Offer ``board`` to other processes until the `BoardServer` is closed.

    Parameters
    ----------
    board : SimBoard
    tcp : tuple of str and int, or None
        Host and port to listen at; port 0 is any that is free. None: no TCP port.
    pty : bool
        Offer a pseudo-terminal too.
    allow_remote : bool
        Permit a host that other machines can reach.
    on_event : callable of ServerEvent and str
        Told of clients of the TCP port, in a thread of the server's.

    Raises
    ------
    ValueError
        If the host is no loopback address, unless ``allow_remote``; or if no port is asked for.
    OSError
        If the address can't be had, or there are no pseudo-terminals, as on Windows.
    BoardFailedError, ClosedError
        If the board's simulation has ended.
    """
    if tcp is None and not pty:
        raise ValueError("A board must be served at a port: ask for tcp, pty, or both")
    board.check()
    with ExitStack() as undo:
        listening = None if tcp is None else TcpPort(*tcp, allow_remote, on_event)
        if listening is not None:
            undo.callback(listening.close)
        terminal = PtyPort() if pty else None
        if terminal is not None:
            undo.callback(terminal.close)
        server = BoardServer(board, listening, terminal)
        undo.pop_all()
    return server
