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
from .statusline import StatusLine, status_line

if TYPE_CHECKING:
    from atomik_sim import SimBoard
    from atomik_sim.server import BoardServer, ServerEvent

__all__ = ["sim"]

_LOOPBACK: Final = "127.0.0.1"
_LOOPBACK_TEXT: Final = f"{_LOOPBACK}:0"
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
#: How often the status is shown, and the server asked whether the simulation still runs.
_POLL: Final = 0.5


def _host_and_port(_: click.Context, __: click.Parameter, text: str) -> tuple[str, int]:
    """Read HOST:PORT, [HOST]:PORT, or :PORT for the loopback address."""
    host, colon, port = text.rpartition(":")
    if not colon or not (port.isascii() and port.isdecimal()) or int(port) > 0xFFFF:
        raise click.BadParameter(f"{text!r} is not HOST:PORT, such as 127.0.0.1:7000.")
    return host.removeprefix("[").removesuffix("]") or _LOOPBACK, int(port)


@click.command()
@click.argument("board", default="icebreaker")
@click.option("--contexts", type=click.IntRange(min=1), metavar="N", help="Contexts of the table.")
@click.option("--width", type=click.IntRange(min=1), metavar="N", help="Bits a context.")
@click.option("--lanes", type=click.IntRange(min=1), metavar="N", help="Lanes of banks, if any.")
@click.option("--baud", type=click.IntRange(min=1), metavar="N", help="Line rate in bit/s.")
@click.option(
    "--listen",
    metavar="HOST:PORT",
    callback=_host_and_port,
    default=_LOOPBACK_TEXT,
    help="Where the TCP port is.  [default: 127.0.0.1, any free port]",
)
@click.option("--allow-remote", is_flag=True, help="Permit a HOST that other machines can reach.")
@click.option(
    "--pty/--no-pty",
    default=None,
    help="Offer a pseudo-terminal too.  [default: where there are any]",
)
@click.option("--engine", metavar="NAME", help="cxxrtl (compiled) or amaranth.  [default: cxxrtl]")
@click.option(
    "--realtime", is_flag=True, default=None, help="Run no faster than the real board would."
)
@click.option("--vcd", type=click.Path(dir_okay=False), metavar="FILE", help="Write waves to FILE.")
@click.option("--faults", metavar="SPEC", help="Let the line have faults, such as flip:0.001.")
@verbosity_options
@click.pass_context
def sim(
    click_ctx: click.Context,
    board: str,
    contexts: int | None,
    width: int | None,
    lanes: int | None,
    baud: int | None,
    listen: tuple[str, int],
    allow_remote: bool,
    pty: bool | None,
    engine: str | None,
    realtime: bool | None,
    vcd: str | None,
    faults: str | None,
) -> None:
    """Offer a simulated board to other processes.

    BOARD is icebreaker, unless it is named, or ulx3s-25f. A simulator runs the gateware of the real
    board behind a TCP port (socket://HOST:PORT) and, where the system has them, behind a
    pseudo-terminal, which is a serial port to whoever opens it. The contexts keep their values from
    one client to the next, until Ctrl-C ends the board, with exit code 0.

    Both ports lead to the one board, at the same time. The client that wrote last gets the answers:
    one that opens a session takes the board over, and the one before is told at its next call that
    its session is lost. The TCP port has one client at a time and sends others away.

    On a terminal a line tells executed ops and simulated clocks a second, frames and errors so far.
    """
    settings = settings_of(click_ctx)
    given = {
        "contexts": contexts,
        "width": width,
        "lanes": lanes,
        "baud": baud,
        "engine": engine,
        "realtime": realtime,
        "vcd": vcd,
        "faults": faults,
    }
    if pty is None:
        pty = os.name == "posix"
    with _refused_listening(listen, pty):
        from atomik_sim.ports import check_host

        # Before the board is made, which takes its time.
        check_host(*listen, allow_remote)
    with (
        _ended_by_signals(),
        _simulated(settings, board, {k: v for k, v in given.items() if v is not None}) as simulated,
    ):
        try:
            with (
                status_line(settings, simulated) as line,
                _offered(line, simulated, listen, allow_remote, pty) as server,
            ):
                _announce(line, server)
                while not server.wait(_POLL):
                    line.update()
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
    try:
        with working(settings, f"preparing the gateware of {board}"):
            simulated = SimBoard(options)
    except OSError as error:
        raise CommandError(f"can't write waves: {error}", ExitCode.ENVIRONMENT) from error
    try:
        yield simulated
    finally:
        simulated.close()


def _offered(
    line: StatusLine,
    board: SimBoard,
    listen: tuple[str, int],
    allow_remote: bool,
    pty: bool,
) -> BoardServer:
    from atomik_sim.server import serve

    def on_event(event: ServerEvent, client: str) -> None:
        line.note(f"{client} {event.value}")

    with _refused_listening(listen, pty):
        return serve(board, tcp=listen, pty=pty, allow_remote=allow_remote, on_event=on_event)


@contextmanager
def _refused_listening(listen: tuple[str, int], pty: bool) -> Iterator[None]:
    """Say why the ports can't be had."""
    host, port = listen
    try:
        yield
    except ValueError as error:
        raise click.BadParameter(
            f"{host} is not a loopback address, and the board has no authentication: whoever can "
            "reach it could use it. Say --allow-remote if that is wanted.",
            param_hint="--listen",
        ) from error
    except OSError as error:
        what = " with a pseudo-terminal beside it" if pty else ""
        raise CommandError(
            f"can't listen at {host}:{port}{what}: {error}", ExitCode.ENVIRONMENT
        ) from error


def _announce(line: StatusLine, server: BoardServer) -> None:
    """Write the lines that another program, or a shell, takes; the rest is for people."""
    options = server.board.options
    line.note(
        f"simulated {options.board}: {options.contexts:,} contexts of {options.width} bits, "
        f"{options.baud:,} baud; Ctrl-C ends it"
    )
    for url in server.urls:
        click.echo(f"ATOMIK_PORT={url}")


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
