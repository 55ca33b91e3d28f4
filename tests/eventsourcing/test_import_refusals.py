"""What an import of rows refuses, and how it tells that a file is not what it was."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from atomik_fpga.eventsourcing import ImportFailedError
from atomik_fpga.eventsourcing.importing import ImportState, RowSource
from atomik_fpga.eventsourcing.importing.state import SourceRecord

from .logs import SUFFIXES, Row, Take, random_rows, write, xor_of


@pytest.mark.parametrize(
    ("suffix", "rows", "message"),
    [
        (".csv", [("a", "1.5")], "has '1.5' as a word: words are integers, decimal or 0x"),
        (".csv", [("a", "one")], "has 'one' as a word"),
        (".csv", [("a", "")], "without a key or without a word between rows 0 and 1"),
        (".jsonl", [(None, 3)], "without a key or without a word between rows 0 and 1"),
        (".csv", [("a", 1 << 64)], f"has the word {1 << 64}, which does not fit in 64 bits"),
        (".csv", [("a", -(1 << 63) - 1)], "which does not fit in 64 bits"),
    ],
)
def test_rows_that_are_no_words_are_refused(
    tmp_path: Path, take: Take, suffix: str, rows: list[Row], message: str
) -> None:
    path = write(tmp_path / f"log{suffix}", rows)
    with pytest.raises(ImportFailedError, match=message):
        take(path)
    with ImportState(tmp_path / "state.db", "deltas", 64) as state:
        assert state.words() == {}
    assert list(tmp_path.glob("*.*.parquet")) == []


def test_a_word_wider_than_the_width_is_refused(tmp_path: Path, take: Take) -> None:
    path = write(tmp_path / "log.parquet", [("a", 1), ("a", 128)])
    with pytest.raises(ImportFailedError, match="the word 128, which does not fit in 7 bits"):
        take(path, width=7)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("log.parquet", b"no parquet", "can't be read: "),
        ("log.csv", b"key,word\na,1\n", "log.csv names no column 'delta' but 'key', 'word'$"),
        ("log.csv", b"", "log.csv names no column 'key'$"),
        ("log.csv", b"key,delta\na,1\nb\n", r"can't be read: .*Line: 3.*: b.*Columns: 2 Found: 1"),
        ("log.csv", b"key,delta\na,1,2\n", r"can't be read: .*Line: 2.*Columns: 2 Found: 3"),
        ("log.csv", b'key,delta\n"a,1\nb,2\n', r"can't be read: .*unterminated quote"),
        ("log.jsonl", b'{"key": "a",\n', "can't be read: .*Malformed JSON"),
        ("log.txt", b"", r"must end in \.parquet, \.csv, \.jsonl or \.ndjson"),
    ],
)
def test_a_file_that_is_no_log_is_refused(
    tmp_path: Path, take: Take, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ImportFailedError, match=message):
        take(tmp_path / name)


def test_a_file_that_is_not_there_and_types_that_are_no_words_are_refused(
    tmp_path: Path, take: Take
) -> None:
    with pytest.raises(ImportFailedError, match="There is no file"):
        take(tmp_path / "nothing.csv")
    write(tmp_path / "log.parquet", [("a", 1.0)], sql_type="DOUBLE")
    with pytest.raises(
        ImportFailedError, match="must hold integers of up to 64 bits, or texts, not DOUBLE"
    ):
        take(tmp_path / "log.parquet")
    with pytest.raises(ImportFailedError, match="words of up to 64 bits, not 65"):
        RowSource("log.parquet", "deltas", 65, column="delta", folder=tmp_path)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_quoted_key_is_the_same_wherever_it_stands(
    tmp_path: Path, take: Take, delimiter: str
) -> None:
    # Nothing in the first rows tells that there will be quotes.
    plain = "".join(f"k{number % 7}{delimiter}{number}\n" for number in range(30_000))
    path = tmp_path / "log.csv"
    path.write_text(f"key{delimiter}delta\n")
    with path.open("a") as file:
        file.write(f'{plain}"k1"{delimiter}"0x100000"\n"a{delimiter}""b"""{delimiter}5\n')
    expected = xor_of((f"k{number % 7}", number) for number in range(30_000))
    expected["k1"] ^= 0x100000
    assert take(path) == {**expected, f'a{delimiter}"b"': 5}


