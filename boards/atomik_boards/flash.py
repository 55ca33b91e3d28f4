"""From a build folder into a board: the programmer chosen, the part checked, the bitstream written.

What comes after, that the board answers as the one that was built, is `comeback`'s. Nothing here
needs Amaranth.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from atomik_fpga.usb import UsbDevice, UsbId, usb_devices, usb_name

from .board import Board
from .errors import FlashError, LoaderError, WrongPartError
from .loaders import COPY, FTDI, FlashPlan, Memory, default_memory, loader_of, plan_flash
from .programs import (
    HELP,
    Answer,
    find_program,
    library_remedy,
    missing_library,
    probe_program,
    run_program,
)

__all__ = ["Flashing", "prepare", "write"]

_MANIFEST: Final = "manifest.json"
#: Longest that writing may take, in seconds: 4 MiB of flash memory through a slow adapter.
_WRITE_SECONDS: Final = 600.0
_CHECK_SECONDS: Final = 60.0

#: What programs print when they fail, also those that then return 0.
_FAILED: Final = re.compile(r"\bfail(ed|ures?)?\b|^\s*error\b", re.IGNORECASE | re.MULTILINE)
_FORBIDDEN: Final = re.compile(
    r"permission denied|access denied|LIBUSB_ERROR_ACCESS|insufficient permissions|usb_open\(\)",
    re.IGNORECASE,
)
_NOT_THERE: Final = re.compile(
    r"device not found|no dfu (capable|compatible)|can't find ice ftdi|icelink open fail"
    r"|no active bootloaders|no device found|no cable found",
    re.IGNORECASE,
)
_SEVERAL: Final = re.compile(r"more than one dfu|only one device supported", re.IGNORECASE)
_WRONG_PART: Final = re.compile(r"mismatch between target's idcode", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Flashing:
    """All that is known before anything is run.

    Attributes
    ----------
    board : Board
    memory : Memory
    bitstream : Path
        Absolute.
    manifest : dict
        Of the build.
    plan : FlashPlan
    device : UsbDevice or None
        The board's programmer; None if the system did not tell of one.
    program : Path or None
        What is run; None if it was not found, or for `COPY`.
    """

    board: Board
    memory: Memory
    bitstream: Path
    manifest: dict[str, Any]
    plan: FlashPlan
    device: UsbDevice | None
    program: Path | None

    def commands(self) -> list[str]:
        """Return the exact command lines, as a shell takes them."""
        name = self.plan.program if self.program is None else str(self.program)
        lines = [] if self.plan.check is None else [shlex.join([name, *self.plan.check])]
        return [*lines, shlex.join([name, *self.plan.write])]


def prepare(
    board: Board,
    folder: Path,
    *,
    memory: Memory | None = None,
    serial: str | None = None,
    port: str | None = None,
    cable: str | None = None,
    dry: bool = False,
) -> Flashing:
    """Choose all that is to be chosen, and run nothing.

    Parameters
    ----------
    board : Board
    folder : Path
        Of a build, with its manifest.
    memory : Memory or None
        None for the board's default.
    serial : str or None
        Serial number of the programmer; with ``cable`` that of the cable, if it has FTDI's chip.
    port : str or None
        The board's serial port, where it takes the bitstream there.
    cable : str or None
        openFPGALoader's name of a cable in place of the board's own.
    dry : bool
        Whether it is not going to be run, so that the program need not be there.

    Raises
    ------
    LoaderError
        If the program is not installed, or can't run.
    FlashError
        If there is no such build; no programmer of this sort is attached, or several are and
        ``serial`` does not say which; or the board has no way into that memory.
    """
    bitstream, manifest = _read_build(board, folder)
    memory = default_memory(board) if memory is None else memory
    if cable is None:
        device, several = _choose(board, serial, dry=dry)
    else:
        device, several = None if serial is None else UsbDevice((FTDI, 0), serial), False
    choose = several or serial is not None
    plan = plan_flash(board, memory, str(bitstream), device=device, choose=choose, cable=cable)
    program: Path | None = None
    if plan.program == COPY:
        plan = _copy_plan(board, plan, port)
    else:
        try:
            program = find_program(plan.program)
            if not dry:
                probe_program(plan.program, program)
        except LoaderError:
            if not dry:
                raise
    return Flashing(board, memory, bitstream, manifest, plan, device, program)


def write(flashing: Flashing, tell: Callable[[str], None]) -> str:
    """Check the part where the program can, and write the bitstream.

    Parameters
    ----------
    flashing : Flashing
        From `prepare`, which ran nothing yet.
    tell : callable of str
        Is told each phase.

    Returns
    -------
    part : str
        What the program said of the part; empty if it can't say.

    Raises
    ------
    WrongPartError
        If it is another one than the bitstream is for. Nothing was written.
    LoaderError
        If the program may not open the programmer.
    FlashError
        If it fails otherwise.
    """
    plan, board = flashing.plan, flashing.board
    if plan.program == COPY:
        tell(f"Copying the bitstream to {plan.write[1]}")
        _copy(flashing.bitstream, plan.write[1])
        return ""
    part = ""
    if plan.check is not None:
        tell(f"Asking {board.title} for its part")
        part = _check_part(flashing, plan.check)
    where = "its configuration memory" if flashing.memory is Memory.SRAM else "its flash memory"
    tell(f"Writing {where} with {plan.program}")
    answer = _run(flashing, plan.write, _WRITE_SECONDS)
    if answer.code or _FAILED.search(answer.text):
        raise _explain(flashing, answer)
    return part


# The build.


def _read_build(board: Board, folder: Path) -> tuple[Path, dict[str, Any]]:
    path = folder / _MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        built, name, digest = (manifest[it] for it in ("board", "bitstream", "sha256"))
        # What comes after needs these.
        int(manifest["build_id"], 16), int(manifest["baud"]), manifest["uart"]["rx"]
        bitstream = (folder / name).absolute()
        content = bitstream.read_bytes()
    except FileNotFoundError as error:
        raise FlashError(
            f"There is no build for {board.name} in {folder} ({error.filename} is missing): run "
            f"`atomik build {board.name}`, or name its folder with --from"
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FlashError(
            f"The build in {folder} can't be read ({error}): build it again"
        ) from error
    if built != board.name:
        raise FlashError(
            f"The build in {folder} is for {built}, not for {board.name}: run "
            f"`atomik build {board.name}`, or `atomik flash {built}`"
        )
    if hashlib.sha256(content).hexdigest() != digest:
        raise FlashError(
            f"{bitstream} is not the file that its manifest tells of: run "
            f"`atomik build {board.name}` again"
        )
    return bitstream, manifest


# The programmer.


def _choose(board: Board, serial: str | None, *, dry: bool) -> tuple[UsbDevice | None, bool]:
    """Return the board's programmer, and whether there are others that look like it."""
    ids = loader_of(board).usb
    if not ids:
        if serial is not None:
            raise FlashError(f"{board.name} has no programmer with a serial number of its own")
        return None, False
    attached = usb_devices(ids)
    listed = "; ".join(map(str, attached))
    if serial is not None:
        for device in attached:
            if device.serial == serial:
                return device, len(attached) > 1
        if dry and not attached:
            return UsbDevice(ids[0], serial), False
        raise FlashError(
            f"No programmer of {board.name} has the serial number {serial!r}: "
            + (f"there is {listed}" if attached else _nothing_there(ids))
        )
    if len(attached) > 1:
        raise FlashError(
            f"Several boards could be the {board.name}, so say which with --serial: {listed}"
        )
    return (attached[0] if attached else None), False


