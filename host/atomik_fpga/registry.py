"""The open connections of this process: the one thing that its modules keep for themselves."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .shared import SharedConnection

__all__ = ["Registry"]


class Registry:
    """Connections by the key of their port, and a gate for each port.

    Who opens, shares or closes a port is inside its gate; other ports go on meanwhile. A gate that
    is entered inside another one is always that of a port inside that of ``auto``.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all, the locks too: after fork, another thread may hold them for ever."""
        self._lock = threading.Lock()
        self._gates: dict[str, threading.RLock] = {}
        self._connections: dict[str, SharedConnection] = {}
        self._automatic: str | None = None

    def gate(self, key: str) -> threading.RLock:
        """Return the lock of a port."""
        with self._lock:
            return self._gates.setdefault(key, threading.RLock())

    def find(self, key: str) -> SharedConnection | None:
        """Return the connection of a port, be it well or failed."""
        with self._lock:
            return self._connections.get(key)

    def enter(self, key: str, connection: SharedConnection) -> None:
        """Make a connection the one of its port."""
        with self._lock:
            self._connections[key] = connection

    def remove(self, key: str, connection: SharedConnection) -> None:
        """Forget a connection, unless its port has another one by now."""
        with self._lock:
            if self._connections.get(key) is connection:
                del self._connections[key]

    def all(self) -> dict[str, SharedConnection]:
        """Return all connections, by key."""
        with self._lock:
            return dict(self._connections)

    @property
    def automatic(self) -> SharedConnection | None:
        """The connection that "auto" led to, as long as it is well."""
        with self._lock:
            key = self._automatic
            connection = None if key is None else self._connections.get(key)
        return None if connection is None or connection.error is not None else connection

    def lead_auto_to(self, key: str) -> None:
        """Let "auto" mean this port while it is open."""
        with self._lock:
            self._automatic = key
