"""The programs that write bitstreams, and the boards' programmers."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ...usb import UsbDevice, UsbId, usb_devices, usb_name
from .check import Check, Job, State
from .udev import FOLDERS, named_in_rules, rule_text

if TYPE_CHECKING:
    from atomik_boards.board import Board

__all__ = ["boards_by_usb", "check_devices", "check_loaders", "check_rules"]

#: The program of most boards, which stands for all of them unless a board is named.
_USUAL: Final = "openFPGALoader"
#: Boards that are named in a line.
_NAMED: Final = 4


def check_loaders(board: Board | None) -> list[Check]:
    """Look for the programs that write bitstreams, each by running it.

    Parameters
    ----------
    board : Board or None
        Whose program must be there; None for the usual one.
    """
    from atomik_boards.catalog import BOARDS
    from atomik_boards.errors import FlashError
    from atomik_boards.programs import PROGRAMS, find_program, probe_program

    users: dict[str, list[str]] = {}
    for each in BOARDS.values():
        if each.loader is not None and each.loader.program in PROGRAMS:
            users.setdefault(each.loader.program, []).append(each.name)
    needed = _USUAL
    if board is not None and board.loader is not None:
        needed = board.loader.program
        users = {name: boards for name, boards in users.items() if name == needed}
    checks = []
    for name, boards in users.items():
        try:
            path = find_program(name)
            text = f"{probe_program(name, path)}, {path}"
        except FlashError as error:
            what, _, how = (
                str(error).removesuffix("; `atomik doctor flash` says how").partition(": ")
            )
            state = State.MISSING if name == needed else State.NOTE
            text = f"{what}; it is for {_some(boards)}"
            checks.append(Check(name, state, text, (how,) if how else (), (Job.FLASH,)))
        else:
            checks.append(Check(name, State.OK, text, jobs=(Job.FLASH,)))
    return checks


def boards_by_usb(board: Board | None) -> Mapping[UsbId, list[str]]:
    """Return which boards could be behind each USB id: that of a programmer, or of a bridge."""
    from atomik_boards.catalog import BOARDS

    found: dict[UsbId, list[str]] = {}
    for each in BOARDS.values() if board is None else (board,):
        ids = [] if each.loader is None else list(each.loader.usb)
        if each.usb is not None:
            ids.append(each.usb)
        for usb in dict.fromkeys(ids):
            found.setdefault(usb, []).append(each.name)
    return found


def check_devices(
    known: Mapping[UsbId, list[str]], platform: str = sys.platform, sysfs: Path | None = None
) -> list[Check]:
    """Look at the attached devices that boards have, and whether they may be opened."""
    if not known:
        text = "it has no programmer of its own: a JTAG cable of yours, and --cable NAME"
        return [Check("boards attached", State.NOTE, text, jobs=(Job.FLASH,))]
    attached = usb_devices(known, platform, sysfs)
    if not attached:
        # Elsewhere than on Linux a programmer that is no serial port does not show.
        state = State.MISSING if platform == "linux" else State.NOTE
        ids = ", ".join(usb_name(usb) for usb in sorted(known))
        return [
            Check(
                "boards attached",
                state,
                f"none: nothing with the USB id {ids}",
                (
                    "plug the board in with a cable that has data lines",
                    "a board with a boot loader shows only while that runs: press its button",
                ),
                (Job.FLASH,),
            )
        ]
    return [_check_device(device, known, platform) for device in attached]


def _check_device(device: UsbDevice, known: Mapping[UsbId, list[str]], platform: str) -> Check:
    name, boards = f"board {usb_name(device.id)}", _some(known[device.id])
    node = device.node
    if platform == "linux" and node is not None and not os.access(node, os.R_OK | os.W_OK):
        return Check(
            name,
            State.MISSING,
            f"{device}, such as {boards}, can't be opened by you ({node})",
            rule_text([device.id]),
            (Job.FLASH,),
        )
    return Check(name, State.OK, f"{device}, such as {boards}", jobs=(Job.FLASH,))


def check_rules(
    known: Iterable[UsbId], platform: str = sys.platform, folders: Iterable[Path] = FOLDERS
) -> list[Check]:
    """Look at the rules that let users open boards on Linux; at drivers, which Windows needs."""
    if platform == "win32":
        text = "openFPGALoader and dfu-util open devices with the driver WinUSB alone"
        fix = (
            "give it, with Zadig, to the interface that programs the board: of an FT2232H that is "
            "the first one, and never the one with the UART",
        )
        return [Check("USB driver", State.NOTE, text, fix, (Job.FLASH,))]
    if platform != "linux":
        return []
    ids = set(known)
    lacking = ids - named_in_rules(ids, folders)
    if not lacking:
        return [Check("udev rules", State.OK, "name every board", jobs=(Job.FLASH, Job.PORT))]
    text = f"name {len(ids) - len(lacking)} of {len(ids)} ids of boards"
    return [Check("udev rules", State.NOTE, text, rule_text(lacking), (Job.FLASH, Job.PORT))]


def _some(boards: list[str]) -> str:
    more = len(boards) - _NAMED
    return ", ".join(boards[:_NAMED]) + (f" and {more} more" if more > 0 else "")
