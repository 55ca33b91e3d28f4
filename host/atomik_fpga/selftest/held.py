"""What contexts hold before a self-test clears them, and how they get it back."""

from __future__ import annotations

from collections.abc import Mapping

from ..connection import Connection
from ..protocol import Op

__all__ = ["Held", "find_held", "put_back"]

#: Reference and accumulator, by address, of the contexts in which one of them is not 0.
Held = Mapping[int, tuple[int, int]]


def find_held(connection: Connection) -> Held:
    """Return what the contexts of a device hold. This changes nothing there.

    Raises
    ------
    AtomikError
        If the link fails.
    """
    words = connection.read_many(0, connection.info.depth, op=Op.PEEK)
    return {
        address: (state ^ accumulator, accumulator)
        for address, (state, accumulator) in enumerate(zip(words[::2], words[1::2], strict=True))
        if state or accumulator
    }


def put_back(connection: Connection, held: Held) -> None:
    """Clear all contexts and give those in ``held`` what they held; wait until that has acted.

    Raises
    ------
    AtomikError
        If the link fails: then some are restored and some are not.
    """
    connection.clear()
    for address, (reference, accumulator) in held.items():
        connection.load(address, reference)
        if accumulator:
            connection.accum(address, accumulator)
    connection.flush()
