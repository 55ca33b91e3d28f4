"""Which port is meant."""

from __future__ import annotations

import os
from typing import Final

__all__ = ["PORT_VARIABLE", "find_port"]

#: Environment variable that names the port where the program names none. Empty is not set.
PORT_VARIABLE: Final = "ATOMIK_PORT"


def find_port(port: str | None) -> str | None:
    """Return ``port``, or what the environment names in place of ``None``, or ``None`` for no port.

    Raises
    ------
    TypeError
        If ``port`` is neither a string nor ``None``.
    ValueError
        If it is an empty string, which in a program is rather a mistake than a wish for no port.
    """
    if port is None:
        return os.environ.get(PORT_VARIABLE) or None
    if not isinstance(port, str):
        raise TypeError(f"Port must be a URL or None, not {port!r}")
    if not port:
        raise ValueError(f"Port must be a URL, not {port!r}; pass None for {PORT_VARIABLE} or none")
    return port
