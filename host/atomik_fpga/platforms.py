"""What differs between operating systems in the life of a serial port.

Each function takes the system, as `sys.platform` names it, so that tests ask for any of them.
"""

from __future__ import annotations

import errno
import os
import re
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from .errors import (
    AtomikError,
    NoBoardError,
    PortBusyError,
    PortPermissionError,
    UnsupportedPortError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "PORT_ERRORS",
    "SerialPort",
    "device_key",
    "device_name",
    "example_port",
    "explain_open_error",
    "has_low_latency",
    "is_pty",
    "is_url",
    "keep_others_out",
    "serial_ports",
]

if sys.platform == "win32":
    _SYSTEM_ERRORS: tuple[type[Exception], ...] = ()

    def keep_others_out(descriptor: int) -> None:
        """Do nothing: Windows opens a serial port for one program alone."""
else:
    import fcntl
    import termios

    # Not an OSError; pyserial lets it through where it sets a terminal up or empties its buffers.
    _SYSTEM_ERRORS = (termios.error,)

    def keep_others_out(descriptor: int) -> None:
        """Let the system refuse the port to programs that don't look at its lock.

        Until it is closed; the superuser is let in all the same.

        Raises
        ------
        OSError
            If this is no terminal, or its driver can't do that.
        """
        fcntl.ioctl(descriptor, termios.TIOCEXCL)


#: What pyserial raises, on any system, when a port fails or can't do what is asked of it.
PORT_ERRORS: Final = (OSError, ValueError, OverflowError, *_SYSTEM_ERRORS)

_MISSING = (errno.ENOENT, errno.ENXIO, errno.ENODEV)
_BUSY = (errno.EBUSY, errno.EAGAIN, errno.EWOULDBLOCK)
_NO_TERMINAL = (errno.ENOTTY, errno.EISDIR, errno.ENOTDIR)

#: How often the list of ports is asked for, since a port may vanish while it is being made.
_LISTINGS: Final = 3
_LISTING_PAUSE: Final = 0.1


def is_url(port: str) -> bool:
    """Return whether ``port`` is a pyserial URL rather than the name of a real port."""
    return "://" in port


# Names.


def example_port(platform: str = sys.platform) -> str:
    """Return a name that a board's port could have here, for messages."""
    if platform == "win32":
        return "COM6"
    return "/dev/cu.usbserial-1101" if platform == "darwin" else "/dev/ttyUSB1"


def device_name(port: str, platform: str = sys.platform) -> str:
    """Return the name under which a real port is opened.

    On macOS each port has two: ``/dev/tty.…`` waits for a carrier that no board gives, so it is
    ``/dev/cu.…`` that is opened in its place.
    """
    if platform == "darwin" and port.startswith("/dev/tty."):
        return port.replace("/dev/tty.", "/dev/cu.", 1)
    return port


def device_key(port: str, platform: str = sys.platform) -> str:
    """Return what all names of one real port have in common: links, and letters of either case."""
    if platform == "win32":
        return port.upper().removeprefix("\\\\.\\")
    return os.path.realpath(device_name(port, platform))


def is_pty(port: str) -> bool:
    """Return whether this is a pseudo-terminal: a port in name alone."""
    names = (port, os.path.realpath(port))
    return any(re.match(r"/dev/(pts/|ttys)[0-9]", name) is not None for name in names)


def has_low_latency(port: str, platform: str = sys.platform) -> bool:
    """Return whether the system can be asked not to hold bytes of this real port back."""
    return platform == "linux" and not is_pty(port)


# Lists.


@dataclass(frozen=True, slots=True)
class SerialPort:
    """A serial port of this machine.

    Attributes
    ----------
    name : str
        As to be passed for ``port``.
    vendor, product : int or None
        USB ids; None if it is not at USB, or nothing tells.
    serial_number : str or None
        Of the USB device.
    description : str
        What the system calls it.
    interface : int or None
        Which interface of the USB device it is, as far as the system tells.
    """

    name: str
    vendor: int | None = None
    product: int | None = None
    serial_number: str | None = None
    description: str = ""
    interface: int | None = None

    @property
    def usb_id(self) -> str | None:
        """USB ids as ``0403:6010``; None without them."""
        if self.vendor is None or self.product is None:
            return None
        return f"{self.vendor:04x}:{self.product:04x}"


def serial_ports(platform: str = sys.platform) -> list[SerialPort]:
    """Return the serial ports of this machine, by name. Opens none of them.

    Raises
    ------
    NoBoardError
        If the system can't list them.
    """
    ports = {port.name: port for port in (_port_of(info, platform) for info in _listed())}
    return sorted(ports.values(), key=lambda port: _natural(port.name))


