"""Serial ports: which are boards', who may open them, how long their driver holds bytes back."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Final

from ...errors import NoBoardError
from ...platforms import SerialPort, serial_ports
from ...usb import UsbId
from .check import Check, Job, State
from .udev import RULE_FILE

__all__ = ["check_group", "check_latency", "check_ports"]

#: Where Linux tells of the drivers of USB serial ports.
_DRIVERS: Final = Path("/sys/bus/usb-serial/devices")
#: Groups that may open serial ports: of Debian and most others, of Arch.
_GROUPS: Final = ("dialout", "uucp")
_FTDI: Final = 0x0403
#: From here on, in milliseconds, a read takes noticeably longer than the line needs.
_SLOW: Final = 2


def check_ports(known: Collection[UsbId], platform: str = sys.platform) -> list[Check]:
    """Look at the serial ports with an id that boards have."""
    try:
        ports = serial_ports(platform)
    except NoBoardError as error:
        return [Check("serial ports", State.MISSING, str(error), jobs=(Job.PORT,))]
    ours = [it for it in ports if (it.vendor, it.product) in known]
    if not ours:
        there = ", ".join(port.name for port in ports)
        text = f"none with the id of a board: {there}" if there else "none at all"
        fix = (
            "plug the board in; an adapter of your own is named with --port",
            "without a board: --port sim://, or `atomik sim` in another terminal",
        )
        # An adapter of one's own is as good.
        state = State.NOTE if ports else State.MISSING
        return [Check("serial ports", state, text, fix, (Job.PORT,))]
    return [_check_port(port, platform) for port in ours]


def _check_port(port: SerialPort, platform: str) -> Check:
    text = f"{port.usb_id}, {port.description or 'no name'}"
    if platform == "win32" or os.access(port.name, os.R_OK | os.W_OK):
        return Check(port.name, State.OK, text, jobs=(Job.PORT,))
    return Check(
        port.name, State.MISSING, f"{text}: you may not open it", _how_to_open(), (Job.PORT,)
    )


def check_group(platform: str = sys.platform) -> list[Check]:
    """Look whether this user is in the group that may open serial ports; systems differ."""
    if platform != "linux":
        return []
    import grp
    import pwd

    number = os.geteuid()
    try:
        user = pwd.getpwuid(number).pw_name
    except KeyError:
        # As in a container, whose users need no names.
        user = f"user {number}"
    if number == 0:
        return [_permission(State.NOTE, "you are root, who may open all of them")]
    for name in _GROUPS:
        try:
            group = grp.getgrnam(name)
        except KeyError:
            continue
        if group.gr_gid in os.getgroups():
            return [_permission(State.OK, f"{user} is in the group {name}")]
        if user in group.gr_mem:
            text = f"{user} is in the group {name}, and logged in before that"
            return [_permission(State.NOTE, text, ("log out and in again",))]
    text = f"{user} is in no group that may open serial ports"
    return [_permission(State.NOTE, text, _how_to_open())]


def _permission(state: State, text: str, fix: tuple[str, ...] = ()) -> Check:
    return Check("serial permission", state, text, fix, (Job.PORT,))


def _how_to_open() -> tuple[str, ...]:
    return (
        f"a rule in {RULE_FILE} lets in who sits at the machine: see udev rules",
        "or, for use over a network, have an administrator add you to the group once: "
        "usermod -aG dialout NAME (uucp on Arch); then log out and in again",
    )


def check_latency(
    known: Collection[UsbId], platform: str = sys.platform, drivers: Path = _DRIVERS
) -> list[Check]:
    """Look how long the driver of FTDI's chips holds bytes back before it hands them on."""
    ids = [usb for usb in known if usb[0] == _FTDI]
    if platform == "win32":
        return [
            Check(
                "FTDI latency timer",
                State.NOTE,
                "16 ms unless it was changed; with 1 ms a read takes a tenth of the time",
                ("Device Manager, the port's properties, Port Settings, Advanced: Latency 1",),
                (Job.PORT,),
            )
        ]
    if platform != "linux":
        return []
    try:
        ports = serial_ports(platform)
    except NoBoardError:
        # That is told where ports are listed.
        return []
    checks = []
    for port in ports:
        if (port.vendor, port.product) in ids:
            checks += _check_timer(port.name, drivers / Path(port.name).name / "latency_timer")
    return checks


def _check_timer(name: str, path: Path) -> list[Check]:
    try:
        milliseconds = int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return []
    title = f"latency timer of {name}"
    text = f"{milliseconds} ms"
    if milliseconds >= _SLOW:
        text += "; while a program of this project has the port open it is 1 ms"
    return [Check(title, State.OK, text, jobs=(Job.PORT,))]
