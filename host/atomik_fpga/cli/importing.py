"""``atomik import``: a log that exists, onto contexts."""

from __future__ import annotations

import importlib
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import click

from .common import (
    hexadecimal,
    json_option,
    missing_extra,
    port_options,
    print_json,
    settings_of,
    verbosity_options,
    working,
)

if TYPE_CHECKING:
    from ..eventsourcing.importing import EventSource, RowSource, Source
    from ..table import AtomikTable

__all__ = ["import_log"]

_KINDS: Final = ("deltas", "states", "events")
#: What the column of each kind of rows is called unless told.
_COLUMNS: Final = {"deltas": "delta", "states": "state"}


@click.command("import")
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True)
@click.option(
    "--state",
    "state_path",
    required=True,
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where words and positions are kept; made if it is not there.",
)
@click.option(
    "--kind",
    type=click.Choice(_KINDS),
    default="deltas",
    show_default=True,
    help="What rows hold, or a database of the eventsourcing library.",
)
@click.option("--key", default="key", show_default=True, metavar="NAME", help="Column of the key.")
@click.option("--column", metavar="NAME", help="Column of the word.  [default: delta, or state]")
@click.option(
    "--application",
    metavar="MODULE:CLASS",
    help="With events: the library's application. SOURCE is its SQLite file, or - for what the "
    "environment names.",
)
@click.option(
    "--layout",
    metavar="MODULE:NAME",
    help="With events: a Layout whose fields are attributes of the aggregates.",
)
@click.option(
    "--aggregate",
    metavar="MODULE:CLASS",
    help="With events: take aggregates of this class in, and no others.",
)
@click.option(
    "--map",
    "map_path",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="CSV with key,address: which keys go to which contexts.",
)
@click.option(
    "--width",
    type=click.IntRange(min=1),
    default=64,
    show_default=True,
    metavar="N",
    help="Bits of a word.",
)
@click.option(
    "--chunk",
    type=click.IntRange(min=1),
    metavar="N",
    help="Rows or events that are taken in at a time.  [default: 16777216 rows, 16384 events]",
)
@click.option("--verify/--no-verify", default=True, help="Compute it all again and compare.")
@port_options()
@json_option
@verbosity_options
@click.pass_context
def import_log(
    click_ctx: click.Context,
    sources: tuple[str, ...],
    state_path: Path,
    kind: str,
    key: str,
    column: str | None,
    application: str | None,
    layout: str | None,
    aggregate: str | None,
    map_path: Path | None,
    width: int,
    chunk: int | None,
    verify: bool,
    port: str | None,
    baud: int | None,
    as_json: bool,
) -> None:
    """Take logs in, and load what they come to into a board's contexts.

    SOURCE is a .parquet, .csv, .jsonl or .ndjson file with a key and a delta a row (all deltas of a
    key are XORed), or a key and a state (the last one counts); or a database of domain events,
    which are replayed by aggregate, in order. Words and the position behind them are committed
    together: after an interruption the same command goes on where it was, and no row counts twice.
    Rows that were added to a log since are taken in by the same command too.

    With --port each key gets a context; the others stay as they are. Without, the words are in the
    state's FILE only.
    """
    settings = settings_of(click_ctx)
    try:
        from ..eventsourcing import importing
    except ModuleNotFoundError as error:
        raise missing_extra("eventsourcing", "`atomik import`", error) from error
    if kind == "events" and application is None:
        raise click.UsageError("--kind events needs --application MODULE:CLASS")
    start = monotonic()
    with ExitStack() as stack:
        state = stack.enter_context(importing.ImportState(state_path, kind, width))
        with working(settings, "reading"):
            opened: list[Source] = []
            for name in sources:
                source: RowSource | EventSource
                if kind == "events" and application is not None:
                    source = _events(name, application, layout, aggregate)
                else:
                    source = _rows(name, kind, key, column, width, state_path.resolve().parent)
                stack.callback(source.close)
                opened.append(source)
        table = stack.enter_context(_table(port, baud, width))
        contexts = None if table is None else table.num_contexts
        wanted = None
        if map_path is not None:
            if contexts is None:
                raise click.UsageError("--map says which contexts, and no board is named: --port")
            wanted = importing.read_map(map_path, contexts)
        most = contexts if wanted is None else None
        total = sum(source.total for source in opened)
        with working(settings, "importing", total) as show:
            taken = importing.import_log(
                opened,
                state,
                most_keys=most,
                chunk=chunk,
                progress=lambda done, _: show(done),
            )
        words = state.words()
        if table is not None and contexts is not None:
            if wanted is None:
                wanted = importing.choose_addresses(words, contexts, state.addresses())
            importing.load_table(table, words, wanted)
            state.store_addresses(wanted)
        if verify:
            with working(settings, "verifying"):
                importing.verify_import(opened, state)
    result = {
        "state": str(state_path),
        "kind": kind,
        "taken": taken,
        "keys": len(words),
        "verified": verify,
        "port": port,
        "contexts": wanted or {},
        "seconds": round(monotonic() - start, 3),
    }
    if as_json:
        print_json(result)
        return
    click.echo(
        f"{taken} taken in, {len(words)} keys in {state_path}"
        + (", verified" if verify else "")
        + f", {result['seconds']:.1f} s"
    )
    for name, address in sorted((wanted or {}).items(), key=lambda item: item[1]):
        click.echo(f"context {address}  {hexadecimal(words[name], width)}  {name}")


