"""A simulated board for other processes: at a TCP port, or behind a pseudo-terminal."""

from __future__ import annotations

import logging
import os
import selectors
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from ipaddress import ip_address

from .board import SimBoard
from .pump import Pump, Server

__all__ = ["PtyServer", "ServerEvent", "TcpServer", "serve_pty", "serve_tcp"]

_log = logging.getLogger(__name__)

_CHUNK = 4096
#: How long a client that comes right behind another waits for that one's leaving to be noticed.
_GRACE_SECONDS = 0.2
#: How long bytes for a pseudo-terminal that is full, as nobody reads it, are held back.
_STALL_SECONDS = 1.0


class ServerEvent(Enum):
    """What a server tells its ``on_event``, with a client's address."""

    #: A client has the board now.
    CONNECTED = "connected"
    #: The client has left.
    DISCONNECTED = "disconnected"
    #: Another client was sent away: the board has one already.
    REFUSED = "refused"


def _ignore(event: ServerEvent, client: str) -> None:
    pass


class TcpServer(Server):
    """A board at a TCP port, for one client at a time: ``socket://HOST:PORT`` to pyserial.

    Others who connect meanwhile are sent away at once. What the board sends while nobody is
    connected is lost, as at a serial port that nobody has opened.

    Parameters
    ----------
    board : SimBoard
    host : str
        Address to listen at.
    port : int
        0 for any that is free.
    allow_remote : bool
        Permit an address that other machines can reach.
    on_event : callable of ServerEvent and str
        Told of clients, in a thread of the server's.

    Raises
    ------
    ValueError
        If ``host`` is no loopback address, unless ``allow_remote``.
    OSError
        If the address can't be had.
    """

    def __init__(
        self,
        board: SimBoard,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        allow_remote: bool = False,
        on_event: Callable[[ServerEvent, str], None] = _ignore,
    ) -> None:
        board.check()
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        if not ip_address(address[0]).is_loopback:
            if not allow_remote:
                raise ValueError(
                    f"Host {host!r} is not a loopback address: the simulated board has no "
                    "authentication, so listening there must be allowed (allow_remote)"
                )
            _log.warning(
                "The simulated board listens at %s without authentication: whoever reaches that "
                "address can use it",
                host,
            )
        self._listener = socket.create_server((host, port), family=family)
        super().__init__(board)
        self._on_event = on_event
        self._pump: Pump | None = None
        self._vacant = threading.Event()
        self._vacant.set()
        self._thread = threading.Thread(target=self._accept, name="atomik-sim-tcp", daemon=True)
        self._thread.start()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port it listens at."""
        host, port = self._listener.getsockname()[:2]
        return host, port

    @property
    def url(self) -> str:
        """The URL for pyserial."""
        host, port = self.address
        return f"socket://[{host}]:{port}" if ":" in host else f"socket://{host}:{port}"

    def _shut(self) -> None:
        self._thread.join()
        self._listener.close()
        if self._pump is not None:
            self._pump.stop()

    def _accept(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._wake_read, selectors.EVENT_READ)
            while True:
                selector.select()
                if self._closed.is_set():
                    return
                with suppress(ConnectionError):
                    client, address = self._listener.accept()
                    self._welcome(client, f"{address[0]}:{address[1]}")

    def _welcome(self, client: socket.socket, name: str) -> None:
        if not self._vacant.wait(_GRACE_SECONDS):
            client.close()
            self._on_event(ServerEvent.REFUSED, name)
            return
        self._vacant.clear()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def halt() -> None:
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

        def ended() -> None:
            client.close()
            self._on_event(ServerEvent.DISCONNECTED, name)
            self._vacant.set()

        self._board.discard_input()
        self._on_event(ServerEvent.CONNECTED, name)
        self._pump = Pump(self._board, lambda: client.recv(_CHUNK), client.sendall, halt, ended)


class PtyServer(Server):
    """A board behind a pseudo-terminal, which is a serial port to whoever opens its path.

    A client may close it and come again. What the board sends while nobody reads is kept as far as
    the terminal has room, and lost after that. The baud rate that a client sets means nothing here.

    Parameters
    ----------
    board : SimBoard

    Raises
    ------
    OSError
        If there are no pseudo-terminals here, as on Windows, or no more of them.
    """

    def __init__(self, board: SimBoard) -> None:
        if sys.platform == "win32":
            raise OSError("Windows has no pseudo-terminals; serve the board at a TCP port instead")
        import tty

        board.check()
        self._controller, self._terminal = os.openpty()
        # Held open, so that it stays raw and its path valid when a client leaves.
        tty.setraw(self._terminal)
        os.set_blocking(self._controller, False)
        self._path = os.ttyname(self._terminal)
        super().__init__(board)
        self._halted = threading.Event()
        self._pump = Pump(board, self._receive, self._send, self._halt, self._halted.set)

    @property
    def path(self) -> str:
        """Path of the serial port."""
        return self._path

    def _shut(self) -> None:
        self._pump.stop()
        os.close(self._controller)
        os.close(self._terminal)

    def _halt(self) -> None:
        with suppress(OSError):
            self._wake_write.send(b"\0")

    # Of all the ways to wait, select() is the one that knows pseudo-terminals everywhere.

    def _receive(self) -> bytes:
        with selectors.SelectSelector() as selector:
            selector.register(self._controller, selectors.EVENT_READ)
            selector.register(self._wake_read, selectors.EVENT_READ)
            ready = {key.fileobj for key, _ in selector.select()}
        return b"" if self._wake_read in ready else os.read(self._controller, _CHUNK)

    def _send(self, data: bytes) -> None:
        with selectors.SelectSelector() as selector:
            selector.register(self._controller, selectors.EVENT_WRITE)
            selector.register(self._wake_read, selectors.EVENT_READ)
            while data:
                ready = {key.fileobj for key, _ in selector.select(_STALL_SECONDS)}
                if self._controller not in ready or self._wake_read in ready:
                    _log.debug("Nobody reads the pseudo-terminal: %d bytes are lost", len(data))
                    return
                data = data[os.write(self._controller, data) :]


def serve_tcp(
    board: SimBoard,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    allow_remote: bool = False,
    on_event: Callable[[ServerEvent, str], None] = _ignore,
) -> TcpServer:
    """Return a `TcpServer`, listening."""
    return TcpServer(board, host, port, allow_remote=allow_remote, on_event=on_event)


def serve_pty(board: SimBoard) -> PtyServer:
    """Return a `PtyServer`, its port ready to be opened."""
    return PtyServer(board)
