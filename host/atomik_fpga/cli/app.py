"""The group of commands, and what an error becomes: one line, and an exit code."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Final

import click

from .. import __version__
from ..errors import AtomikError, UnsupportedPortError
from .common import CommandError, ExitCode, Settings, verbosity_options

__all__ = ["cli", "main"]

#: Command: its module here, the function in it, and its line in the list of commands. Written down
#: so that listing the commands, or running one, imports no other.
_COMMANDS: Final = {
    "demo": ("demo", "demo", "Run the whole thing and check every value."),
    "sim": ("simulate", "sim", "Offer a simulated board to other processes."),
    "ports": ("ports", "ports", "List the serial ports, and which are boards."),
    "info": ("info", "info", "Show what a board says of itself."),
    "ctx": ("contexts", "ctx", "Look at single contexts of a board and change them."),
    "selftest": ("selftest", "selftest", "Test every part of a board."),
    "import": ("importing", "import_log", "Take a log in, and load contexts with it."),
    "boards": ("boards", "boards", "List the boards that can be built."),
    "build": ("bitstream", "build", "Make a bitstream, its timing checked."),
    "flash": ("flash", "flash", "Write a bitstream into its board, and test that."),
    "doctor": ("doctor", "doctor", "Tell what this machine lacks, and how to get it."),
}


class _LazyGroup(click.Group):
    """Imports a command's module when the command is run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, function, _ = _COMMANDS[cmd_name]
        command = getattr(importlib.import_module(f".{module}", __package__), function)
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}.{function} must be a command, not {command!r}")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, _, line) in _COMMANDS.items()])


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done; 1 the device or a check failed, or the device can't do what was "
    "asked; 2 the build failed, or the command line is wrong; 3 something is missing in the "
    "environment; 130 interrupted.",
)
@click.version_option(__version__, prog_name="atomik")
@verbosity_options
def cli() -> None:
    """Delta-state contexts in FPGA fabric.

    A port is any pyserial URL: /dev/ttyUSB1, COM6, socket://host:port, or sim:// for a simulated
    board inside of the command; auto is the one board that is plugged in. Where --port is not
    given, ATOMIK_PORT names it.
    """


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    argv : sequence of str or None
        Arguments without the program's name; ``None`` takes those of the process.
    """
    settings = Settings()
    try:
        result = cli.main(
            args=None if argv is None else list(argv),
            prog_name="atomik",
            standalone_mode=False,
            obj=settings,
            color=False if os.environ.get("NO_COLOR") else None,
        )
    except click.Abort:
        click.echo("atomik: interrupted", err=True)
        return ExitCode.INTERRUPTED
    except click.ClickException as error:
        error.show()
        _show_traceback(settings)
        return error.code if isinstance(error, CommandError) else error.exit_code
    except UnsupportedPortError as error:
        return _fail(settings, error, ExitCode.ENVIRONMENT)
    except AtomikError as error:
        if _came_of_an_interrupt(error):
            click.echo("atomik: interrupted", err=True)
            return ExitCode.INTERRUPTED
        return _fail(settings, error, ExitCode.DEVICE)
    return result if isinstance(result, int) else ExitCode.OK


def _came_of_an_interrupt(error: BaseException) -> bool:
    """Return whether Ctrl-C in the midst of a call is what an error came of."""
    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, KeyboardInterrupt):
        seen = seen.__context__
    return seen is not None


def _fail(settings: Settings, error: AtomikError, code: ExitCode) -> ExitCode:
    lines = str(error).splitlines() or [type(error).__name__]
    click.echo(f"atomik: {lines[0]}", err=True)
    if len(lines) > 1:
        click.echo(f"        {' '.join(line.strip() for line in lines[1:])}", err=True)
    _show_traceback(settings)
    return code


def _show_traceback(settings: Settings) -> None:
    if settings.verbosity > 1:
        traceback.print_exc(file=sys.stderr)