def _rows(
    name: str, kind: str, key: str, column: str | None, width: int, folder: Path
) -> RowSource:
    from ..eventsourcing.importing import RowSource

    return RowSource(
        name,
        "deltas" if kind == "deltas" else "states",
        width,
        key=key,
        column=column or _COLUMNS[kind],
        folder=folder,
    )


def _events(name: str, application: str, layout: str | None, aggregate: str | None) -> EventSource:
    from ..eventsourcing.application import HybridStates
    from ..eventsourcing.importing import EventSource, is_application
    from ..eventsourcing.layout import Layout

    made = _named(application, "--application")
    if not is_application(made):
        raise click.BadParameter(f"{application} is no application of the eventsourcing library.")
    fields = None if layout is None else _named(layout, "--layout")
    if fields is not None and not isinstance(fields, Layout):
        raise click.BadParameter(f"{layout} is no Layout.")
    chosen = None if aggregate is None else _named(aggregate, "--aggregate")
    if chosen is not None and not isinstance(chosen, type):
        raise click.BadParameter(f"{aggregate} is no class of aggregates.")
    env: dict[str, str] = {}
    if name != "-":
        if not Path(name).is_file():
            raise click.BadParameter(f"There is no file {name}.")
        name = str(Path(name).resolve())
        _check_log(name)
        hybrid = issubclass(made, HybridStates)
        env = {
            "PERSISTENCE_MODULE": f"{'atomik_fpga.' if hybrid else ''}eventsourcing.sqlite",
            "SQLITE_DBNAME": name,
            "CREATE_TABLE": "no",
        }
    return EventSource(made(env), f"{name}:{application}", fields, aggregate=chosen)


def _check_log(path: str) -> None:
    """Raise unless a file is a database with events, before the library makes one of it."""
    from ..eventsourcing import ImportFailedError

    try:
        with closing(sqlite3.connect(f"{Path(path).as_uri()}?mode=rw", uri=True)) as database:
            database.execute("SELECT 1 FROM stored_events LIMIT 1").fetchall()
    except sqlite3.Error as error:
        raise ImportFailedError(f"{path} can't be read as a log of events: {error}") from None


def _named(text: str, option: str) -> Any:
    """Return what MODULE:NAME names; modules of the working folder are found too."""
    module, colon, name = text.partition(":")
    if not colon:
        raise click.BadParameter(f"{option} is MODULE:NAME, not {text!r}.")
    folder = os.getcwd()
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise click.BadParameter(f"{option} {text}: {error}.") from None


@contextmanager
def _table(port: str | None, baud: int | None, width: int) -> Iterator[AtomikTable | None]:
    """Attach to all contexts of the board, if one is named."""
    if not port:
        yield None
        return
    from ..table import AtomikTable

    with AtomikTable.attach(port, width=width, baud=baud) as table:
        yield table
