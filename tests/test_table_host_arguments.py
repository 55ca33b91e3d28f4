"""What a table makes of its arguments: nothing changes, and nothing is sent, if one is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial

import numpy
import pytest

from atomik_fpga import AtomikTable, ClosedError

from .backends import quick

pytestmark = quick


@pytest.fixture
def table(context_port: str | None) -> Iterator[AtomikTable]:
    """A table of 4 contexts of 8 bits, with 1 at address 1."""
    with AtomikTable(4, 8) as table:
        table.load(1, 1)
        yield table
        assert table.snapshot() == {1: 1}


ADDRESSED: dict[str, Callable[[AtomikTable, object], object]] = {
    "load": lambda table, it: table.load(it, 5),  # type: ignore[arg-type]
    "accum": lambda table, it: table.accum(it, 5),  # type: ignore[arg-type]
    "read": lambda table, it: table.read(it),  # type: ignore[arg-type]
    "swap": lambda table, it: table.swap(it, 5),  # type: ignore[arg-type]
    "context": lambda table, it: table.context(it),  # type: ignore[arg-type]
    "batch_accum": lambda table, it: table.batch_accum({1: 5, it: 5}),  # type: ignore[dict-item]
    "accum_many": lambda table, it: table.accum_many([1, it], [5, 5]),  # type: ignore[list-item]
    "read_many": lambda table, it: table.read_many([1, it]),  # type: ignore[list-item]
}


@pytest.mark.parametrize("use", ADDRESSED)
@pytest.mark.parametrize("address", [-1, 4, 2**70])
def test_an_address_out_of_range_is_an_index_error(
    table: AtomikTable, use: str, address: int
) -> None:
    with pytest.raises(IndexError, match=f"^Address must be 0 to 3, not {address}$"):
        ADDRESSED[use](table, address)


@pytest.mark.parametrize("use", ADDRESSED)
@pytest.mark.parametrize("address", [1.5, "1", None])
def test_an_address_that_is_no_integer_is_a_type_error(
    table: AtomikTable, use: str, address: object
) -> None:
    with pytest.raises(TypeError, match=f"^Address must be an integer, not {address!r}$"):
        ADDRESSED[use](table, address)


@pytest.mark.parametrize("dtype", ["i1", "i2", "i8", ">i4", "u1", "u8"])
def test_an_address_out_of_range_in_an_array_is_an_index_error(
    table: AtomikTable, dtype: str
) -> None:
    wrong = -2 if numpy.dtype(dtype).kind == "i" else 4
    addresses = numpy.array([1, wrong, 1, 200 if dtype == "u8" else 3], dtype)
    with pytest.raises(IndexError, match=f"^Address must be 0 to 3, not {wrong}$"):
        table.accum_many(addresses, [5] * 4)
    with pytest.raises(IndexError, match=f"^Address must be 0 to 3, not {wrong}$"):
        table.read_many(addresses)


VALUED: dict[str, tuple[str, Callable[[AtomikTable, object], object]]] = {
    "load": ("Initial state", lambda table, it: table.load(1, it)),  # type: ignore[arg-type]
    "accum": ("Delta", lambda table, it: table.accum(1, it)),  # type: ignore[arg-type]
    "swap": ("New reference", lambda table, it: table.swap(1, it)),  # type: ignore[arg-type]
    "batch_accum": (
        "Delta",
        lambda table, it: table.batch_accum({1: 5, 2: it}),  # type: ignore[dict-item]
    ),
    "accum_many": (
        "Delta",
        lambda table, it: table.accum_many([1, 2], [5, it]),  # type: ignore[list-item]
    ),
    "context": ("Delta", lambda table, it: table.context(1).accum(it)),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("use", VALUED)
@pytest.mark.parametrize("value", [1.0, "1", b"1"])
def test_a_word_that_is_no_integer_is_a_type_error(
    table: AtomikTable, use: str, value: object
) -> None:
    name, call = VALUED[use]
    message = f"{name} must be an integer, not {value!r}"
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        call(table, value)


def test_lengths_that_differ_are_a_value_error(table: AtomikTable) -> None:
    for addresses in ([1, 2], numpy.array([1, 2])):
        for deltas in ([5], numpy.array([5])):
            with pytest.raises(ValueError, match=r"^2 addresses for 1 deltas$"):
                table.accum_many(addresses, deltas)


@pytest.mark.parametrize("dtype", ["f8", "?", "c16"])
def test_an_array_of_other_than_integers_is_a_type_error(table: AtomikTable, dtype: str) -> None:
    wrong = numpy.array([1, 0], dtype)
    for call, name in (
        (lambda: table.accum_many([1, 2], wrong), "Deltas"),
        (lambda: table.accum_many(wrong, [1, 2]), "Addresses"),
        (lambda: table.read_many(wrong), "Addresses"),
    ):
        message = f"{name} must be integers, not an array of {wrong.dtype}"
        with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
            call()


def test_an_array_must_have_one_dimension(table: AtomikTable) -> None:
    message = "Deltas must have one dimension, not the shape (2, 1)"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        table.accum_many([1, 2], numpy.array([[1], [2]]))


@pytest.mark.parametrize("dtype", ["i1", "i2", "<i8", ">i8", "u1", "u8", "O"])
def test_an_array_of_deltas_acts_as_its_list_would(context_port: str | None, dtype: str) -> None:
    numbers = [1, 100, 7] if "u" in dtype else [1, -100, 7]
    for width in (7, 8, 64):
        with AtomikTable(4, width) as table:
            table.accum_many([0, 1, 3], numpy.array(numbers, dtype))
            assert table.read_many([0, 1, 3]) == [number % 2**width for number in numbers]


def test_arrays_need_not_be_contiguous(context_port: str | None) -> None:
    with AtomikTable(4, 8) as table:
        table.accum_many(numpy.arange(8)[::-2] % 4, numpy.arange(16, dtype="u8")[::4])
        assert table.read_all() == [0, 4 ^ 12, 0, 0 ^ 8]
        assert table.read_many(numpy.arange(8)[1:4:2]).tolist() == [12 ^ 4, 8]


def test_what_has_an_index_is_an_integer(context_port: str | None) -> None:
    class Number:
        def __index__(self) -> int:
            return 3

    with AtomikTable(Number(), Number()) as table:
        assert (table.num_contexts, table.width) == (3, 3)
        table.accum(True, numpy.uint8(255))
        table.accum_many({2: 0}, (Number(),))
        assert table.read_all() == [0, 7, 3]


@pytest.mark.parametrize("number", [0, -3])
def test_a_table_has_at_least_one_context_of_one_bit(context_port: str | None, number: int) -> None:
    message = f"Number of contexts must be a positive integer, not {number}"
    with pytest.raises(ValueError, match=f"^{message}$"):
        AtomikTable(number)
    with pytest.raises(ValueError, match=f"^Width must be a positive integer, not {number}$"):
        AtomikTable(4, number)


def test_a_table_beyond_all_memory_is_a_value_error_that_names_the_limit(
    context_port: str | None,
) -> None:
    message = f"Number of contexts must be at most 16,777,216, not {2**70}"
    with pytest.raises(ValueError, match=f"^{message}$"):
        AtomikTable(2**70)
    message = f"Width must be at most 16,777,216 bits, not {2**70}"
    with pytest.raises(ValueError, match=f"^{message}$"):
        AtomikTable(4, 2**70)


WRONG_USES: dict[str, Callable[[AtomikTable], object]] = {
    **{f"{name} at no address": partial(use, it="x") for name, use in ADDRESSED.items()},
    **{f"{name} out of range": partial(use, it=9) for name, use in ADDRESSED.items()},
    "load of no integer": lambda table: table.load(0, "x"),  # type: ignore[arg-type]
    "accum of no integer": lambda table: table.accum(0, "x"),  # type: ignore[arg-type]
    "swap to no integer": lambda table: table.swap(0, "x"),  # type: ignore[arg-type]
    "accum_many of unlike lengths": lambda table: table.accum_many([0], []),
}


@pytest.mark.parametrize("use", WRONG_USES)
def test_a_closed_table_says_that_it_is_closed_whatever_else_is_wrong(
    context_port: str | None, use: str
) -> None:
    table = AtomikTable(4, 8)
    table.close()
    message = "This table is closed: use it before close(), or make a new one"
    with pytest.raises(ClosedError, match=f"^{re.escape(message)}$"):
        WRONG_USES[use](table)


def test_number_and_width_are_integers(context_port: str | None) -> None:
    message = "Number of contexts must be a positive integer, not 4.0"
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        AtomikTable(4.0)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^Width must be a positive integer, not '8'$"):
        AtomikTable(4, "8")  # type: ignore[arg-type]
