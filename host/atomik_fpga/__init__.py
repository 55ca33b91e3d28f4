"""Delta-state contexts in FPGA fabric, called from Python.

`AtomikContext` is a context: in this process, or on a device when it is given a port.
`AtomikTable` is many of them. `connect` gives the device itself. Everything that can go wrong with
a device is an `AtomikError`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

# Imported now because it makes sim:// known to pyserial.
from . import handlers as handlers

if TYPE_CHECKING:
    from .banks import Banks, BanksResult, banks_state
    from .connection import Connection, connect
    from .context import AtomikContext
    from .errors import (
        AtomikError,
        BanksError,
        ClosedError,
        ContextInUseError,
        DeviceFaultError,
        DriverError,
        ForkError,
        LinkLostError,
        NoBoardError,
        NoFreeContextError,
        PortBusyError,
        PortPermissionError,
        ProtocolVersionError,
        SessionLostError,
        SeveralBoardsError,
        UnsupportedPortError,
        WidthError,
        WrongDeviceError,
    )
    from .link.stats import LinkStats
    from .protocol import Info
    from .snapshot import Snapshot
    from .table import AtomikTable

__all__ = [
    "AtomikContext",
    "AtomikError",
    "AtomikTable",
    "Banks",
    "BanksError",
    "BanksResult",
    "ClosedError",
    "Connection",
    "ContextInUseError",
    "DeviceFaultError",
    "DriverError",
    "ForkError",
    "Info",
    "LinkLostError",
    "LinkStats",
    "NoBoardError",
    "NoFreeContextError",
    "PortBusyError",
    "PortPermissionError",
    "ProtocolVersionError",
    "SessionLostError",
    "SeveralBoardsError",
    "Snapshot",
    "UnsupportedPortError",
    "WidthError",
    "WrongDeviceError",
    "__version__",
    "banks_state",
    "connect",
]

__version__ = "0.1.0"

#: Where the public names that are no errors are defined. Imported when first asked for: a program
#: that runs on the embedded model starts without the driver.
_HOMES = {
    "AtomikContext": ".context",
    "AtomikTable": ".table",
    "Banks": ".banks",
    "BanksResult": ".banks",
    "Connection": ".connection",
    "Info": ".protocol",
    "LinkStats": ".link.stats",
    "Snapshot": ".snapshot",
    "banks_state": ".banks",
    "connect": ".connection",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        home = ".errors"
    value: object = getattr(importlib.import_module(home, __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
