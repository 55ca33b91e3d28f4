"""Which port is meant, and at which rate. Needs no pyserial: the embedded model asks too."""

from __future__ import annotations

import os
from typing import Final, SupportsIndex

from .errors import NoBoardError
from .words import check_positive

__all__ = ["AUTO", "MAX_BAUD", "PORT_VARIABLE", "check_baud", "find_port", "named_port"]

#: Environment variable that names the port where the program names none. Empty is not set.
PORT_VARIABLE: Final = "ATOMIK_PORT"

#: In place of a port's name: the one board that is plugged in.
AUTO: Final = "auto"

#: What the operating systems' drivers have room for, in bit/s.
MAX_BAUD: Final = (1 << 31) - 1


def find_port(port: str | None) -> str | None:
    """Return ``port``, or what the environment names in place of ``None``, or ``None`` for no port.

    Raises
    ------
    TypeError
        If ``port`` is neither a string nor ``None``.
    ValueError
        If it is an empty string, which in a program is rather a mistake than a wish for no port, or
        holds a character that no name has.
    """
    if port is None:
        return os.environ.get(PORT_VARIABLE) or None
    if not isinstance(port, str):
        raise TypeError(f"Port must be a URL or None, not {port!r}")
    if not port:
        raise ValueError(f"Port must be a URL, not {port!r}; pass None for {PORT_VARIABLE} or none")
    if "\0" in port:
        raise ValueError(f"Port must be a URL, and none has a NUL in it, as {port!r} has")
    return port


def named_port(port: str | None) -> str:
    """Return the port as `find_port` does, where there must be one.

    Raises
    ------
    NoBoardError
        If neither the program nor the environment names one.
    """
    url = find_port(port)
    if url is None:
        raise NoBoardError(f"No port: name one, or set the environment variable {PORT_VARIABLE}")
    return url


def check_baud(baud: SupportsIndex | None) -> int | None:
    """Return a line rate in bit/s as an ``int``, or ``None`` for the port's usual one.

    Raises
    ------
    TypeError
        If ``baud`` is neither an integer nor ``None``.
    ValueError
        If it is less than 1, or more than `MAX_BAUD`.
    """
    return None if baud is None else check_positive("Baud rate", baud, MAX_BAUD, " bit/s")
