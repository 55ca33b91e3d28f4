"""Rows of (key, delta) or (key, state) from Parquet, CSV and JSONL, through DuckDB."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
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
#: Bytes at either end of a file by which it is known again.
_ENDS: Final = 1 << 16


class RowSource:
    """A file of rows with a key and a word.

    Parquet is read where it is. CSV and JSON lines are first made into Parquet in a folder, with
    rows in their order, so that a position is the number of a row for all of them. Such a file may
    have grown since it was last read.

    Keys are integers or texts. Words are integers that fit in the width as unsigned or as two's
    complement: in Parquet, integers of up to 64 bits; in CSV, JSON lines and columns of texts,
    decimal or hexadecimal (0x…) ones.

    Parameters
    ----------
    path : path
        The file; its suffix is .parquet, .csv, .jsonl or .ndjson.
    kind : str
        ``deltas`` or ``states``.
    width : int
        Bits of a word, up to 64.
    key, column : str
        The names of the columns.
    folder : path
        Where a file that is not Parquet is made into one.

    Raises
    ------
    ImportFailedError
        If the file is not there, or not what it should be.
    """

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
        self._key, self._column = _quoted(key), _quoted(column)
        self._staged: Path | None = None
        try:
            self._parquet = self._as_parquet(Path(folder))
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
        """Return by what the file is known again: its size, and a digest of its ends.

        Of a text only the beginning counts, so that more may be written to its end.
        """
        size = self._path.stat().st_size
        return f"{size}:{self._digest(size)}"

    def check_identity(self, identity: str) -> None:
        """Raise unless this is the file, grown perhaps, that had this identity.

        Raises
        ------
        ImportFailedError
            If it is not.
        """
        size, _, digest = identity.partition(":")
        now = self._path.stat().st_size
        grown = self._staged is not None and now >= int(size)
        if not (grown or now == int(size)) or self._digest(int(size)) != digest:
            raise ImportFailedError(
                f"{self._path} is not the file that it was when a part of it was imported: import "
                "the new one into another state"
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
        if key_type not in (*_UNSIGNED, *_SIGNED, "VARCHAR"):
            raise ImportFailedError(
                f"Keys of {self._path} must be integers or texts, not {key_type}"
            )
        bits = _UNSIGNED.get(word_type) or _SIGNED.get(word_type)
        if word_type == "VARCHAR":
            self._word = f"CAST({self._column} AS HUGEINT)"
            self._refuse_texts("read_parquet(?)", str(self._parquet))
        elif bits is None:
            raise ImportFailedError(
                f"{self._column} of {self._path} must hold integers of up to {_WIDEST} bits, or "
                f"texts, not {word_type}"
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
            rows = "read_csv(?, all_varchar = true, header = true)"
        elif suffix in (".jsonl", ".ndjson"):
            key, column = (_literal(name) for name in (self._key, self._column))
            rows = (
                "read_json(?, format = 'newline_delimited', "
                f"columns = {{{key}: 'VARCHAR', {column}: 'VARCHAR'}})"
            )
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
        digest = hashlib.blake2b(digest_size=16)
        with self._path.open("rb") as file:
            digest.update(file.read(min(_ENDS, size)))
            if self._staged is None:
                file.seek(max(0, size - _ENDS))
                digest.update(file.read(_ENDS))
        return digest.hexdigest()

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except duckdb.Error as error:
            first = str(error).partition("\n")[0]
            raise ImportFailedError(f"{self._path} can't be read: {first}") from error


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    text = text[1:-1].replace('""', '"') if text.startswith('"') else text
    return "'" + text.replace("'", "''") + "'"
