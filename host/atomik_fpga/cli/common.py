"""What the commands share: options, integers, exit codes, and how they write."""

from __future__ import annotations

import json
import logging
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from threading import Timer
from typing import IO, Any, Final, TypeVar

import click

from ..ports import MAX_BAUD
from ..words import shown_hex

__all__ = [
    "CommandError",
    "ExitCode",
    "FiniteRange",
    "Settings",
    "baud_option",
    "fits",
    "hexadecimal",
    "integer",
    "json_option",
    "missing_extra",
    "port_options",
    "print_json",
    "require_port",
    "settings_of",
    "verbosity_options",
    "working",
]

_Command = TypeVar("_Command", bound=Callable[..., Any])

_LOGGERS: Final = ("atomik_fpga", "atomik_sim", "atomik_boards")
#: Says that the gateware of a simulated board is compiled, which takes some seconds.
_COMPILER_LOGGER: Final = "atomik_sim.cxxrtl"
#: Seconds before progress is shown.
_PATIENCE: Final = 0.5


class ExitCode(IntEnum):
    """What the process returns."""

    OK = 0
    #: The device failed or can't do what was asked, or a value from it is not the expected one.
    DEVICE = 1
    #: A build failed. Click uses the same code for a wrong command line.
    BUILD = 2
    #: Something is missing on this machine: an extra, a tool, an operating system's feature.
    ENVIRONMENT = 3
    #: Ctrl-C.
    INTERRUPTED = 130


class FiniteRange(click.FloatRange):
    """A float within limits that is a number: none of them keeps ``nan`` out."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number; a usage error if it is none, or out of the limits."""
        number = float(click.FLOAT.convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{number} is no finite number", param, ctx)
        return float(super().convert(number, param, ctx))


class CommandError(click.ClickException):
    """One line, at most two, on stderr, and an exit code."""

    def __init__(self, message: str, code: ExitCode) -> None:
        super().__init__(message)
        self.code = code

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the message the way errors of the driver are written."""
        click.echo(f"atomik: {self.message}", file=file, err=file is None)


@dataclass(slots=True)
class Settings:
    """What ``-v`` and ``-q`` add up to, wherever they stand on the command line."""

    verbosity: int = 0

    @property
    def quiet(self) -> bool:
        """No progress and no notes: results and errors alone."""
        return self.verbosity < 0

    def note(self, text: str) -> None:
        """Write a remark to stderr, where it can't get into a result."""
        if not self.quiet:
            click.echo(text, err=True)


def settings_of(ctx: click.Context) -> Settings:
    """Return the settings of this run."""
    return ctx.ensure_object(Settings)


def verbosity_options(command: _Command) -> _Command:
    """Add ``-v``, which may be repeated, and ``-q``."""

    def louder(ctx: click.Context, _: click.Parameter, count: int) -> None:
        settings = settings_of(ctx)
        settings.verbosity += count
        if settings.verbosity > 0:
            logging.basicConfig(stream=sys.stderr, format="%(name)s: %(message)s")
            level = logging.INFO if settings.verbosity == 1 else logging.DEBUG
            for name in _LOGGERS:
                logging.getLogger(name).setLevel(level)

    def quieter(ctx: click.Context, _: click.Parameter, quiet: bool) -> None:
        if quiet:
            settings_of(ctx).verbosity = -1

    command = click.option(
        "-q",
        "--quiet",
        is_flag=True,
        expose_value=False,
        callback=quieter,
        help="No progress, no remarks.",
    )(command)
    return click.option(
        "-v",
        "--verbose",
        count=True,
        expose_value=False,
        callback=louder,
        help="Say more; -vv also shows where an error came from.",
    )(command)


def port_options(
    *, default: str | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add ``--port`` and ``--baud``. A ``default`` makes the command ignore ATOMIK_PORT."""
    if default is None:
        text = "Serial port, pyserial URL, or auto.  [default: ATOMIK_PORT]"
    else:
        text = (
            f"Serial port, pyserial URL, or auto.  [default: {default}, whatever ATOMIK_PORT says]"
        )

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        command = baud_option(command)
        return click.option(
            "--port",
            default=default,
            envvar=None if default else "ATOMIK_PORT",
            metavar="URL",
            help=text,
        )(command)

    return add


def baud_option(command: _Command) -> _Command:
    """Add ``--baud``."""
    return click.option(
        "--baud",
        type=click.IntRange(min=1, max=MAX_BAUD),
        metavar="N",
        help="Line rate in bit/s.  [default: the port's usual one]",
    )(command)


def json_option(command: _Command) -> _Command:
    """Add ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")(
        command
    )


def require_port(port: str | None) -> str:
    """Return ``port``, or say how to name one."""
    if not port:
        raise CommandError(
            "no port: say --port /dev/ttyUSB1 (or COM6), or set ATOMIK_PORT.\n"
            "        Without a board, run `atomik sim` in another terminal and use the port that "
            "it prints.",
            ExitCode.DEVICE,
        )
    return port


def missing_extra(extra: str, what: str, error: ModuleNotFoundError) -> Exception:
    """Return the error that says which ``pip install`` brings what ``error`` missed.

    A part of this distribution that is missing is not an extra: that error comes back as it is.
    """
    package = (error.name or "").partition(".")[0]
    if not package or package.startswith("atomik_"):
        return error
    return CommandError(
        f"{what} needs {package}, which is not installed:\n"
        f'        pip install "atomik-fpga[{extra}]"   (in a clone: pip install -e ".[{extra}]")',
        ExitCode.ENVIRONMENT,
    )


def integer(text: str | int) -> int:
    """Read an integer: decimal, 0xff, 0o17, 0b11, 1_000, or negative.

    Raises
    ------
    click.BadParameter
        If it is none.
    """
    if isinstance(text, int):
        return text
    try:
        return int(text, 0)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is not an integer; write 255, 0xff or -1, for example."
        ) from None


