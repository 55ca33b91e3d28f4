"""Which boards are plugged in: USB ids of the board table first, then INFO."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from .bridges import BRIDGES, Bridge
from .errors import AtomikError, NoBoardError, SeveralBoardsError
from .opening import probe
from .platforms import SerialPort, device_key, example_port, serial_ports
from .protocol import Info

__all__ = ["Board", "Candidate", "OpenPorts", "ask", "choose", "list_candidates"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A serial port, and what is known of the device behind it.

    Attributes
    ----------
    port : SerialPort
        The port.
    bridge : Bridge or None
        Its chip, if boards have that one and the UART is at this interface of it. Without one the
        port is never opened: something else may be there.
    info : Info or None
        What the device says of itself, once it was asked.
    baud : int or None
        The rate at which it answered, in bit/s.
    problem : AtomikError or None
        Why it did not.
    """

    port: SerialPort
    bridge: Bridge | None
    info: Info | None = None
    baud: int | None = None
    problem: AtomikError | None = None

    def __str__(self) -> str:
        """What was seen, for messages."""
        usb = self.port.usb_id or "no USB port"
        if self.info is not None:
            return f"{self.port.name} ({usb}): {self.info.depth} contexts of {self.info.width} bits"
        return f"{self.port.name} ({usb})" + ("" if self.problem is None else f": {self.problem}")


class Board(NamedTuple):
    """A device that answered: the name of its port, its INFO, and the line's rate in bit/s."""

    port: str
    info: Info
    baud: int


#: What this process has open, by key of the port: the device's INFO, and the line's rate.
OpenPorts = Mapping[str, tuple[Info, int]]


def list_candidates() -> list[Candidate]:
    """Return all serial ports, none of which is opened.

    Raises
    ------
    NoBoardError
        If the system can't list them.
    """
    return [Candidate(port, _bridge_of(port)) for port in serial_ports()]


def ask(candidate: Candidate, baud: int | None, open_ports: OpenPorts) -> Candidate:
    """Ask the device behind a port with a bridge what it is. This changes nothing on it.

    Parameters
    ----------
    candidate : Candidate
        The port.
    baud : int or None
        Rate in bit/s; None tries the usual ones.
    open_ports : mapping
        Ports that need no asking.
    """
    port, bridge = candidate.port, candidate.bridge
    if bridge is None:
        return candidate
    known = open_ports.get(device_key(port.name))
    if known is not None:
        return Candidate(port, bridge, *known)
    try:
        return Candidate(port, bridge, *probe(port.name, baud))
    except AtomikError as error:
        _log.info("%s is no board to be used: %s", port.name, error)
        return Candidate(port, bridge, problem=error)


def choose(
    baud: int | None, open_ports: OpenPorts, tell: Callable[[str], None] = _log.info
) -> Board:
    """Return the one board that answers.

    Parameters
    ----------
    baud, open_ports
        As for `ask`.
    tell : callable of str
        Is told which port is asked.

    Raises
    ------
    NoBoardError
        If none answers. If only one could, its own error is raised.
    SeveralBoardsError
        If more than one does.
    """
    seen = list_candidates()
    asked = []
    for candidate in seen:
        if candidate.bridge is not None:
            tell(f"asking {candidate.port.name}")
            asked.append(ask(candidate, baud, open_ports))
    answers = [candidate for candidate in asked if candidate.info is not None]
    if len(answers) > 1:
        raise SeveralBoardsError(
            "Several boards answer, so name the port of one: " + "; ".join(map(str, answers))
        )
    for candidate in answers:
        if candidate.info is not None and candidate.baud is not None:
            return Board(candidate.port.name, candidate.info, candidate.baud)
    if len(asked) == 1 and asked[0].problem is not None:
        raise asked[0].problem
    if asked:
        raise NoBoardError("No board answers at any port: " + "; ".join(map(str, asked)))
    raise NoBoardError(_none_found(seen))


def _none_found(seen: list[Candidate]) -> str:
    chips = " or ".join(
        f"{bridge.name} ({vendor:04x}:{product:04x})"
        for (vendor, product), bridge in BRIDGES.items()
    )
    there = ", ".join(map(str, seen)) if seen else "no serial port at all"
    return (
        f"No board found: there is {there}, and port 'auto' looks for a {chips}. Plug the board "
        f"in, or name its port, such as {example_port()}"
    )


def _bridge_of(port: SerialPort) -> Bridge | None:
    """Return the bridge that a port is the UART of; None if it is anything else."""
    if port.vendor is None or port.product is None:
        return None
    bridge = BRIDGES.get((port.vendor, port.product))
    if bridge is None or bridge.interface is None or port.interface is None:
        return bridge
    return bridge if port.interface == bridge.interface else None
