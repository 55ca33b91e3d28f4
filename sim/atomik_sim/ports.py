"""The ports at which a simulated board is offered: a TCP port, a pseudo-terminal."""

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

from .pump import Exchange, Lane, Wake

__all__ = ["PtyPort", "ServerEvent", "TcpPort", "check_host"]

_log = logging.getLogger(__name__)

_CHUNK = 4096
#: How long a client that comes right behind another waits for that one's leaving to be noticed.
_GRACE_SECONDS = 0.2
#: How long bytes for a pseudo-terminal that is full, as nobody reads it, are held back.
_STALL_SECONDS = 1.0


class ServerEvent(Enum):
    """What a server tells its ``on_event``, with a client's address."""

    #: A client has connected.
    CONNECTED = "connected"
    #: The client has left.
    DISCONNECTED = "disconnected"
    #: Another client was sent away: the TCP port has one already.
    REFUSED = "refused"


class TcpPort:
    """A TCP port for one client at a time: ``socket://HOST:PORT`` to pyserial.

    Others who connect meanwhile are sent away at once.

    Parameters
    ----------
    host : str
        Address to listen at.
    port : int
        0 for any that is free.
    allow_remote : bool
        Permit an address that other machines can reach.
    on_event : callable of ServerEvent and str
        Told of clients, in a thread of the port's.

    Raises
    ------
    ValueError
        If ``host`` is no loopback address, unless ``allow_remote``.
    OSError
        If the address can't be had.
    """

    def __init__(
        self, host: str, port: int, allow_remote: bool, on_event: Callable[[ServerEvent, str], None]
    ) -> None:
        family, local = check_host(host, port, allow_remote)
        if not local:
            _log.warning(
                "The simulated board listens at %s without authentication: whoever reaches that "
                "address can use it",
                host,
            )
        self._listener = socket.create_server((host, port), family=family)
        self._on_event = on_event
        self._wake = Wake()
        self._stopping = False
        self._lane: Lane | None = None
        self._vacant = threading.Event()
        self._vacant.set()
        self._thread: threading.Thread | None = None

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

    def start(self, exchange: Exchange) -> None:
        """Let clients in."""
        self._thread = threading.Thread(
            target=self._accept, args=(exchange,), name="atomik-sim-tcp", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Send the client away and stop listening."""
        self._stopping = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        self._listener.close()
        self._wake.close()
        if self._lane is not None:
            self._lane.stop()

    def _accept(self, exchange: Exchange) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._wake, selectors.EVENT_READ)
            while True:
                selector.select()
                if self._stopping:
                    return
                with suppress(ConnectionError):
                    client, address = self._listener.accept()
                    self._welcome(exchange, client, f"{address[0]}:{address[1]}")

    def _welcome(self, exchange: Exchange, client: socket.socket, name: str) -> None:
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

        self._on_event(ServerEvent.CONNECTED, name)
        self._lane = Lane(exchange, lambda: client.recv(_CHUNK), client.sendall, halt, ended)


def check_host(host: str, port: int, allow_remote: bool) -> tuple[socket.AddressFamily, bool]:
    """Return the family of a host's address, and whether that is a loopback address.

    Raises
    ------
    ValueError
        If it is not, unless ``allow_remote``.
    OSError
        If the host is unknown.
    """
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    local = ip_address(address[0]).is_loopback
    if not local and not allow_remote:
        raise ValueError(
            f"Host {host!r} is not a loopback address: the simulated board has no "
            "authentication, so listening there must be allowed (allow_remote)"
        )
    return family, local


class PtyPort:
    """A pseudo-terminal, which is a serial port to whoever opens its path.

    A client may close it and come again. What the board sends while nobody reads is kept as far as
    the terminal has room, and lost after that. The baud rate that a client sets means nothing here.

    Raises
    ------
    OSError
        If there are no pseudo-terminals here, as on Windows, or no more of them.
    """

    def __init__(self) -> None:
        if sys.platform == "win32":
            raise OSError("Windows has no pseudo-terminals; serve the board at a TCP port instead")
        import tty

        self._controller, self._terminal = os.openpty()
        # Held open, so that it stays raw and its path valid when a client leaves.
        tty.setraw(self._terminal)
        os.set_blocking(self._controller, False)
        self._path = os.ttyname(self._terminal)
        self._wake = Wake()
        self._lane: Lane | None = None

    @property
    def path(self) -> str:
        """Path of the serial port."""
        return self._path

    def start(self, exchange: Exchange) -> None:
        """Let bytes through."""
        self._lane = Lane(exchange, self._receive, self._send, self._wake.set, lambda: None)

    def close(self) -> None:
        """Take the path away."""
        if self._lane is not None:
            self._lane.stop()
        os.close(self._controller)
        os.close(self._terminal)
        self._wake.close()

    # Of all the ways to wait, select() is the one that knows pseudo-terminals everywhere.

    def _receive(self) -> bytes:
        with selectors.SelectSelector() as selector:
            selector.register(self._controller, selectors.EVENT_READ)
            selector.register(self._wake, selectors.EVENT_READ)
            ready = {key.fileobj for key, _ in selector.select()}
        return b"" if self._wake in ready else os.read(self._controller, _CHUNK)

    def _send(self, data: bytes) -> None:
        with selectors.SelectSelector() as selector:
            selector.register(self._controller, selectors.EVENT_WRITE)
            selector.register(self._wake, selectors.EVENT_READ)
            while data:
                ready = {key.fileobj for key, _ in selector.select(_STALL_SECONDS)}
                if self._controller not in ready or self._wake in ready:
                    _log.debug("Nobody reads the pseudo-terminal: %d bytes are lost", len(data))
                    return
                data = data[os.write(self._controller, data) :]