def fits(value: int, width: int, name: str) -> int:
    """Return ``value`` modulo ``2 ** width``.

    Raises
    ------
    CommandError
        If bits would be lost. The library masks, as a register does; in what somebody typed a
        word that is too wide is a mistake.
    """
    if not -(1 << width - 1) <= value < 1 << width:
        raise CommandError(
            f"{name} {shown_hex(value)} does not fit in the {width} bits of the context",
            ExitCode.DEVICE,
        )
    return value & (1 << width) - 1


def hexadecimal(value: int, width: int) -> str:
    """Return ``value`` with all digits of ``width`` bits."""
    return f"0x{value:0{(width + 3) // 4}x}"


def print_json(result: Mapping[str, Any]) -> None:
    """Write ``result`` to stdout, on one line."""
    click.echo(json.dumps(result))


class _Steps(logging.Handler):
    """Hands on what is logged to a function."""

    def __init__(self, show: Callable[[int | str], None]) -> None:
        super().__init__(logging.INFO)
        self._show = show

    def emit(self, record: logging.LogRecord) -> None:
        self._show(record.getMessage())


@contextmanager
def _compiling(settings: Settings, show: Callable[[int | str], None]) -> Iterator[None]:
    """Show what the compiler of the simulated board says, unless the log is shown as it is."""
    if settings.verbosity > 0:
        yield
        return
    logger, steps = logging.getLogger(_COMPILER_LOGGER), _Steps(show)
    level = logger.level
    logger.addHandler(steps)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.removeHandler(steps)


@contextmanager
def working(
    settings: Settings, text: str, total: int | None = None
) -> Iterator[Callable[[int | str], None]]:
    """Show on stderr that something takes longer; nothing is left of it afterwards.

    Yields a function: an integer is how far it came of ``total``, a string what it does now. On
    what is not a terminal there is nothing but the strings, a line each. That the gateware is
    compiled is such a string too.
    """
    if settings.quiet or not sys.stderr.isatty():

        def line(step: int | str) -> None:
            if isinstance(step, str):
                settings.note(step)

        with _compiling(settings, line):
            yield line
        return

    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    bar = () if total is None else (BarColumn(), TextColumn("{task.completed}/{task.total}"))
    columns = (SpinnerColumn("line"), TextColumn("{task.description}"), *bar, TimeElapsedColumn())
    # What a command writes to stdout stays there: it may be a pipe.
    progress = Progress(
        *columns, console=Console(stderr=True), transient=True, redirect_stdout=False
    )
    task = progress.add_task(text, total=total)

    def show(step: int | str) -> None:
        if isinstance(step, str):
            progress.update(task, description=step)
        else:
            progress.update(task, completed=step)

    # What is done sooner would only flicker.
    patience = Timer(_PATIENCE, progress.start)
    patience.start()
    try:
        with _compiling(settings, show):
            yield show
    finally:
        patience.cancel()
        patience.join()
        progress.stop()
