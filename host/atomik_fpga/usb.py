"""Which USB devices are attached, as far as the system tells without opening one."""

from __future__ import annotations

import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .platforms import serial_ports

__all__ = ["SYSFS", "UsbDevice", "UsbId", "usb_devices", "usb_name"]

#: Vendor and product.
UsbId = tuple[int, int]

#: Where Linux tells of USB devices.
SYSFS: Final = Path("/sys/bus/usb/devices")


@dataclass(frozen=True, slots=True)
class UsbDevice:
    """A USB device.

    Attributes
    ----------
    id : UsbId
    serial : str or None
        Its serial number, if it has one.
    bus, address : int or None
        Where it is, if the system tells.
    product : str
        What it calls itself.
    """

    id: UsbId
    serial: str | None = None
    bus: int | None = None
    address: int | None = None
    product: str = ""

    @property
    def node(self) -> Path | None:
        """The file through which Linux gives access to it."""
        if self.bus is None or self.address is None:
            return None
        return Path(f"/dev/bus/usb/{self.bus:03}/{self.address:03}")

    def __str__(self) -> str:
        """What was seen, for messages."""
        serial = "no serial number" if self.serial is None else f"serial number {self.serial}"
        where = "" if self.bus is None else f", bus {self.bus} device {self.address}"
        return f"{usb_name(self.id)} {self.product}".strip() + f" ({serial}{where})"


def usb_name(usb: UsbId) -> str:
    """Return ids as ``0403:6010``."""
    return f"{usb[0]:04x}:{usb[1]:04x}"


def usb_devices(
    wanted: Collection[UsbId], platform: str = sys.platform, sysfs: Path | None = None
) -> list[UsbDevice]:
    """Return the attached devices with one of the wanted ids. Opens none of them.

    Linux lists all; elsewhere those are found that are serial ports too.

    Raises
    ------
    NoBoardError
        If the system can't list its serial ports.
    """
    if platform == "linux":
        return _listed(wanted, SYSFS if sysfs is None else sysfs)
    found: dict[tuple[UsbId, str | None], UsbDevice] = {}
    for port in serial_ports(platform):
        if port.vendor is not None and port.product is not None:
            usb = (port.vendor, port.product)
            if usb in wanted:
                serial = _serial_of_device(port.serial_number, platform)
                found[usb, serial] = UsbDevice(usb, serial, product=port.description)
    return list(found.values())


def _serial_of_device(serial: str | None, platform: str) -> str | None:
    """Return the serial number of the device that has the port.

    On Windows the driver of FTDI appends the letter of the interface.
    """
    if platform == "win32" and serial and len(serial) > 1 and serial[-1] in "ABCD":
        return serial[:-1]
    return serial


def _listed(wanted: Collection[UsbId], sysfs: Path) -> list[UsbDevice]:
    devices = []
    # Names with a colon are interfaces, and those of hubs' roots have ids of their own.
    for folder in sorted(sysfs.glob("*")):
        vendor, product = _text(folder / "idVendor"), _text(folder / "idProduct")
        if vendor is None or product is None:
            continue
        usb = (int(vendor, 16), int(product, 16))
        if usb in wanted:
            bus, address = _text(folder / "busnum"), _text(folder / "devnum")
            devices.append(
                UsbDevice(
                    usb,
                    _text(folder / "serial"),
                    None if bus is None else int(bus),
                    None if address is None else int(address),
                    _text(folder / "product") or "",
                )
            )
    return devices


def _text(path: Path) -> str | None:
    """Return what a file of the system says; None if there is no such file any more."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip() or None
    except OSError:
        return None
