"""Fixtures of the event-sourcing tests: databases, applications and imports."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from atomik_fpga.eventsourcing.importing import ImportState, RowSource, import_log, verify_import

from .accounts import Accounts
from .logs import Take
from .postgres_server import PostgresServer, postgres_server

#: The server of the tests is started the way POSIX has it.
DATABASES = ("sqlite", "postgresql") if os.name == "posix" else ("sqlite",)


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    """Run a server for a module's tests. It need not survive the machine's end."""
    with postgres_server("-c", "fsync=off") as server:
        yield server


@pytest.fixture
def postgres_env(postgres: PostgresServer) -> dict[str, str]:
    """Return the environment of an application on the server, which is empty."""
    with postgres.connect() as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    return postgres.env


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """Return the environment of an application on a database of its own."""
    if request.param == "sqlite":
        return {"SQLITE_DBNAME": str(tmp_path / "events.db")}
    env: dict[str, str] = request.getfixturevalue("postgres_env")
    return env


@pytest.fixture
def make_app(database: dict[str, str]) -> Iterator[Callable[..., Accounts]]:
    """Return what opens an application on the test's database."""
    opened: list[Accounts] = []

    def make(kind: type[Accounts] = Accounts, **variables: str) -> Accounts:
        opened.append(kind({**database, **variables}))
        return opened[-1]

    yield make
    for app in opened:
        app.close()


@pytest.fixture
def take(tmp_path: Path) -> Take:
    """Return what imports a file into a state and verifies it."""

    def take_in(
        path: Path, kind: Any = "deltas", width: int = 64, **options: Any
    ) -> dict[str, int]:
        column = "delta" if kind == "deltas" else "state"
        with (
            ImportState(tmp_path / "state.db", kind, width) as state,
            RowSource(path, kind, width, column=column, folder=tmp_path) as source,
        ):
            import_log([source], state, **options)
            verify_import([source], state)
            return state.words()

    return take_in
