"""What objects on a device share: giving back what was dropped, and a lock that knows of fork."""

from __future__ import annotations

import os
from collections import deque
from threading import RLock
from typing import TYPE_CHECKING

from .errors import ForkError

if TYPE_CHECKING:
    from .connection import Connection

__all__ = ["ForkLock", "drop", "take_back"]

#: Addresses of objects that were dropped without `close`. A finalizer can run in the midst of the
#: connection's own work, so it only notes them here; see `take_back`.
_dropped: deque[tuple[Connection, range]] = deque()


def drop(connection: Connection, addresses: range) -> None:
    """Note that the holder of ``addresses``, and of a reference to ``connection``, is no more.

    For finalizers: it takes no lock and never raises.
    """
    _dropped.append((connection, addresses))


def take_back(connection: Connection) -> None:
    """Give back what dropped objects of ``connection`` held.

    The caller holds a reference too, so that the port stays open here.
    """
    for _ in range(len(_dropped)):
        try:
            origin, addresses = _dropped.popleft()
        except IndexError:
            # Another thread was faster.
            return
        if origin is connection:
            connection.release_run(addresses)
            connection.close()
        elif origin.error is None:
            _dropped.append((origin, addresses))


class ForkLock:
    """A reentrant lock. A thread that held it when the process forked holds it for ever in the
    child, which then gets an error in place of an endless wait.
    """

    __slots__ = ("_process", "acquire", "release")

    def __init__(self) -> None:
        lock = RLock()
        self.acquire = lock.acquire
        self.release = lock.release
        self._process = os.getpid()

    def wait(self) -> None:
        """Acquire the lock, which is held.

        Raises
        ------
        ForkError
            If it was made in another process.
        """
        if os.getpid() != self._process:
            raise ForkError(
                "This object was made before fork, and belongs to the parent process: make "
                "another one in the child, on another port, or use the parent's"
            )
        self.acquire()

    def __enter__(self) -> None:
        if not self.acquire(False):
            self.wait()

    def __exit__(self, *_: object) -> None:
        self.release()
