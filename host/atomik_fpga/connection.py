"""A device at a port, shared by all that use the port in this process."""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
from operator import index
from types import TracebackType
from typing import Self, SupportsIndex

from .addresses import AddressBook
from .errors import AtomikError, NoBoardError
from .link import LinkStats, Session
from .opening import open_session
from .ops import Ops
from .protocol import Info
from .transport import Port

__all__ = ["Connection", "connect"]

#: Open connections by URL. `_registry_lock` also covers their reference counts.
_registry: dict[str, Connection] = {}
_registry_lock = threading.RLock()


def connect(port: str | None = None, *, baud: int | None = None) -> Connection:
    """Return the connection to the device at ``port``, opened if this process has none yet.

    Each call is to be matched by one `Connection.close`. A connection that has failed is replaced
    by a new one; who uses the old one keeps getting its error.

    Parameters
    ----------
    port : str, optional
        A serial port's name or a pyserial URL; else the environment variable ``ATOMIK_PORT``.
    baud : int, optional
        Rate of a real line in bit/s; else 1 M, 115,200 and 3 M are tried.

    Raises
    ------
    NoBoardError, PortBusyError, PortPermissionError, UnsupportedPortError
        If the port can't be opened.
    WrongDeviceError, ProtocolVersionError, LinkLostError
        If no device answers there that this driver can use.
    """
    if port is None:
        port = os.environ.get("ATOMIK_PORT") or None
    if port is None:
        raise NoBoardError("No port: name one, or set the environment variable ATOMIK_PORT")
    with _registry_lock:
        connection = _registry.get(port)
        if connection is not None and connection.error is not None:
            del _registry[port]
            connection.abandon()
            connection = None
        if connection is None:
            opened, session, rate = open_session(port, baud)
            connection = _registry[port] = Connection(opened, session, rate)
        elif baud is not None and baud != connection.baud:
            raise ValueError(
                f"{port} is open at {connection.baud} bit/s in this process, not at {baud}: "
                "close it first, or leave baud out"
            )
        connection._references += 1
        return connection


class Connection(Ops):
    """An open session with a device. Made by `connect`; safe to use from several threads.

    Posted ops are handed to the operating system within 10 ms, with no further call, unless the
    device has more to do than fits the window; then posting waits. They act in the order of the
    calls. Barriers return when all that was posted before them has acted. An error is raised by
    the next call and by every later one: nothing goes on until `connect` is called again.

    Addresses are integers from 0 to ``info.depth - 1``, operands and values integers of
    ``info.width`` bits. IndexError and ValueError are raised before anything is sent.

    Parameters
    ----------
    port : Port
        Open.
    session : Session
        Open.
    baud : int
        Rate of the line in bit/s.
    """

    def __init__(self, port: Port, session: Session, baud: int) -> None:
        self._baud = baud
        self._addresses = AddressBook(session.info.depth, port.url)
        self._references = 0
        super().__init__(port, session, baud)

    @property
    def info(self) -> Info:
        """What the device said of itself before the session was opened."""
        return self._info

    @property
    def baud(self) -> int:
        """Rate of the line in bit/s."""
        return self._baud

    @property
    def stats(self) -> LinkStats:
        """What went over the link until now."""
        with self._lock:
            return self._engine.stats

    def __repr__(self) -> str:
        state = "open" if self._error is None else type(self._error).__name__
        return f"<Connection {self.url} {self._depth} x {self._info.width} bit, {state}>"

    # Addresses.

    def allocate(self) -> int:
        """Take the lowest free address.

        Raises
        ------
        NoFreeContextError
            If there is none.
        """
        with self._lock:
            self._check()
            return self._addresses.allocate()

    def allocate_run(self, count: int) -> int:
        """Take ``count`` consecutive addresses, the lowest that are free, and return the first.

        Raises
        ------
        NoFreeContextError
            If there are no such.
        """
        with self._lock:
            self._check()
            return self._addresses.allocate_run(count)

    def claim(self, address: SupportsIndex) -> int:
        """Take an address and return it.

        Raises
        ------
        ContextInUseError
            If it is taken.
        """
        number = index(address)
        self.claim_run(range(number, number + 1))
        return number

    def claim_run(self, addresses: range) -> None:
        """Take all of these addresses.

        Raises
        ------
        ContextInUseError
            If one is taken; then none of them is.
        """
        for address in addresses[:1], addresses[-1:]:
            for number in address:
                self._check_address(number)
        with self._lock:
            self._check()
            self._addresses.claim(addresses)

    def release(self, address: int) -> None:
        """Give an address back. Never raises.

        It takes no lock, so that a finaliser may call it at any moment.
        """
        self._addresses.release(range(address, address + 1))

    def release_run(self, addresses: range) -> None:
        """Give addresses back, as `release` does."""
        self._addresses.release(addresses)

    # The end.

    def close(self) -> None:
        """Give up one reference; the last one flushes and closes the port.

        The port is closed in any case.

        Raises
        ------
        AtomikError
            What went wrong and no call has raised yet: what was posted may not have acted.
        """
        with _registry_lock:
            if self._references > 1:
                self._references -= 1
                return
            self._references = 0
            if _registry.get(self.url) is self:
                del _registry[self.url]
            self._finish()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _flush_at_exit() -> None:
    """Send what is still posted; make the process fail if that is not possible."""
    failed = False
    for connection in list(_registry.values()):
        try:
            connection._finish()
        except AtomikError as error:
            failed = True
            sys.stderr.write(f"atomik: what was posted to {connection.url} is lost: {error}\n")
    if failed:
        # An exit handler can't change the exit code, so that this one ends the process: what
        # would come after it and matters is done here.
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        os._exit(1)


def _forget_in_child() -> None:
    """After fork the parent alone owns the ports."""
    global _registry_lock
    _registry_lock = threading.RLock()
    for connection in _registry.values():
        connection.disown()
    _registry.clear()


atexit.register(_flush_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