def test_single_quotes_are_part_of_a_key_and_other_columns_are_left_alone(
    tmp_path: Path, take: Take
) -> None:
    path = tmp_path / "log.csv"
    path.write_text("\ufeffwhen,Delta,key\r\nnoon,3,'a'\r\nnight,4,a\r\n", encoding="utf-8")
    assert take(path) == {"'a'": 3, "a": 4}


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("grown", [False, True])
def test_a_file_that_was_moved_is_not_taken_in_again(
    tmp_path: Path, take: Take, suffix: str, grown: bool
) -> None:
    rows = random_rows(300, 9)
    path = write(tmp_path / f"log{suffix}", rows)
    words = take(path)
    moved = path.rename(tmp_path / f"moved{suffix}")
    if grown and suffix != ".parquet":
        write(moved, [*rows, ("k1", 1)])
    with pytest.raises(ImportFailedError, match=rf"moved\{suffix} is .*log\{suffix}, which was "):
        take(moved)
    with ImportState(tmp_path / "state.db", "deltas", 64) as state:
        assert state.words() == words


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_a_row_that_was_not_yet_complete_is_noticed(
    tmp_path: Path, take: Take, suffix: str
) -> None:
    whole = write(tmp_path / f"log{suffix}", [("a", 1), ("b", 1234)])
    text = whole.read_text()
    whole.write_text(text.rstrip("}\n")[:-2] + ("}" if suffix == ".jsonl" else ""))
    assert take(whole) == {"a": 1, "b": 12}
    whole.write_text(text)
    with pytest.raises(ImportFailedError, match=r"is not the file that it was|ended within a row"):
        take(whole)
    with ImportState(tmp_path / "state.db", "deltas", 64) as state:
        assert state.words() == {"a": 1, "b": 12}


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_last_row_without_an_end_of_line_is_a_row(tmp_path: Path, take: Take, end: str) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(f"key,delta{end}a,1{end}a,2".encode())
    assert take(path) == {"a": 3}
    with path.open("ab") as file:
        file.write(f"{end}a,4{end}".encode())
    assert take(path) == {"a": 7}


def test_a_text_that_was_changed_before_its_end_is_refused(tmp_path: Path, take: Take) -> None:
    rows = random_rows(9_000, 9)
    path = write(tmp_path / "log.csv", rows)
    assert path.stat().st_size > 3 << 16
    take(path)
    lines = path.read_text().splitlines(keepends=True)
    # Of the same size, and near the end.
    lines[-3], lines[-2] = lines[-2], lines[-3]
    path.write_text("".join(lines) + "k1,1\n")
    with pytest.raises(ImportFailedError, match="is not the file that it was"):
        take(path)


def test_a_text_that_grows_while_it_is_read_is_refused(
    tmp_path: Path, take: Take, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "log.csv", [("a", 1)])
    staged = RowSource._as_parquet

    def slow(source: RowSource, folder: Path) -> Path:
        found = staged(source, folder)
        with path.open("a") as file:
            file.write("a,2\n")
        return found

    with monkeypatch.context() as patch:
        patch.setattr(RowSource, "_as_parquet", slow)
        with pytest.raises(ImportFailedError, match="grew while it was read: import it again when"):
            take(path)
    assert take(path) == {"a": 3}


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_log_without_a_row_is_no_error(tmp_path: Path, take: Take, suffix: str) -> None:
    path = write(tmp_path / f"log{suffix}", [])
    assert take(path) == {}
    assert take(path) == {}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_another_file_under_the_same_name_is_refused(
    tmp_path: Path, take: Take, suffix: str
) -> None:
    path = write(tmp_path / f"log{suffix}", random_rows(300, 9, seed=1))
    words = take(path)
    write(path, random_rows(300, 9, seed=2))
    with pytest.raises(ImportFailedError, match="is not the file that it was"):
        take(path)
    with ImportState(tmp_path / "state.db", "deltas", 64) as state:
        assert state.words() == words


@pytest.mark.parametrize(("kind", "width"), [("states", 64), ("deltas", 32)])
def test_a_state_of_another_kind_or_width_is_refused(tmp_path: Path, kind: str, width: int) -> None:
    ImportState(tmp_path / "state.db", "deltas", 64).close()
    with pytest.raises(ImportFailedError, match="holds 64 bit words of deltas, not"):
        ImportState(tmp_path / "state.db", kind, width)
    with pytest.raises(ImportFailedError, match=r"state\.db can't be opened: unable to open"):
        ImportState(tmp_path / "nowhere" / "state.db", "deltas", 64)
    (tmp_path / "text.db").write_text("no database, but long enough to be looked at\n" * 9)
    with pytest.raises(ImportFailedError, match="is no state of an import"):
        ImportState(tmp_path / "text.db", kind, width)


def test_a_word_that_does_not_fit_the_state_is_refused(tmp_path: Path) -> None:
    with ImportState(tmp_path / "state.db", "events", 7) as state:
        with pytest.raises(ImportFailedError, match="'a' the word 0x80, which does not fit in 7 b"):
            state.commit("log", 0, SourceRecord(1, ""), {"b": 1, "a": 128})
        assert state.words() == {}
        assert state.source("log") is None


def test_a_state_that_can_not_be_written_is_an_error_that_says_so(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with ImportState(path, "deltas", 64) as state, closing(sqlite3.connect(path)) as other:
        state._connection.execute("PRAGMA busy_timeout = 10")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(ImportFailedError, match=r"state\.db can't be written: .*locked"):
            state.commit("log", 0, SourceRecord(1, ""), {"a": 1})
