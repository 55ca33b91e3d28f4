"""Contexts as a cache of words, by key, the least recently used one replaced."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from contextlib import suppress
from typing import Final

from ..context import AtomikContext
from ..errors import AtomikError, NoFreeContextError
from ..ports import find_port

__all__ = ["ContextCache"]

#: Contexts without a port, where nothing else sets a limit.
_CONTEXTS: Final = 256


class ContextCache:
    """Words by key, each on an `AtomikContext`; what is not there has to be loaded.

    Contexts are taken one by one, as they are needed: others in the process may use the same board.
    Where there are no more, the least recently used one gets another key.

    Parameters
    ----------
    width : int
        Bits of a context.
    contexts : int or None
        How many at most; ``None`` is 256 without a port, and else as many as are free.
    port, baud
        As for `AtomikContext`.
    """

    def __init__(
        self, width: int, contexts: int | None, port: str | None, baud: int | None
    ) -> None:
        self.width = width
        self._port = find_port(port)
        self._baud = baud
        self._most = _CONTEXTS if contexts is None and self._port is None else contexts
        # From the least recently used one on.
        self._contexts: OrderedDict[Hashable, AtomikContext] = OrderedDict()

    def load(self, key: Hashable, word: int) -> Hashable | None:
        """Set the word of a key; return the key that lost its context to it.

        Raises
        ------
        NoFreeContextError
            If there is no context for any key.
        AtomikError
            If the device can't be had, or is lost.
        """
        if key in self._contexts:
            self._touch(key).load(word)
            return None
        if self._most is None or len(self._contexts) < self._most:
            try:
                self._contexts[key] = AtomikContext(
                    self.width, word, port=self._port, baud=self._baud
                )
            except NoFreeContextError:
                if not self._contexts:
                    raise
            else:
                return None
        lost, context = self._contexts.popitem(last=False)
        self._contexts[key] = context
        context.load(word)
        return lost

    def accum(self, key: Hashable, delta: int) -> None:
        """XOR a delta into the word of a key that is there."""
        self._touch(key).accum(delta)

    def read(self, key: Hashable) -> int:
        """Return the word of a key that is there."""
        return self._touch(key).read()

    def swap(self, key: Hashable) -> int:
        """Return the word of a key that is there, and start a new epoch from it."""
        return self._touch(key).swap()

    def __contains__(self, key: Hashable) -> bool:
        return key in self._contexts

    def drop(self, key: Hashable) -> None:
        """Give up the context of a key, if it has one."""
        context = self._contexts.pop(key, None)
        if context is not None:
            # The word is elsewhere, and a lost device is reported where it is asked for something.
            with suppress(AtomikError):
                context.close()

    def drop_all(self) -> None:
        """Give up all contexts, and with the last one the connection."""
        for key in list(self._contexts):
            self.drop(key)

    def _touch(self, key: Hashable) -> AtomikContext:
        self._contexts.move_to_end(key)
        return self._contexts[key]
