"""A device at a port, shared by all that use the port in this process."""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
from collections.abc import Sequence
from operator import index
from types import TracebackType
from typing import Self, SupportsIndex

from .addresses import AddressBook
from .channel import NEVER, Channel
from .errors import AtomikError, NoBoardError
from .link import LinkStats, Session, values_per_word
from .opening import open_session
from .protocol import MAX_COUNT, Info, Op, operand_bytes
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


class Connection(Channel):
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
        self._info = session.info
        self._baud = baud
        self._depth = session.info.depth
        self._largest = (1 << session.info.width) - 1
        self._addresses = AddressBook(session.info.depth, port.url)
        self._references = 0
        super().__init__(port, session)

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

    def claim(self, address: SupportsIndex) -> int:
        """Take an address and return it.

        Raises
        ------
        ContextInUseError
            If it is taken.
        """
        number = index(address)
        self._check_address(number)
        with self._lock:
            self._check()
            self._addresses.claim(number)
        return number

    def release(self, address: int) -> None:
        """Give an address back. Never raises.

        It takes no lock, so that a finaliser may call it at any moment.
        """
        self._addresses.release(address)

    # Posted ops.

    def accum(self, address: int, delta: int) -> None:
        """Post A ^= ``delta``."""
        if not 0 <= address < self._depth:
            raise self._bad_address(address)
        if not 0 <= delta <= self._largest:
            raise self._bad_operand(delta)
        with self._lock:
            if self._error is not None:
                self._check()
            full = self._builder.accum(address, delta)
            if self._flush_at is NEVER:
                self._hold()
            if full is None:
                return
            self._engine.submit(full)
        self._pump()
        self._wait_for_room()

    def load(self, address: int, value: int) -> None:
        """Post R := ``value``, A := 0."""
        self._check_address(address)
        self._check_operand(value)
        with self._lock:
            self._check()
            full = self._builder.load(address, value)
            self._post(full)
        if full is not None:
            self._pump()
            self._wait_for_room()

    def clear(self) -> None:
        """Post R := 0, A := 0 for every context of the device."""
        with self._lock:
            self._check()
            full = self._builder.clear()
            self._post(full)
        if full is not None:
            self._pump()
            self._wait_for_room()

    def accum_many(self, addresses: Sequence[int], deltas: Sequence[int]) -> None:
        """Post A ^= delta for each pair. All are checked before the first is posted.

        Raises
        ------
        ValueError
            Also if the lengths differ.
        """
        if len(addresses) != len(deltas):
            raise ValueError(f"{len(addresses)} addresses for {len(deltas)} deltas")
        for address in addresses:
            self._check_address(address)
        for delta in deltas:
            self._check_operand(delta)
        start = 0
        while start < len(addresses):
            with self._lock:
                self._check()
                accum = self._builder.accum
                for position in range(start, len(addresses)):
                    full = accum(addresses[position], deltas[position])
                    if full is not None:
                        self._engine.submit(full)
                        break
                start = position + 1
                self._post(None)
            self._pump()
            self._wait_for_room()

    # Barriers.

    def read(self, address: int) -> int:
        """Return the state R ^ A."""
        self._check_address(address)
        return self._exchange(Op.READ, address)[0]

    def peek(self, address: int) -> tuple[int, int]:
        """Return state R ^ A and accumulator A of one instant."""
        self._check_address(address)
        state, accumulator = self._exchange(Op.PEEK, address)
        return state, accumulator

    def swap(self, address: int, new_reference: int | None = None) -> int:
        """Start a new epoch in one step and return the state before.

        The reference becomes ``new_reference``, or that state if it is None; A becomes 0.
        """
        self._check_address(address)
        if new_reference is None:
            return self._exchange(Op.SWAP, address)[0]
        self._check_operand(new_reference)
        return self._exchange(Op.SWAP_TO, address, (new_reference,))[0]

    def read_many(self, first: int, count: int) -> list[int]:
        """Return the states of ``count`` consecutive contexts, several replies under way at once.

        Each reply is of one instant; different replies are of different ones.
        """
        if count < 0 or not 0 <= first <= self._depth - count:
            raise IndexError(
                f"Contexts {first} to {first + count - 1} are not all within 0 to {self._depth - 1}"
            )
        size = operand_bytes(self._info.width) * values_per_word(Op.READ)
        step = min(MAX_COUNT, self._info.reply_bytes // size)
        end = first + count
        with self._lock:
            self._check()
            replies = [
                self._ask(Op.READ, start, min(step, end - start))
                for start in range(first, end, step)
            ]
        self._pump()
        return [word for reply in replies for word in self._await(reply)]

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

    def _exchange(self, op: Op, address: int, operands: Sequence[int] = ()) -> list[int]:
        with self._lock:
            self._check()
            reply = self._ask(op, address, 1, operands)
        self._pump()
        return self._await(reply)

    # Arguments.

    def _check_address(self, address: int) -> None:
        if not 0 <= address < self._depth:
            raise self._bad_address(address)

    def _check_operand(self, operand: int) -> None:
        if not 0 <= operand <= self._largest:
            raise self._bad_operand(operand)

    def _bad_address(self, address: int) -> IndexError:
        return IndexError(f"Address must be 0 to {self._depth - 1}, not {address}")

    def _bad_operand(self, operand: int) -> ValueError:
        return ValueError(f"Operand must have at most {self._info.width} bits, not {operand:#x}")


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
