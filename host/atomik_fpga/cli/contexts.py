"""``atomik ctx``: single contexts of a board, attached to and never cleared."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Final

import click

from .common import (
    CommandError,
    ExitCode,
    FiniteRange,
    Settings,
    fits,
    hexadecimal,
    integer,
    json_option,
    port_options,
    print_json,
    require_port,
    settings_of,
    verbosity_options,
    working,
)

if TYPE_CHECKING:
    from ..context import AtomikContext

__all__ = ["ctx"]

# So that -1 is a number, not an option: what is neither fails as an integer.
_NUMBERS: Final = {"ignore_unknown_options": True}


@click.group()
def ctx() -> None:
    """Look at single contexts of a board and change them.

    The commands attach to the context at ADDRESS and clear nothing, neither when they start nor
    when they end. They open a session of their own: a program that is connected to the same board
    is told so at its next call. Integers may be hexadecimal (0x2a) and negative (-1). In JSON,
    words are strings of hexadecimal digits.
    """


@ctx.command(context_settings=_NUMBERS)
@click.argument("address", type=integer)
@click.argument("value", type=integer)
@port_options()
@json_option
@verbosity_options
@click.pass_context
def load(
    click_ctx: click.Context,
    address: int,
    value: int,
    port: str | None,
    baud: int | None,
    as_json: bool,
) -> None:
    """Set the reference at ADDRESS to VALUE and clear the accumulator."""
    with _attached(settings_of(click_ctx), port, address, baud) as context:
        word = fits(value, context.width, "VALUE")
        context.load(word)
        context.flush()
        _report(context, as_json, f"loaded {_hex(context, word)}", loaded=_hex(context, word))


@ctx.command(context_settings=_NUMBERS)
@click.argument("address", type=integer)
@click.argument("deltas", metavar="DELTA...", type=integer, nargs=-1, required=True)
@port_options()
@json_option
@verbosity_options
@click.pass_context
def accum(
    click_ctx: click.Context,
    address: int,
    deltas: tuple[int, ...],
    port: str | None,
    baud: int | None,
    as_json: bool,
) -> None:
    """XOR every DELTA into the context at ADDRESS, exactly once."""
    with _attached(settings_of(click_ctx), port, address, baud) as context:
        words = [fits(delta, context.width, "DELTA") for delta in deltas]
        for word in words:
            context.accum(word)
        context.flush()
        plural = "delta" if len(words) == 1 else "deltas"
        _report(context, as_json, f"accumulated {len(words)} {plural}", accumulated=len(words))


@ctx.command(context_settings=_NUMBERS)
@click.argument("address", type=integer)
@port_options()
@json_option
@verbosity_options
@click.pass_context
def read(
    click_ctx: click.Context, address: int, port: str | None, baud: int | None, as_json: bool
) -> None:
    """Show state, reference and accumulator at ADDRESS, of one instant."""
    with _attached(settings_of(click_ctx), port, address, baud) as context:
        words = _words(context)
        text = "  ".join(f"{name} {word}" for name, word in words.items())
        _report(context, as_json, text, **words)


@ctx.command(context_settings=_NUMBERS)
@click.argument("address", type=integer)
@click.argument("value", type=integer, required=False)
@port_options()
@json_option
@verbosity_options
@click.pass_context
def swap(
    click_ctx: click.Context,
    address: int,
    value: int | None,
    port: str | None,
    baud: int | None,
    as_json: bool,
) -> None:
    """Show the state at ADDRESS and start a new epoch from it, or from VALUE.

    Without VALUE the state stays as it is and becomes the reference; with VALUE, 0 too, that does.
    """
    with _attached(settings_of(click_ctx), port, address, baud) as context:
        word = None if value is None else fits(value, context.width, "VALUE")
        state = context.swap(word)
        reference = state if word is None else word
        _report(
            context,
            as_json,
            f"old state {_hex(context, state)}  reference {_hex(context, reference)}",
            old_state=_hex(context, state),
            reference=_hex(context, reference),
        )


@ctx.command(context_settings=_NUMBERS)
@click.argument("address", type=integer)
@port_options()
@click.option(
    "--interval",
    type=FiniteRange(min=0, min_open=True),
    default=0.2,
    show_default=True,
    metavar="F",
    help="Seconds between two looks.",
)
@click.option("--count", type=click.IntRange(min=1), metavar="N", help="Stop after so many looks.")
@json_option
@verbosity_options
@click.pass_context
def watch(
    click_ctx: click.Context,
    address: int,
    port: str | None,
    baud: int | None,
    interval: float,
    count: int | None,
    as_json: bool,
) -> None:
    """Print a line whenever the context at ADDRESS has changed.

    The first line is what it holds now. Changes between two looks are seen as one, and changes that
    undo each other not at all. Ctrl-C ends it, with exit code 0.
    """
    with _attached(settings_of(click_ctx), port, address, baud) as context:
        start = monotonic()
        looks = 0
        last: dict[str, str] = {}
        try:
            while True:
                words = _words(context)
                looks += 1
                if words != last:
                    seconds = monotonic() - start
                    text = "  ".join(f"{name} {word}" for name, word in words.items())
                    _report(
                        context,
                        as_json,
                        f"{seconds:9.3f} s  {text}",
                        seconds=round(seconds, 3),
                        **words,
                    )
                    last = words
                if looks == count:
                    return
                sleep(interval)
        except KeyboardInterrupt:
            return


@contextmanager
def _attached(
    settings: Settings, port: str | None, address: int, baud: int | None
) -> Iterator[AtomikContext]:
    """Attach to the context at ``address``."""
    from ..context import AtomikContext

    url = require_port(port)
    if url.startswith("sim://"):
        settings.note(
            f"note: {url} is a board inside of this command and gone when it ends; "
            "`atomik sim` keeps one."
        )
    with working(settings, f"opening {url}"):
        try:
            context = AtomikContext.attach(url, address, baud=baud)
        except IndexError as error:
            raise CommandError(str(error), ExitCode.DEVICE) from None
    with context:
        yield context


def _report(context: AtomikContext, as_json: bool, text: str, **values: Any) -> None:
    """Write one result: a line of text, or the same as JSON."""
    if as_json:
        print_json({"port": context.port, "address": context.address, **values})
    else:
        click.echo(f"context {context.address}  {text}")


def _words(context: AtomikContext) -> dict[str, str]:
    """Return the three words of one instant."""
    values = context.snapshot()
    return {
        "state": _hex(context, values["state"]),
        "reference": _hex(context, values["reference"]),
        "accumulator": _hex(context, values["accumulator"]),
    }


def _hex(context: AtomikContext, value: int) -> str:
    return hexadecimal(value, context.width)
