"""Imports of rows: against a fold in plain Python, interrupted, resumed, and refused."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest

from atomik_fpga import AtomikTable
from atomik_fpga.eventsourcing import ImportFailedError
from atomik_fpga.eventsourcing.importing import (
    ImportState,
    RowSource,
    choose_addresses,
    import_log,
    load_table,
    read_map,
    verify_import,
)
from atomik_fpga.eventsourcing.importing.state import SourceRecord

Row = tuple[Any, Any]

MASK = (1 << 64) - 1
SUFFIXES = [".parquet", ".csv", ".jsonl"]


def write(
    path: Path, rows: Iterable[Row], column: str = "delta", sql_type: str = "UBIGINT"
) -> Path:
    """Write rows of (key, word), as Parquet or as text."""
    rows = list(rows)
    if path.suffix == ".csv":
        lines = [f"key,{column}", *(f'"{key}",{word}' for key, word in rows)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps({"key": k, column: w}) + "\n" for k, w in rows))
    else:
        key_type = "VARCHAR" if any(isinstance(key, str) for key, _ in rows) else "INTEGER"
        text = write(path.with_suffix(".csv"), rows, column)
        with duckdb.connect(":memory:") as database:
            database.execute(
                f"COPY (SELECT key::{key_type} AS key, {column}::{sql_type} AS {column} FROM "
                f"read_csv('{text}', all_varchar = true, header = true)) "
                f"TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 2048)"
            )
        text.unlink()
    return path


def random_rows(count: int, keys: int, seed: int = 1) -> list[Row]:
    source = random.Random(seed)
    return [(f"k{source.randrange(keys)}", source.getrandbits(64)) for _ in range(count)]


def xor_of(rows: Iterable[Row], mask: int = MASK) -> dict[str, int]:
    words: dict[str, int] = {}
    for key, word in rows:
        words[str(key)] = words.get(str(key), 0) ^ (word & mask)
    return words


def last_of(rows: Iterable[Row]) -> dict[str, int]:
    return {str(key): word & MASK for key, word in rows}


@pytest.fixture
def take(tmp_path: Path) -> Callable[..., dict[str, int]]:
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


Take = Callable[..., dict[str, int]]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("chunk", [700, 10_000])
def test_deltas_are_xored_by_key(tmp_path: Path, take: Take, suffix: str, chunk: int) -> None:
    rows = random_rows(3_000, 40)
    path = write(tmp_path / f"log{suffix}", rows)
    assert take(path, chunk=chunk) == xor_of(rows)
    # A second time there is nothing left to take in, and no delta acts twice.
    assert take(path, chunk=chunk) == xor_of(rows)
    assert list(tmp_path.glob("*.*.parquet")) == []


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("chunk", [700, 10_000])
def test_of_states_the_last_one_counts(tmp_path: Path, take: Take, suffix: str, chunk: int) -> None:
    rows = random_rows(3_000, 40)
    path = write(tmp_path / f"log{suffix}", rows, "state")
    assert take(path, "states", chunk=chunk) == last_of(rows)


@pytest.mark.parametrize("sql_type", ["TINYINT", "SMALLINT", "INTEGER", "BIGINT"])
def test_signed_words_are_twos_complement(tmp_path: Path, take: Take, sql_type: str) -> None:
    rows = [(1, -1), (1, 5), (2, -128), (-3, 127)]
    path = write(tmp_path / "log.parquet", rows, sql_type=sql_type)
    assert take(path) == xor_of(rows)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_texts_are_decimal_or_hexadecimal_and_keep_all_bits(
    tmp_path: Path, take: Take, suffix: str
) -> None:
    path = tmp_path / f"log{suffix}"
    words = ["18446744073709551615", "0xF0", "-1", "9007199254740993", "0x8000000000000000"]
    write(path, [(f"k{number}", word) for number, word in enumerate(words)])
    assert list(take(path).values()) == [MASK, 0xF0, MASK, 9007199254740993, 1 << 63]


@pytest.mark.parametrize("width", [7, 33])
def test_narrow_words(tmp_path: Path, take: Take, width: int) -> None:
    mask = (1 << width) - 1
    rows = [(key, word & mask) for key, word in random_rows(500, 9)]
    assert take(write(tmp_path / "log.parquet", rows), width=width) == xor_of(rows, mask)


def test_rows_that_were_added_to_a_text_are_taken_in_and_no_other(
    tmp_path: Path, take: Take
) -> None:
    rows = random_rows(900, 9)
    path = tmp_path / "log.jsonl"
    for count in (0, 1, 400, 900):
        write(path, rows[:count])
        if count:
            assert take(path, chunk=150) == xor_of(rows[:count])


class StoppedError(Exception):
    """Stands for whatever ends an import."""


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_interrupted_import_goes_on_behind_what_was_committed(
    tmp_path: Path, take: Take, suffix: str
) -> None:
    rows = random_rows(2_000, 20)
    path = write(tmp_path / f"log{suffix}", rows)
    seen: list[int] = []

    def stop_after_two(done: int, total: int) -> None:
        seen.append(done)
        if len(seen) % 2 == 0:
            raise StoppedError

    for _ in range(3):
        with pytest.raises(StoppedError):
            take(path, chunk=300, progress=stop_after_two)
    assert seen == [300, 600, 900, 1_200, 1_500, 1_800]
    assert take(path, chunk=300, progress=lambda done, total: seen.append(done)) == xor_of(rows)
    assert seen[-1] == 2_000


def test_several_sources_add_up(tmp_path: Path) -> None:
    first, second = random_rows(500, 9, seed=1), random_rows(500, 12, seed=2)
    paths = [write(tmp_path / "a.parquet", first), write(tmp_path / "b.csv", second)]
    with ImportState(tmp_path / "state.db", "deltas", 64) as state:
        sources = [RowSource(p, "deltas", 64, column="delta", folder=tmp_path) for p in paths]
        assert import_log(sources, state, chunk=200) == 1_000
        assert verify_import(sources, state) == 12
        assert state.words() == xor_of([*first, *second])
        with pytest.raises(
            ImportFailedError, match=r"can be verified only with all of them: .*b\.csv"
        ):
            verify_import(sources[:1], state)
        for source in sources:
            source.close()


def test_two_imports_at_a_time_count_nothing_twice(tmp_path: Path) -> None:
    path = write(tmp_path / "log.parquet", random_rows(100, 3))
    with (
        ImportState(tmp_path / "state.db", "deltas", 64) as one,
        ImportState(tmp_path / "state.db", "deltas", 64) as other,
        RowSource(path, "deltas", 64, column="delta", folder=tmp_path) as source,
    ):

        def meanwhile(done: int, total: int) -> None:
            import_log([source], other)

        with pytest.raises(ImportFailedError, match="another import into this state is running"):
            import_log([source], one, chunk=40, progress=meanwhile)
        assert verify_import([source], one) == 3


def test_a_wrong_word_in_the_state_is_found(tmp_path: Path) -> None:
    path = write(tmp_path / "log.parquet", [("a", 1), ("b", 2)])
    with (
        ImportState(tmp_path / "state.db", "deltas", 64) as state,
        RowSource(path, "deltas", 64, column="delta", folder=tmp_path) as source,
    ):
        import_log([source], state)
        record = state.source(source.name)
        assert record is not None
        state.commit(source.name, record.position, record, {"b": 4})
        with pytest.raises(
            ImportFailedError, match="Key 'b' has the word 6, and its source gives 2"
        ):
            verify_import([source], state)


# What is refused.


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
    path.write_text(f'"key"{delimiter}delta\n')
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


# Contexts.


def test_keys_get_the_lowest_free_addresses_and_keep_them() -> None:
    first = choose_addresses(["10", "b", "9", "a"], 8, {})
    assert first == {"9": 0, "10": 1, "a": 2, "b": 3}
    assert choose_addresses(["10", "b", "9", "a", "0"], 8, first) == {**first, "0": 4}
    with pytest.raises(
        ImportFailedError, match="more keys than the 3 contexts: choose keys with a"
    ):
        choose_addresses(["a", "b", "c", "d"], 3, {})
    with pytest.raises(ImportFailedError, match="'b' had address 3, and there are 3 contexts"):
        choose_addresses(["b"], 3, first)


def test_more_keys_than_contexts_is_an_error_before_anything_is_committed(
    tmp_path: Path, take: Take
) -> None:
    path = write(tmp_path / "log.parquet", [("a", 1), ("b", 2), ("c", 4)])
    with pytest.raises(ImportFailedError, match="has more keys than there are contexts: 3 of its"):
        take(path, most_keys=2)
    with ImportState(tmp_path / "state.db", "deltas", 64) as state:
        assert state.words() == {}


@pytest.mark.parametrize("port", [None, "sim://"])
def test_a_table_gets_the_words_of_the_keys_that_have_an_address(port: str | None) -> None:
    words = {"a": 5, "b": MASK, "c": 7}
    with AtomikTable(4, port=port) as table:
        table.load(2, 99)
        assert load_table(table, words, {"b": 3, "a": 0}) == 2
        assert table.read_all() == [5, 0, 99, MASK]
        with pytest.raises(ImportFailedError, match="No row has the key 'x', which the map names"):
            load_table(table, words, {"x": 1})
        assert table.read_all() == [5, 0, 99, MASK]


class ForgetfulTable(AtomikTable):
    """Loses a load."""

    def load(self, addr: Any, initial_state: Any) -> None:
        super().load(addr, initial_state if addr != 1 else 0)


def test_a_table_that_does_not_hold_what_was_loaded_is_noticed() -> None:
    with pytest.raises(ImportFailedError, match="Context 1 holds 0x0 after 0x7 of 'b' was loaded"):
        load_table(ForgetfulTable(4), {"a": 5, "b": 7}, {"a": 0, "b": 1})


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("key,address\na,3\nb,0\n", {"a": 3, "b": 0}),
        ('address,key\n1,"a,b"\n', {"a,b": 1}),
        ("a,3\n", "needs a first line with key,address"),
        ("key,address\na,4\n", "the address 4, and there are 4 contexts, from 0 on"),
        ("key,address\na,-1\n", "gives 'a' the address '-1'"),
        ("key,address\na\n", "gives 'a' the address None"),
        ("key,address\na,1\na,2\n", "has the key 'a' twice"),
        ("key,address\na,1\nb,1\n", "gives the address 1 to 'a' and 'b'"),
    ],
)
def test_maps(tmp_path: Path, content: str, expected: Mapping[str, int] | str) -> None:
    path = tmp_path / "map.csv"
    path.write_text(content)
    if isinstance(expected, str):
        with pytest.raises(ImportFailedError, match=expected):
            read_map(path, 4)
    else:
        assert read_map(path, 4) == expected


def test_a_map_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ImportFailedError, match="can't be read: No such file"):
        read_map(tmp_path / "map.csv", 4)
