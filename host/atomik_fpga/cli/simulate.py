"""``atomik sim``: a simulated board for other processes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from .common import (
    CommandError,
    ExitCode,
    Settings,
    settings_of,
    verbosity_options,
    working,
)

if TYPE_CHECKING:
    from atomik_sim import SimBoard
    from atomik_sim.server import PtyServer, ServerEvent, TcpServer

__all__ = ["sim"]

_LOOPBACK: Final = ("127.0.0.1", 0)
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
#: How often the server is asked whether the simulation still runs, in seconds.
_POLL: Final = 0.2


def _host_and_port(
    _: click.Context, __: click.Parameter, text: str | None
) -> tuple[str, int] | None:
    """Read HOST:PORT, [HOST]:PORT, or :PORT for the loopback address."""
    if text is None:
        return None
    host, colon, port = text.rpartition(":")
    if not colon or not (port.isascii() and port.isdecimal()) or int(port) > 0xFFFF:
        raise click.BadParameter(f"{text!r} is not HOST:PORT, such as 127.0.0.1:7000.")
    return host.removeprefix("[").removesuffix("]") or _LOOPBACK[0], int(port)


@click.command()
@click.argument("board", default="icebreaker")
@click.option("--contexts", type=click.IntRange(min=1), metavar="N", help="Contexts of the table.")
@click.option("--width", type=click.IntRange(min=1), metavar="N", help="Bits a context.")
@click.option("--baud", type=click.IntRange(min=1), metavar="N", help="Line rate in bit/s.")
@click.option(
    "--listen",
    metavar="HOST:PORT",
    callback=_host_and_port,
    help="Offer a TCP port, here.  [default without a pty: 127.0.0.1, any free port]",
)
@click.option("--allow-remote", is_flag=True, help="Permit a HOST that other machines can reach.")
@click.option(
    "--pty/--no-pty",
    default=None,
    help="Offer a pseudo-terminal.  [default: where there are any and without --listen]",
)
@verbosity_options
@click.pass_context
def sim(
    click_ctx: click.Context,
    board: str,
    contexts: int | None,
    width: int | None,
    baud: int | None,
    listen: tuple[str, int] | None,
    allow_remote: bool,
    pty: bool | None,
) -> None:
    """Offer a simulated board to other processes.

    BOARD is icebreaker unless another is named. Amaranth's simulator runs the gateware of the real
    board behind a pseudo-terminal, which is a serial port to whoever opens it, or behind a TCP port
    (socket://HOST:PORT). Like a real port it has one user at a time. The contexts keep their values
    from one to the next, until Ctrl-C ends the board, with exit code 0.
    """
    if pty and listen:
        raise click.UsageError("A board has one port: say either --pty or --listen.")
    if pty is None:
        pty = os.name == "posix" and listen is None
    settings = settings_of(click_ctx)
    given = {"contexts": contexts, "width": width, "baud": baud}
    with (
        _ended_by_signals(),
        _simulated(settings, board, {k: v for k, v in given.items() if v is not None}) as simulated,
    ):
        try:
            if pty:
                _offer_pty(settings, simulated)
            else:
                _offer_tcp(settings, simulated, listen or _LOOPBACK, allow_remote)
        except KeyboardInterrupt:
            status = simulated.status
            settings.note(
                f"stopped after {status.clocks:,} clocks; {status.bytes_to_device:,} bytes to the "
                f"device, {status.bytes_from_device:,} back"
            )


@contextmanager
def _simulated(settings: Settings, board: str, given: dict[str, Any]) -> Iterator[SimBoard]:
    """Make the board, and stop it in the end."""
    from atomik_sim import BoardOptions, SimBoard

    try:
        options = replace(BoardOptions(board=board), **given)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    with working(settings, f"elaborating {board}"):
        simulated = SimBoard(options)
    try:
        yield simulated
    finally:
        simulated.close()


def _offer_pty(settings: Settings, board: SimBoard) -> None:
    from atomik_sim.server import serve_pty

    try:
        server = serve_pty(board)
    except OSError as error:
        raise CommandError(f"no pseudo-terminal: {error}", ExitCode.ENVIRONMENT) from error
    with server:
        _announce(settings, board, server.path)
        _serve(server)


def _offer_tcp(
    settings: Settings, board: SimBoard, listen: tuple[str, int], allow_remote: bool
) -> None:
    from atomik_sim.server import serve_tcp

    def on_event(event: ServerEvent, client: str) -> None:
        settings.note(f"{client} {event.value}")

    host, port = listen
    try:
        server = serve_tcp(board, host, port, allow_remote=allow_remote, on_event=on_event)
    except ValueError as error:
        raise click.BadParameter(
            f"{host} is not a loopback address, and the board has no authentication: whoever can "
            "reach it could use it. Say --allow-remote if that is wanted.",
            param_hint="--listen",
        ) from error
    except OSError as error:
        raise CommandError(
            f"can't listen at {host}:{port}: {error}", ExitCode.ENVIRONMENT
        ) from error
    with server:
        _announce(settings, board, server.url)
        _serve(server)


def _announce(settings: Settings, board: SimBoard, port: str) -> None:
    """Write the line that another program, or a shell, takes; the rest is for people."""
    options = board.options
    settings.note(
        f"simulated {options.board}: {options.contexts:,} contexts of {options.width} bits, "
        f"{options.baud:,} baud; Ctrl-C ends it"
    )
    click.echo(f"ATOMIK_PORT={port}")


def _serve(server: PtyServer | TcpServer) -> None:
    while not server.wait(_POLL):
        pass


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let SIGTERM do what Ctrl-C does, also in the background, where shells block the latter."""

    def interrupt(_: int, __: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
