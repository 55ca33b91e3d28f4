"""Rows of (key, delta) or (key, state) from Parquet, CSV and JSONL, through DuckDB."""

from __future__ import annotations

import csv
import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

import duckdb

from ..errors import ImportFailedError

__all__ = ["Kind", "RowSource"]

#: What rows hold beside their key.
Kind = Literal["deltas", "states"]

_UNSIGNED: Final = {"UTINYINT": 8, "USMALLINT": 16, "UINTEGER": 32, "UBIGINT": 64}
_SIGNED: Final = {"TINYINT": 8, "SMALLINT": 16, "INTEGER": 32, "BIGINT": 64}
#: Bits of the widest words: what Parquet has integers for.
_WIDEST: Final = 64
#: An integer in a text. DuckDB's own cast would round 1.5.
_INTEGER: Final = r"\s*([+-]?[0-9]+|0[xX][0-9a-fA-F]+)\s*"
#: What may be between the columns of a CSV file.
_DELIMITERS: Final = (",", ";", "\t", "|")
#: Bytes at either end of a file by which it is known again.
_ENDS: Final = 1 << 16


class RowSource:
    """A file of rows with a key and a word.

    Parquet is read where it is. CSV and JSON lines are first made into Parquet in a folder, with
    rows in their order, so that a position is the number of a row for all of them. Such a file may
    have grown since it was last read, by whole rows.

    CSV is that of RFC 4180 in UTF-8, with the columns' names in its first line; it is told by that
    line whether commas, semicolons, tabs or bars are between them.

    Keys are integers, texts or UUIDs. Words are integers that fit in the width as unsigned or as
    two's complement: in Parquet, integers of up to 64 bits; in CSV, JSON lines and columns of
    texts, decimal or hexadecimal (0x…) ones.

    Parameters
    ----------
    path : path
        The file; its suffix is .parquet, .csv, .jsonl or .ndjson.
    kind : {"deltas", "states"}
        What rows hold.
    width : int
        Bits of a word, up to 64.
    key, column : str
        The names of the columns.
    folder : path
        Where a file that is not Parquet is made into one.

    Raises
    ------
    ImportFailedError
        If the file is not there, or not what it should be, or grew while it was read.
    """

    #: Rows that are taken in at a time, unless told.
    portion = 1 << 24

    def __init__(
        self,
        path: str | Path,
        kind: Kind,
        width: int,
        *,
        key: str = "key",
        column: str,
        folder: str | Path,
    ) -> None:
        if width > _WIDEST:
            raise ImportFailedError(
                f"Rows are imported into words of up to {_WIDEST} bits, not {width}"
            )
        self.kind: str = kind
        self._path = Path(path)
        self._width = width
        #: What the state calls the source.
        self.name = str(self._path.resolve())
        if not self._path.is_file():
            raise ImportFailedError(f"There is no file {path}")
        self._duckdb = duckdb.connect(":memory:")
        self._duckdb.execute("SET enable_progress_bar = false")
        self._duckdb.execute("SET autoinstall_known_extensions = false")
        self._names = (key, column)
        self._key, self._column = _quoted(key), _quoted(column)
        self._size = self._path.stat().st_size
        self._staged: Path | None = None
        try:
            self._parquet = self._as_parquet(Path(folder))
            if self._staged is not None and self._path.stat().st_size != self._size:
                # Half of a row may have been there.
                raise ImportFailedError(
                    f"{path} grew while it was read: import it again when nobody writes to it, or "
                    "a copy of it"
                )
            with self._reading():
                self._open()
        except BaseException:
            self.close()
            raise

    @property
    def total(self) -> int:
        """How many rows there are."""
        return self._total

    def identity(self) -> str:
        """Return by what the file is known again: its size, and a digest of its ends."""
        return f"{self._size}:{self._digest(self._size)}"

    def had_identity(self, identity: str) -> bool:
        """Return whether this is the file, a text that has grown perhaps, that had an identity."""
        before, _, digest = identity.partition(":")
        size = int(before)
        grown = self._staged is not None and self._size > size
        return (grown or self._size == size) and self._digest(size) == digest

    def check_identity(self, identity: str) -> None:
        """Raise unless this is the file, grown by whole rows perhaps, that had this identity.

        Raises
        ------
        ImportFailedError
            If it is not.
        """
        if not self.had_identity(identity):
            raise ImportFailedError(
                f"{self._path} is not the file that it was when a part of it was imported: import "
                "the new one into another state"
            )
        size = int(identity.partition(":")[0])
        with self._path.open("rb") as file:
            file.seek(max(0, size - 1))
            seam = file.read(2)
        if self._size > size > 0 and not any(each in b"\r\n" for each in seam):
            raise ImportFailedError(
                f"{self._path} ended within a row when a part of it was imported, and that row has "
                "grown since: import it into another state"
            )

    def chunk(self, start: int, stop: int) -> dict[str, int]:
        """Return what the rows from ``start`` to before ``stop`` come to, by key.

        Of deltas that is their XOR, of states the last one.

        Raises
        ------
        ImportFailedError
            If a row has no key or no word, or a word that does not fit.
        """
        return self._words(start, stop)

    def recompute(self, stop: int) -> dict[str, int]:
        """Return what all rows before ``stop`` come to, by key, without chunks."""
        return self._words(0, stop)

    def close(self) -> None:
        """Remove what was made of a file that is not Parquet."""
        self._duckdb.close()
        if self._staged is not None:
            self._staged.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        """Return the object itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    def _words(self, start: int, stop: int) -> dict[str, int]:
        if self.kind == "deltas":
            word = f"bit_xor({self._word})"
        else:
            word = f"arg_max({self._word}, file_row_number)"
        limits = f", min({self._word}), max({self._word})" if self._narrower else ", 0, 0"
        query = (
            f"SELECT {self._key}, {word}, count(*) - count({self._column}){limits} FROM {{rows}} "
            f"GROUP BY {self._key}"
        )
        with self._reading():
            found = self._select(query, start, stop)
        words = {}
        for key, each, missing, least, greatest in found:
            if key is None or missing:
                raise ImportFailedError(
                    f"{self._path} has rows without a key or without a word between rows {start} "
                    f"and {stop}"
                )
            for bound in (least, greatest):
                self._check_fit(bound)
            words[str(key)] = each & (1 << self._width) - 1
        return words

    def _select(self, query: str, start: int, stop: int) -> list[tuple[Any, ...]]:
        whole = start == 0 and stop == self._total
        rows = "read_parquet(?, file_row_number = true)"
        values: list[Any] = [str(self._parquet)]
        if not whole:
            # Row groups that are outside are not read.
            rows = f"(SELECT * FROM {rows} WHERE file_row_number >= ? AND file_row_number < ?)"
            values += [start, stop]
        return self._duckdb.execute(query.format(rows=rows), values).fetchall()

    def _check_fit(self, word: int) -> None:
        if not -(1 << self._width - 1) <= word < 1 << self._width:
            raise ImportFailedError(
                f"{self._path} has the word {word}, which does not fit in {self._width} bits: name "
                "a greater width"
            )

    def _open(self) -> None:
        """Look at the columns."""
        found = self._duckdb.execute(
            "SELECT num_rows FROM parquet_file_metadata(?)", [str(self._parquet)]
        ).fetchone()
        self._total = int(found[0]) if found else 0
        columns = self._duckdb.execute(
            f"DESCRIBE SELECT {self._key}, {self._column} FROM read_parquet(?)",
            [str(self._parquet)],
        ).fetchall()
        (_, key_type, *_), (_, word_type, *_) = columns
        if key_type not in (*_UNSIGNED, *_SIGNED, "VARCHAR", "UUID"):
            raise ImportFailedError(
                f"{self._key} of {self._path} must hold integers, texts or UUIDs, not {key_type}: "
                "name another column, or write it as texts"
            )
        bits = _UNSIGNED.get(word_type) or _SIGNED.get(word_type)
        if word_type == "VARCHAR":
            self._word = f"CAST({self._column} AS HUGEINT)"
            self._refuse_texts("read_parquet(?)", str(self._parquet))
        elif bits is None:
            raise ImportFailedError(
                f"{self._column} of {self._path} must hold integers of up to {_WIDEST} bits, or "
                f"texts, not {word_type}: name another column, or write it as one of these"
            )
        else:
            self._word = self._column
        self._narrower = bits is None or bits > self._width

    def _as_parquet(self, folder: Path) -> Path:
        """Return the file as Parquet."""
        suffix = self._path.suffix.lower()
        if suffix == ".parquet":
            return self._path
        if suffix == ".csv":
            delimiter, names = self._first_line()
            # Nothing is guessed: what a quote means must not depend on the first rows.
            rows = (
                f"read_csv(?, auto_detect = false, columns = {_texts(names)}, header = true, "
                f"delim = {_literal(delimiter)}, quote = '\"', escape = '\"', nullstr = '', "
                "strict_mode = true)"
            )
        elif suffix in (".jsonl", ".ndjson"):
            rows = f"read_json(?, format = 'newline_delimited', columns = {_texts(self._names)})"
        else:
            raise ImportFailedError(f"{self._path} must end in .parquet, .csv, .jsonl or .ndjson")
        self._staged = staged = folder / f"{self._path.name}.{os.getpid()}.parquet"
        with self._reading():
            self._duckdb.execute(
                f"COPY (SELECT {self._key}, {self._column} FROM {rows}) "
                f"TO {_literal(str(staged))} (FORMAT parquet)",
                [str(self._path)],
            )
        return staged

    def _first_line(self) -> tuple[str, list[str]]:
        """Return what is between the columns of a CSV file, and their names."""
        with self._path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            line = file.readline()
        wanted = {name.casefold() for name in self._names}
        for delimiter in _DELIMITERS:
            names = next(csv.reader([line], delimiter=delimiter), [])
            if wanted <= {name.casefold() for name in names}:
                return delimiter, names
        names = next(csv.reader([line]), [])
        known = {name.casefold() for name in names}
        missing = next(name for name in self._names if name.casefold() not in known)
        there = f" but {', '.join(map(repr, names))}" if names else ""
        raise ImportFailedError(
            f"The first line of {self._path} names no column {missing!r}{there}"
        )

    def _refuse_texts(self, rows: str, path: str) -> None:
        found = self._duckdb.execute(
            f"SELECT {self._column} FROM {rows} "
            f"WHERE NOT regexp_full_match({self._column}, ?) LIMIT 1",
            [path, _INTEGER],
        ).fetchone()
        if found is not None:
            raise ImportFailedError(
                f"{self._path} has {found[0]!r} as a word: words are integers, decimal or 0x…"
            )

    def _digest(self, size: int) -> str:
        """Return a digest of both ends of the file's first ``size`` bytes."""
        digest = hashlib.blake2b(digest_size=16)
        with self._path.open("rb") as file:
            digest.update(file.read(min(_ENDS, size)))
            start = max(0, size - _ENDS)
            file.seek(start)
            digest.update(file.read(size - start))
        return digest.hexdigest()

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except duckdb.Error as error:
            # What follows would help who calls DuckDB.
            told = re.split(r"\n\s*(?:Possible|LINE)", str(error))[0]
            lines = "; ".join(line.strip() for line in told.splitlines() if line.strip())
            raise ImportFailedError(f"{self._path} can't be read: {lines}") from error


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _texts(names: Iterable[str]) -> str:
    """Return columns of texts, as the readers' options have them."""
    return "{" + ", ".join(f"{_literal(name)}: 'VARCHAR'" for name in names) + "}"