def _nothing_there(ids: Sequence[UsbId]) -> str:
    return f"nothing with the USB id {' or '.join(map(usb_name, ids))} is attached"


# The part.


def _check_part(flashing: Flashing, arguments: tuple[str, ...]) -> str:
    plan, board = flashing.plan, flashing.board
    answer = _run(flashing, arguments, _CHECK_SECONDS)
    told = plan.told_part(answer.text)
    if answer.code or not told:
        raise _explain(flashing, answer)
    if plan.part.lower() not in (it.lower() for it in told):
        raise WrongPartError(
            f"{board.name} has a {board.part}, which tells {plan.part}, and what is attached "
            f"tells {', '.join(told)}: it is another board, or another size of it. Nothing was "
            "written"
        )
    return plan.part


def _run(flashing: Flashing, arguments: Sequence[str], seconds: float) -> Answer:
    return run_program([str(flashing.program), *arguments], timeout=seconds)


def _explain(flashing: Flashing, answer: Answer) -> FlashError:
    """Return the error for a program that failed, of the kind that tells what to do."""
    name, board = flashing.plan.program, flashing.board
    library, text = missing_library(answer), answer.text
    if library is not None:
        return LoaderError(f"{name} can't run: {library_remedy(library)}; {HELP}")
    if _WRONG_PART.search(text):
        return WrongPartError(
            f"{board.name} has another part than {board.part}, for which the bitstream is: "
            f"{_tail(text)}"
        )
    if _SEVERAL.search(text):
        return FlashError(
            f"{name} sees several boards like {board.name}: say which with --serial, or attach "
            f"one at a time ({_tail(text)})"
        )
    if _FORBIDDEN.search(text):
        return LoaderError(
            f"{name} may not open the programmer of {board.name} ({_tail(text)}), or another "
            f"program has it open: {HELP} to allow it"
        )
    if _NOT_THERE.search(text):
        ids = loader_of(board).usb
        there = "" if flashing.device else f" ({_nothing_there(ids)})" if ids else ""
        boots = any(vendor != FTDI for vendor, _ in ids)
        hint = "; its boot loader may want a button pressed meanwhile" if boots else ""
        return FlashError(
            f"{name} finds no {board.name}{there}: plug it in, and check its cable{hint}"
        )
    return FlashError(
        f"{name} failed with exit code {answer.code}: {_tail(text) or 'it said nothing'}"
    )


def _tail(text: str) -> str:
    """Return the lines that tell what failed, or the last ones."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if _FAILED.search(line)] or lines
    return " / ".join(telling[-3:])


# A board that takes the file at its serial port.


def _copy_plan(board: Board, plan: FlashPlan, port: str | None) -> FlashPlan:
    if port is None:
        raise FlashError(
            f"{board.name} takes the bitstream at its serial port: name it with --port"
        )
    return FlashPlan(COPY, (*plan.write, port))


def _copy(bitstream: Path, port: str) -> None:
    # Imported here: a dry run needs no serial port.
    from atomik_fpga.transport import open_port

    device = open_port(port, 115_200)
    try:
        device.write(bitstream.read_bytes())
    finally:
        device.close()
