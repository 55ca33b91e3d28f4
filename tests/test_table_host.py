"""What a table does, on every backend: one suite, whatever carries the bits."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy
import pytest

from atomik_fpga import AtomikContext, AtomikTable, ClosedError

from .backends import quick

MakeTable = Callable[..., AtomikTable]


@pytest.fixture
def make_table(context_port: str | None) -> Iterator[MakeTable]:
    """A maker of tables as a program makes them, closed at the end."""
    made: list[AtomikTable] = []

    def make_table(*args: Any, **options: Any) -> AtomikTable:
        made.append(AtomikTable(*args, **options))
        return made[-1]

    yield make_table
    for table in made:
        table.close()


# Single ops.


def test_every_context_of_a_new_table_is_zero_and_clean(make_table: MakeTable) -> None:
    table = make_table(5)
    assert isinstance(table, AtomikTable)
    assert (table.num_contexts, table.width) == (5, 64)
    assert table.read_all() == [0] * 5
    assert table.snapshot() == {}
    assert all(table.context(addr).is_clean for addr in range(5))


@pytest.mark.parametrize("width", [1, 7, 64])
def test_ops_have_their_effects_at_their_address_alone(make_table: MakeTable, width: int) -> None:
    table = make_table(4, width)
    ones = 2**width - 1
    table.load(addr=1, initial_state=-1)
    table.load(2, 1)
    table.accum(addr=1, delta=1)
    assert table.read(addr=1) == ones - 1
    assert table.swap(addr=1) == ones - 1
    assert table.swap(1, new_reference=0) == ones - 1
    assert table.swap(1, None) == 0
    assert [table.read(addr) for addr in range(4)] == [0, 0, 1, 0]


def test_snapshot_has_the_states_that_are_not_zero(make_table: MakeTable) -> None:
    table = make_table(4)
    table.load(0, 7)
    table.accum(0, 7)
    table.accum(3, 9)
    table.load(1, 5)
    assert table.snapshot() == {1: 5, 3: 9}


def test_batch_accum_takes_deltas_by_address(make_table: MakeTable) -> None:
    table = make_table(4, 8)
    table.load(2, 0xF0)
    table.batch_accum({2: 0x1FF, 0: -1})
    assert table.read_all() == [0xFF, 0, 0x0F, 0]
    table.batch_accum({})
    assert table.read_all() == [0xFF, 0, 0x0F, 0]


def test_accum_many_counts_each_of_equal_addresses(make_table: MakeTable) -> None:
    table = make_table(4, 8)
    table.accum_many([1, 1, 3, 1, 2, 3], [1, 2, 4, 8, -1, 0x104])
    assert table.read_all() == [0, 11, 0xFF, 0]
    assert [table.context(addr).delta_count for addr in range(4)] == [0, 3, 1, 2]


def test_accum_many_takes_arrays(make_table: MakeTable) -> None:
    table = make_table(4)
    addresses = numpy.array([1, 1, 3, 1, 2, 3] * 20)
    deltas = numpy.arange(120, dtype=numpy.uint64)
    table.accum_many(addresses, deltas)
    expected = [0] * 4
    for addr, delta in zip(addresses.tolist(), range(120), strict=True):
        expected[addr] ^= delta
    assert table.read_all() == expected
    assert [table.context(addr).delta_count for addr in range(4)] == [0, 60, 20, 40]


def test_read_many_keeps_the_order_asked_for(make_table: MakeTable) -> None:
    table = make_table(8)
    table.accum_many(range(8), range(100, 108))
    assert table.read_many([5, 0, 5, 7]) == [105, 100, 105, 107]
    assert table.read_many(iter([1])) == [101]
    assert table.read_many([]) == []


def test_read_many_of_an_array_is_an_array(make_table: MakeTable) -> None:
    table = make_table(8)
    table.accum_many(range(8), range(100, 108))
    states = table.read_many(numpy.array([5, 0, 5, 7], numpy.uint16))
    assert states.dtype == numpy.uint64
    assert states.tolist() == [105, 100, 105, 107]
    assert table.read_many(numpy.array([], int)).tolist() == []


def test_clear_makes_every_context_zero_and_clean(make_table: MakeTable) -> None:
    table = make_table(4, 8)
    table.load(1, 3)
    table.accum(2, 5)
    table.clear()
    assert table.read_all() == [0] * 4
    assert table.context(1).snapshot() == AtomikContext(8).snapshot()
    assert table.context(2).snapshot() == AtomikContext(8).snapshot()


def test_flush_changes_nothing(make_table: MakeTable) -> None:
    table = make_table(4)
    table.accum(1, 5)
    table.flush()
    assert table.snapshot() == {1: 5}


# Contexts of a table.


def test_a_context_of_a_table_sees_what_the_table_does_and_the_other_way(
    make_table: MakeTable,
) -> None:
    table = make_table(4, 8)
    context = table.context(2)
    assert isinstance(context, AtomikContext)
    assert context.width == 8
    table.load(2, 0xF0)
    context.accum(0x101)
    table.accum(2, 2)
    assert context.snapshot() == {
        "width": 8,
        "reference": 0xF0,
        "accumulator": 3,
        "state": 0xF3,
        "delta_count": 2,
    }
    assert context == table.context(2)
    assert context.swap() == 0xF3
    assert (context.reference, context.accumulator, context.delta_count) == (0xF3, 0, 0)
    assert context.swap(1) == 0xF3
    context.rollback(4)
    assert table.read(2) == context.read() == 5
    context.load(6)
    context.flush()
    assert table.snapshot() == {2: 6}


def test_contexts_of_a_table_merge(make_table: MakeTable) -> None:
    table = make_table(4, 8)
    left, right = table.context(0), table.context(1)
    left.accum(1)
    right.accum(2)
    right.accum(4)
    left.merge(right)
    assert (left.read(), left.delta_count) == (7, 3)


@pytest.mark.parametrize("end", ["close", "with"])
def test_the_end_of_a_tables_context_loads_0(make_table: MakeTable, end: str) -> None:
    table = make_table(4, 8)
    table.accum_many(range(4), [1, 2, 3, 4])
    context = table.context(1)
    if end == "close":
        context.close()
        context.close()
        with pytest.raises(ClosedError, match=r"^This context is closed: "):
            context.read()
        assert repr(context) == "AtomikContext(closed)"
    else:
        with context as same:
            assert same is context
        context.accum(0)
    assert table.read_all() == [1, 0, 3, 4]


@quick
def test_a_tables_context_can_not_be_copied(make_table: MakeTable) -> None:
    table = make_table(4, 8)
    for it in (table, table.context(1)):
        message = f"{it!r} can't be copied or pickled: copy its snapshot()"
        with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
            it.__reduce__()


@quick
def test_a_snapshot_of_a_tables_context_restores_to_one_outside(make_table: MakeTable) -> None:
    table = make_table(4, 8)
    table.accum(1, 9)
    with table.context(1).from_snapshot(table.context(1).snapshot()) as copied:
        copied.accum(1)
        assert (copied.read(), table.read(1)) == (8, 9)


# The end.


def test_the_end_of_a_with_block_closes_the_table(make_table: MakeTable) -> None:
    with make_table(4) as table:
        table.accum(1, 1)
        assert not table.closed
    assert table.closed
    with make_table(4) as again:
        assert again.read_all() == [0] * 4


USES: dict[str, Callable[[AtomikTable], object]] = {
    "load": lambda table: table.load(0, 1),
    "accum": lambda table: table.accum(0, 1),
    "read": lambda table: table.read(0),
    "swap": lambda table: table.swap(0),
    "context": lambda table: table.context(0),
    "batch_accum": lambda table: table.batch_accum({0: 1}),
    "accum_many": lambda table: table.accum_many([0], [1]),
    "read_many": lambda table: table.read_many([0]),
    "read_all": lambda table: table.read_all(),
    "snapshot": lambda table: table.snapshot(),
    "clear": lambda table: table.clear(),
    "flush": lambda table: table.flush(),
    "num_contexts": lambda table: table.num_contexts,
    "width": lambda table: table.width,
    "port": lambda table: table.port,
    "first": lambda table: table.first,
    "stats": lambda table: table.stats,
    "with": lambda table: table.__enter__(),
}


@quick
@pytest.mark.parametrize("use", USES)
def test_after_close_every_call_raises_closed_error(make_table: MakeTable, use: str) -> None:
    table = make_table(2)
    table.close()
    table.close()
    message = "This table is closed: use it before close(), or make a new one"
    with pytest.raises(ClosedError, match=f"^{re.escape(message)}$"):
        USES[use](table)
    assert repr(table) == "AtomikTable(closed)"


@quick
def test_contexts_of_a_closed_table_are_closed(make_table: MakeTable) -> None:
    table = make_table(2)
    context = table.context(1)
    table.close()
    with pytest.raises(ClosedError, match=r"^This table is closed: "):
        context.read()
    context.close()
    with pytest.raises(ClosedError, match=r"^This context is closed: "):
        context.read()


# Only without a port.


def test_repr_of_the_embedded_table_counts_what_is_not_as_after_clear(no_port: None) -> None:
    table = AtomikTable(8, 7)
    table.load(1, 3)
    table.load(2, 3)
    table.accum(2, 3)
    table.accum(3, 1)
    assert repr(table) == "AtomikTable(contexts=8, width=7, active=3)"
    assert repr(table.context(2)) == "AtomikContext(state=0x00, ref=0x03, acc=0x03, deltas=1)"


@pytest.mark.parametrize("width", [65, 256, 1024])
def test_the_embedded_table_may_be_wider_than_arrays(no_port: None, width: int) -> None:
    table = AtomikTable(300, width)
    top = 1 << width - 1
    table.accum_many([0, 299, 0], [top, -1, 1])
    table.accum_many(numpy.array([1, 1]), numpy.array([-1, 3]))
    table.accum_many(numpy.array([2]), numpy.array([top], object))
    assert table.read_many([0, 1, 2, 299]) == [top | 1, 2**width - 4, top, 2**width - 1]
    assert table.read_many(numpy.array([0, 2])) == [top | 1, top]
    table.clear()
    assert table.snapshot() == {}


def test_the_embedded_table_has_neither_port_nor_address_nor_statistics(no_port: None) -> None:
    table = AtomikTable()
    assert (table.port, table.first, table.stats) == (None, None, None)
    context = table.context(3)
    assert (context.port, context.address, context.stats) == (None, None, None)
