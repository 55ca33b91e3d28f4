"""``atomik ports``: the serial ports of this machine, and which of them are boards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .common import (
    baud_option,
    json_option,
    print_json,
    settings_of,
    verbosity_options,
    working,
)
from .info import json_values

if TYPE_CHECKING:
    from ..discovery import Candidate

__all__ = ["ports"]


@click.command()
@click.option(
    "--ask/--no-ask",
    "asking",
    default=True,
    help="Ask what is behind ports with a chip that boards have.  [default: ask]",
)
@baud_option
@json_option
@verbosity_options
@click.pass_context
def ports(click_ctx: click.Context, asking: bool, baud: int | None, as_json: bool) -> None:
    """List the serial ports of this machine, and which of them are boards.

    Asked is only where the USB ids are those of a chip that known boards have. Asking changes
    nothing on a board and ends nobody's session; other ports are not even opened.
    """
    from ..discovery import ask, list_candidates

    settings = settings_of(click_ctx)
    with working(settings, "listing the serial ports") as show:
        seen = list_candidates()
        if asking:
            for position, candidate in enumerate(seen):
                if candidate.bridge is not None:
                    show(f"asking {candidate.port.name}")
                    seen[position] = ask(candidate, baud, {})
    if as_json:
        print_json({"ports": [_values(candidate) for candidate in seen]})
        return
    if not seen:
        settings.note("there are no serial ports: is the board plugged in?")
    width = max((len(candidate.port.name) for candidate in seen), default=0)
    for candidate in seen:
        port = candidate.port
        click.echo(f"{port.name:<{width}}  {port.usb_id or 'no USB':<9}  {_words(candidate)}")


def _words(candidate: Candidate) -> str:
    """Return what is known of a port, in words."""
    bridge, info = candidate.bridge, candidate.info
    if bridge is None:
        return candidate.port.description or "unknown"
    if info is not None:
        return f"{info.depth:,} contexts of {info.width} bits, {candidate.baud:,} baud"
    if candidate.problem is not None:
        return f"{bridge.name}: {candidate.problem}"
    return f"{bridge.name}, not asked; known on {', '.join(bridge.boards)}"


def _values(candidate: Candidate) -> dict[str, Any]:
    """Return the same for JSON."""
    port, bridge, info = candidate.port, candidate.bridge, candidate.info
    return {
        "port": port.name,
        "usb": port.usb_id,
        "serial_number": port.serial_number,
        "description": port.description,
        "bridge": None if bridge is None else bridge.name,
        "boards": [] if bridge is None else list(bridge.boards),
        "device": None if info is None else json_values(info),
        "baud": candidate.baud,
        "problem": None if candidate.problem is None else str(candidate.problem),
    }
