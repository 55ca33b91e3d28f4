"""The simulated board: real gateware behind a serial URL, in this process or for others.

Nothing here needs Amaranth before a board is made, and nothing at all is imported before it is
asked for: the package also holds a pytest plugin, which every run of pytest loads.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .board import SimBoard
    from .options import BoardOptions
    from .registry import find_board
    from .status import BoardFailedError, BoardStatus

__all__ = ["BoardFailedError", "BoardOptions", "BoardStatus", "SimBoard", "find_board"]

#: Where the public names are defined.
_HOMES = {
    "BoardFailedError": ".status",
    "BoardOptions": ".options",
    "BoardStatus": ".status",
    "SimBoard": ".board",
    "find_board": ".registry",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(home, __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
