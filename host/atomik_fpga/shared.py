"""The one session that a process has with a device, shared by all who use its port."""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
from collections import deque
from contextlib import suppress
from typing import SupportsIndex

from .addresses import AddressBook
from .bulk import to_integer
from .discovery import OpenPorts, choose
from .link import LinkStats, Session
from .opening import open_session
from .ops import Ops
from .ports import AUTO, check_baud, named_port
from .protocol import Info
from .registry import Registry
from .transport import Port, has_rate, port_key

__all__ = ["SharedConnection", "open_ports", "share"]

_registry = Registry()


def share(port: str | None = None, *, baud: SupportsIndex | None = None) -> SharedConnection:
    """Return the session of the device at ``port``, counted; opened if this process has none yet.

    Each call is to be matched by one `SharedConnection.close`. Parameters and errors are those of
    `atomik_fpga.connect`.
    """
    name, rate = named_port(port), check_baud(baud)
    if name != AUTO:
        return _share(name, rate)
    with _registry.gate(AUTO):
        known = _registry.automatic
        if known is not None:
            return _share(known.url, rate)
        board = choose(rate, open_ports())
        connection = _share(board.port, rate, board.baud)
        _registry.lead_auto_to(connection.key)
        return connection


def open_ports() -> OpenPorts:
    """Return INFO and line rate of each device that this process has open, by its port's key."""
    return {
        key: (connection.info, connection.baud)
        for key, connection in _registry.all().items()
        if connection.error is None
    }


def _share(name: str, baud: int | None, found: int | None = None) -> SharedConnection:
    """Return the connection of a port, counted; ``found`` is the rate at which it answered."""
    key = port_key(name)
    with _registry.gate(key):
        connection = _registry.find(key)
        if connection is not None and connection.error is not None:
            _registry.remove(key, connection)
            connection.abandon()
            connection = None
        if connection is None:
            connection = SharedConnection(*open_session(name, baud or found), key)
            _registry.enter(key, connection)
        elif baud is not None and baud != connection.baud and has_rate(name):
            raise ValueError(
                f"{name} is open at {connection.baud} bit/s in this process, not at {baud}: "
                "close it first, or leave baud out"
            )
        connection._references += 1
        return connection


class SharedConnection(Ops):
    """An open session with a device, counted by `share`; safe to use from several threads.

    It behaves as `atomik_fpga.Connection` says, and has what its holders share besides: who has
    which address.

    Parameters
    ----------
    port : Port
        Open.
    session : Session
        Open.
    baud : int
        Rate of the line in bit/s.
    key : str
        What all names of the port have in common.
    """

    def __init__(self, port: Port, session: Session, baud: int, key: str) -> None:
        self._baud = baud
        self._key = key
        self._dropped: deque[range] = deque()
        self._addresses = AddressBook(session.info.depth, port.url)
        self._references = 0
        self._banks_turn = threading.Lock()
        super().__init__(port, session, baud)

    @property
    def info(self) -> Info:
        """What the device said of itself before the session was opened."""
        return self._info

    @property
    def banks_turn(self) -> threading.Lock:
        """Held by whoever runs the device's banks."""
        return self._banks_turn

    @property
    def baud(self) -> int:
        """Rate of the line in bit/s."""
        return self._baud

    @property
    def key(self) -> str:
        """What all names of the port have in common."""
        return self._key

    @property
    def stats(self) -> LinkStats:
        """What went over the link until now."""
        with self._lock:
            return self._engine.stats

    def __repr__(self) -> str:
        state = "open" if self._error is None else type(self._error).__name__
        return f"<SharedConnection {self.url} {self._depth} x {self._info.width} bit, {state}>"

    # Addresses.

    def allocate(self) -> int:
        """Take the lowest free address.

        Raises
        ------
        NoFreeContextError
            If there is none.
        """
        with self._lock, self._turn:
            return self._addresses.allocate()

    def allocate_run(self, count: int) -> int:
        """Take ``count`` consecutive addresses, the lowest that are free, and return the first.

        Raises
        ------
        NoFreeContextError
            If there are no such.
        """
        with self._lock, self._turn:
            return self._addresses.allocate_run(count)

    def claim(self, address: SupportsIndex) -> int:
        """Take an address and return it.

        Raises
        ------
        ContextInUseError
            If it is taken.
        """
        number = to_integer(address, "Address")
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
        with self._lock, self._turn:
            self._addresses.claim(addresses)

    def release(self, address: int) -> None:
        """Give an address back. Never raises.

        It takes no lock, so that a finaliser may call it at any moment.
        """
        self._addresses.release(range(address, address + 1))

    def release_run(self, addresses: range) -> None:
        """Give addresses back, as `release` does."""
        self._addresses.release(addresses)

    def drop(self, addresses: range) -> None:
        """Note that who held these addresses, and a reference to this connection, is no more.

        For finalizers, which can run in the midst of the connection's own work: it takes no lock
        and never raises. `take_back` does what is to be done.
        """
        self._dropped.append(addresses)

    def take_back(self) -> None:
        """Give back what dropped objects held.

        The caller holds a reference too, so that the port stays open here.
        """
        while True:
            try:
                addresses = self._dropped.popleft()
            except IndexError:
                return
            self._addresses.release(addresses)
            self.close()

    # The end.

    def close(self, *, flush: bool = True) -> None:
        """Give up one reference; the last one flushes, unless told not to, and closes the port.

        The port is closed in any case.

        Raises
        ------
        AtomikError
            What went wrong and no call has raised yet: what was posted may not have acted.
        """
        with _registry.gate(self._key):
            if self._references > 1:
                self._references -= 1
                return
            self._references = 0
            _registry.remove(self._key, self)
            self._finish(flush=flush)


def _flush_at_exit() -> None:
    """Send what is still posted; make the process fail if that is not possible."""
    failed = False
    for connection in _registry.all().values():
        try:
            connection._finish()
        except BaseException as error:  # noqa: BLE001 - whatever it is, the others are flushed
            failed = True
            what = str(error) or type(error).__name__
            if sys.stderr is not None:
                # A stream that is closed must not keep the other ports from being flushed.
                with suppress(OSError, ValueError):
                    sys.stderr.write(
                        f"atomik: what was posted to {connection.url} is lost: {what}\n"
                    )
    if failed:
        # An exit handler can't change the exit code, so that this one ends the process: what
        # would come after it and matters is done here.
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                with suppress(OSError, ValueError):
                    stream.flush()
        os._exit(1)


def _forget_in_child() -> None:
    """After fork the parent alone owns the ports."""
    # Without the registry's lock, which another thread of the parent may have held.
    for connection in list(_registry._connections.values()):
        connection.disown()
    _registry.reset()


atexit.register(_flush_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