def _listed() -> Iterable[Any]:
    for remaining in reversed(range(_LISTINGS)):
        try:
            # Imported when it is needed: it takes longer than all the rest of the driver, and there
            # are systems for which there is none.
            from serial.tools.list_ports import comports

            return list(comports())
        except (*PORT_ERRORS, TypeError, ImportError) as error:
            # As a rule something was unplugged after it was found and before it was looked at.
            if not remaining:
                raise NoBoardError(
                    f"Can't list the serial ports ({error}): try again, or name the port, such as "
                    f"{example_port()}"
                ) from error
            time.sleep(_LISTING_PAUSE)
    return []


def _port_of(info: Any, platform: str) -> SerialPort:
    """Return what pyserial's description of a port says."""
    name = device_name(info.device, platform)
    description = info.description or ""
    return SerialPort(
        name=name,
        vendor=info.vid,
        product=info.pid,
        serial_number=info.serial_number,
        description="" if description == "n/a" else description,
        interface=_interface_of(info, name, platform),
    )


def _interface_of(info: Any, name: str, platform: str) -> int | None:
    """Return which interface of its USB device a port is, from where each system tells."""
    # "1-4:1.1" on Linux, "1-4:x.1" on Windows.
    located = re.search(r":[0-9x]+\.([0-9]+)$", info.location or "")
    if located:
        return int(located[1])
    if platform == "win32":
        # FTDI's driver has a letter behind the serial number of a device with several.
        letter = re.search(r"[A-Z0-9]{7,}([A-D])$", info.serial_number or "")
        return ord(letter[1]) - ord("A") if letter else None
    if platform == "darwin":
        # FTDI's driver appends a letter, Apple's a digit.
        last = name[-1:]
        return int(last) if last in "0123" else "ABCD".find(last) if last in "ABCD" else None
    return None


def _natural(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts COM10 behind COM9."""
    return [
        (int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)
    ]


# Errors.


def explain_open_error(url: str, error: Exception, platform: str = sys.platform) -> AtomikError:
    """Return our error for what pyserial raised when it opened ``url``.

    Parameters
    ----------
    url : str
        The port.
    error : Exception
        One of `PORT_ERRORS`, from pyserial.
    platform : str
        As `sys.platform`.
    """
    text = str(error)
    if isinstance(error, ValueError | OverflowError):
        return _explain_refusal(url, text)
    code = _code_of(error)
    # On Windows pyserial keeps the number of the error in its text only.
    if platform == "win32":
        if "PermissionError" in text:
            return PortBusyError(f"{url} is in use by another program ({text}): close that one")
        if "FileNotFoundError" in text:
            code = errno.ENOENT
    if code in _BUSY:
        return PortBusyError(f"{url} is in use by another program ({text}): close that one")
    if code in (errno.EACCES, errno.EPERM) and not is_url(url):
        return PortPermissionError(
            f"No permission to open {url} ({text}): `atomik doctor port` says how to allow it"
        )
    hint = "check the name, and that the board is plugged in"
    if is_url(url):
        hint = "check the address, and that something listens there"
    elif code in _NO_TERMINAL:
        hint = f"that is not a serial port; name one, such as {example_port(platform)}"
    elif code not in (*_MISSING, None):
        hint = "check that it is a serial port, and that the board is plugged in"
    return NoBoardError(f"Can't open {url} ({text}): {hint}")


def _code_of(error: Exception) -> int | None:
    """Return the system's number of an error, which pyserial often keeps in its cause alone."""
    cause: BaseException | None = error
    while cause is not None:
        number = getattr(cause, "errno", None)
        if number is None and isinstance(cause, _SYSTEM_ERRORS) and cause.args:
            number = cause.args[0]
        if isinstance(number, int):
            return number
        cause = cause.__cause__ or cause.__context__
    return None


def _explain_refusal(url: str, text: str) -> AtomikError:
    if not text.startswith("invalid URL, protocol"):
        return UnsupportedPortError(f"Can't use port {url!r}: {text}")
    if url.lower().startswith("sim://"):
        return UnsupportedPortError(
            f'{url} needs the simulator, which is not installed: run pip install "atomik-fpga[sim]"'
        )
    return UnsupportedPortError(
        f"Unknown kind of port {url!r}: use a serial port's name, socket://host:port, "
        "rfc2217://host:port or sim://"
    )
