"""The contexts of a table as a cache of words, by key, the least recently used one replaced."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from contextlib import suppress
from typing import Final

from ..connection import connect
from ..errors import AtomikError
from ..ports import find_port
from ..table import AtomikTable

__all__ = ["ContextCache"]

#: Contexts without a port.
_CONTEXTS: Final = 256


class ContextCache:
    """Words by key in the contexts of an `AtomikTable`; what is not there has to be loaded.

    The table is opened by the first `load`, and opened again by the next one after `drop_all`.

    Parameters
    ----------
    width : int
        Bits of a context.
    contexts : int or None
        How many; ``None`` is 256 without a port, and else as many as the device has.
    port, baud
        As for `AtomikTable`.
    """

    def __init__(
        self, width: int, contexts: int | None, port: str | None, baud: int | None
    ) -> None:
        self.width = width
        self._contexts = contexts
        self._port = find_port(port)
        self._baud = baud
        self._table: AtomikTable | None = None
        # From the least recently used one on.
        self._places: OrderedDict[Hashable, int] = OrderedDict()
        self._free: list[int] = []

    def load(self, key: Hashable, word: int) -> Hashable | None:
        """Set the word of a key, in a context of its own; return the key that lost its place.

        Raises
        ------
        AtomikError
            If the device can't be had, or is lost.
        """
        table = self._opened()
        lost = None
        if key not in self._places:
            if not self._free:
                lost, place = self._places.popitem(last=False)
                self._free.append(place)
            self._places[key] = self._free.pop()
        table.load(self._places[key], word)
        return lost

    def accum(self, key: Hashable, delta: int) -> None:
        """XOR a delta into the word of a key that is there."""
        self._opened().accum(self._touch(key), delta)

    def read(self, key: Hashable) -> int:
        """Return the word of a key that is there."""
        return self._opened().read(self._touch(key))

    def swap(self, key: Hashable) -> int:
        """Return the word of a key that is there, and start a new epoch from it."""
        return self._opened().swap(self._touch(key))

    def __contains__(self, key: Hashable) -> bool:
        return key in self._places

    def drop(self, key: Hashable) -> None:
        """Give up the context of a key, if it has one."""
        place = self._places.pop(key, None)
        if place is not None:
            self._free.append(place)

    def drop_all(self) -> None:
        """Give up all contexts, and the table, whatever has become of the device."""
        table, self._table = self._table, None
        self._places.clear()
        self._free.clear()
        if table is not None:
            # The words are elsewhere, and a lost device was reported where it was noticed.
            with suppress(AtomikError):
                table.close()

    @property
    def port(self) -> str | None:
        """URL of the device's port; ``None`` without one."""
        return self._port

    def _touch(self, key: Hashable) -> int:
        self._places.move_to_end(key)
        return self._places[key]

    def _opened(self) -> AtomikTable:
        if self._table is None:
            contexts = self._contexts
            if contexts is None:
                contexts = _CONTEXTS
                if self._port is not None:
                    with connect(self._port, baud=self._baud) as connection:
                        contexts = connection.info.depth
            self._table = AtomikTable(contexts, self.width, port=self._port, baud=self._baud)
            self._free = list(range(contexts))[::-1]
        return self._table
