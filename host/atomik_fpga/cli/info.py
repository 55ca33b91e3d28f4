"""``atomik info``: what a board says of itself."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from .common import (
    json_option,
    port_options,
    print_json,
    require_port,
    settings_of,
    verbosity_options,
    working,
)

if TYPE_CHECKING:
    from ..protocol import Info

__all__ = ["info", "json_values"]


@click.command()
@port_options()
@json_option
@verbosity_options
@click.pass_context
def info(click_ctx: click.Context, port: str | None, baud: int | None, as_json: bool) -> None:
    """Show what a board says of itself.

    Changes nothing on the board and ends nobody's session.
    """
    from ..discovery import choose
    from ..opening import identify
    from ..ports import AUTO

    url = require_port(port)
    with working(settings_of(click_ctx), f"asking {url}") as show:
        if url == AUTO:
            url, answer, _ = choose(baud, {}, show)
        else:
            answer = identify(url, baud)
    if as_json:
        print_json({"port": url, **json_values(answer)})
        return
    click.echo(f"ATOMiK device at {url}")
    for name, text in _lines(answer):
        click.echo(f"  {name:<10}{text}")


def json_values(answer: Info) -> dict[str, Any]:
    """Return the fields as JSON can hold them."""
    values = asdict(answer)
    # As in the manifest of a build; and numbers of 64 bits are not safe in every JSON.
    values["build_id"] = f"{answer.build_id:016x}"
    return values


def _lines(answer: Info) -> list[tuple[str, str]]:
    """Return the fields in words."""
    from ..protocol import FEATURE_FABRIC_PORT, FLAG_ERROR, FLAG_SESSION

    if not answer.flags & FLAG_SESSION:
        session = "none open"
    elif answer.flags & FLAG_ERROR:
        session = f"{answer.session:#010x} open, stopped by a fault until the next one opens"
    else:
        session = f"{answer.session:#010x} open"
    build = f"{answer.build_id:016x}" if answer.build_id else "none: not made by `atomik build`"
    clocks = answer.clock_hz / answer.baud
    return [
        ("contexts", f"{answer.depth:,} of {answer.width} bits"),
        ("lanes", f"{answer.lanes} of the banks" if answer.lanes else "none: no banks"),
        ("clock", f"{answer.clock_hz / 1e6:g} MHz"),
        ("line", f"{answer.baud:,} baud, {clocks:.4g} clocks a bit"),
        ("frames", f"up to {answer.frame_bytes} bytes, replies up to {answer.reply_bytes} bytes"),
        ("replies", f"{answer.reply_slots} under way at a time"),
        ("fabric", "accumulates too" if answer.features & FEATURE_FABRIC_PORT else "no port"),
        ("protocol", f"{answer.major}.{answer.minor}"),
        ("build", build),
        ("session", session),
    ]
