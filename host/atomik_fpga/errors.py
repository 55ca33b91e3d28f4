"""Everything that the driver raises of its own.

Each message says what was seen and what to do. Wrong arguments raise Python's own ``TypeError``,
``ValueError`` and ``IndexError``, before anything is sent.
"""

from __future__ import annotations

__all__ = [
    "AtomikError",
    "BanksError",
    "ClosedError",
    "ContextInUseError",
    "DeviceFaultError",
    "DriverError",
    "ForkError",
    "LinkLostError",
    "NoBoardError",
    "NoFreeContextError",
    "PortBusyError",
    "PortPermissionError",
    "ProtocolVersionError",
    "SessionLostError",
    "SeveralBoardsError",
    "UnsupportedPortError",
    "WidthError",
    "WrongDeviceError",
]


class AtomikError(Exception):
    """Base of all errors that are ours."""


class ClosedError(AtomikError, ValueError):
    """The connection or the context was used after ``close()``."""


class NoBoardError(AtomikError, OSError):
    """No port was named, or the named port does not exist."""


class SeveralBoardsError(AtomikError, ValueError):
    """Port "auto" was asked for, and more than one board answers: one of them must be named."""


class PortBusyError(AtomikError, OSError):
    """Another program, or another connection, holds the port."""


class PortPermissionError(AtomikError, PermissionError):
    """The operating system refuses to open the port."""


class UnsupportedPortError(AtomikError, ValueError):
    """The port's URL scheme is unknown, or needs an extra that is not installed."""


class WrongDeviceError(AtomikError):
    """What answers at the port, if anything, is not an ATOMiK device."""


class ProtocolVersionError(AtomikError):
    """The device speaks another major version of the protocol."""


class WidthError(AtomikError, ValueError):
    """A context was asked for that is wider than the device."""


class NoFreeContextError(AtomikError):
    """Every context of the device is taken by this process."""


class ContextInUseError(AtomikError, ValueError):
    """The address is taken by another object of this process."""


class LinkLostError(AtomikError, OSError):
    """The device no longer answers, or the port is gone: how far it came is unknown."""


class SessionLostError(AtomikError):
    """The device was reset or taken over by another host: its state is unknown, reload it."""


class DeviceFaultError(AtomikError):
    """The device refused a frame. It executes nothing more until a new session is opened."""


class DriverError(AtomikError, RuntimeError):
    """The driver itself failed, or was interrupted in the midst of a change: the state of the
    device is unknown, reload it.
    """


class BanksError(AtomikError):
    """The device has no banks, or they did not do what they were asked."""


class ForkError(AtomikError, RuntimeError):
    """A connection was used in a child process that inherited it through ``fork``."""
