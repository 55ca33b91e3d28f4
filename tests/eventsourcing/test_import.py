"""Imports of rows: against a fold in plain Python, interrupted, resumed, and onto contexts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

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

from .logs import MASK, SUFFIXES, Take, last_of, random_rows, write, xor_of


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


def test_keys_may_be_uuids_as_those_of_aggregates_are(tmp_path: Path, take: Take) -> None:
    keys = [UUID(int=number) for number in (1, 2)]
    path = tmp_path / "log.parquet"
    with duckdb.connect(":memory:") as database:
        database.execute(
            "COPY (SELECT key::UUID AS key, delta::UBIGINT AS delta FROM (VALUES "
            f"('{keys[0]}', 1), ('{keys[1]}', 2), ('{keys[0]}', 4)) t(key, delta)) TO '{path}'"
        )
    assert take(path) == {str(keys[0]): 5, str(keys[1]): 2}


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


def test_of_several_sources_the_later_one_has_the_last_state_whenever_they_grew(
    tmp_path: Path,
) -> None:
    monday, tuesday = tmp_path / "monday.csv", tmp_path / "tuesday.csv"
    write(monday, [("a", 1), ("b", 1)], "state")
    write(tuesday, [("b", 2), ("c", 2)], "state")
    with ImportState(tmp_path / "state.db", "states", 64) as state:

        def take_both() -> dict[str, int]:
            sources = [
                RowSource(path, "states", 64, column="state", folder=tmp_path)
                for path in (monday, tuesday)
            ]
            import_log(sources, state)
            verify_import(sources, state)
            for source in sources:
                source.close()
            return state.words()

        assert take_both() == {"a": 1, "b": 2, "c": 2}
        with monday.open("a") as file:
            file.write("a,3\nb,3\nd,3\n")
        assert take_both() == {"a": 3, "b": 2, "c": 2, "d": 3}
        with tuesday.open("a") as file:
            file.write("a,4\n")
        assert take_both() == {"a": 4, "b": 2, "c": 2, "d": 3}


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
