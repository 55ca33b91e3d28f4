"""What a context takes for a number, a width or a port, on every backend."""

from __future__ import annotations

import re
from typing import Any

import pytest

from atomik_fpga import AtomikContext

from .backends import Make, quick


class Index:
    """An integer that is not an ``int``, as NumPy's are."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value


@pytest.mark.parametrize(("value", "word"), [(-1, 0xFF), (0x1FF, 0xFF), (-2, 0xFE), (1 << 90, 0)])
def test_integers_are_masked_to_the_width(make_context: Make, value: int, word: int) -> None:
    context = make_context(8)
    context.load(value)
    assert context.read() == word
    context.accum(value)
    assert context.accumulator == word
    assert context.read() == 0
    context.rollback(value)
    assert context.read() == word
    assert context.swap(value) == word
    assert context.reference == word


@pytest.mark.parametrize("integer", [Index(0x105), True, 0x105])
def test_whatever_has_an_index_is_an_integer(make_context: Make, integer: Any) -> None:
    word = integer.__index__() & 0xFF
    context = make_context(Index(8), integer)
    assert context.reference == word
    context.load(0)
    context.accum(integer)
    assert context.swap(integer) == word
    assert context.read() == word
    assert type(context.read()) is int


@quick
@pytest.mark.parametrize("value", [1.0, "1", b"\x01", bytearray(b"\x01"), None, 1j])
@pytest.mark.parametrize(
    ("method", "name"),
    [
        ("load", "Value"),
        ("accum", "Delta"),
        ("rollback", "Delta"),
        ("swap", "New reference"),
    ],
)
def test_what_is_no_integer_is_a_type_error_and_changes_nothing(
    make_context: Make, method: str, name: str, value: object
) -> None:
    context = make_context(8, 1)
    context.accum(2)
    if method == "swap" and value is None:
        assert context.swap(None) == 3
        return
    message = f"{name} must be an integer, not {value!r}"
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        getattr(context, method)(value)
    assert context.snapshot() == {
        "width": 8,
        "reference": 1,
        "accumulator": 2,
        "state": 3,
        "delta_count": 1,
    }


@quick
@pytest.mark.parametrize("value", [-1, 0x100, 1 << 90])
@pytest.mark.parametrize(
    ("method", "name"),
    [("load", "Value"), ("accum", "Delta"), ("rollback", "Delta"), ("swap", "New reference")],
)
def test_a_strict_context_refuses_negative_and_wide_integers(
    make_context: Make, method: str, name: str, value: int
) -> None:
    context = make_context(8, 0xFF, strict=True)
    message = f"{name} of a strict context of 8 bits must be between 0 and 0xff, not {value:#x}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        getattr(context, method)(value)
    assert (context.read(), context.delta_count) == (0xFF, 0)


@quick
@pytest.mark.parametrize(
    ("method", "name"),
    [("load", "Value"), ("accum", "Delta"), ("rollback", "Delta"), ("swap", "New reference")],
)
def test_a_strict_context_refuses_bools(make_context: Make, method: str, name: str) -> None:
    context = make_context(8, 0xFF, strict=True)
    message = f"{name} of a strict context must be an integer, not True"
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        getattr(context, method)(True)
    assert (context.read(), context.delta_count) == (0xFF, 0)


@quick
def test_a_strict_context_refuses_a_bool_for_a_width(make_context: Make) -> None:
    message = "Width of a strict context must be a positive integer, not True"
    with pytest.raises(TypeError, match=message):
        make_context(True, strict=True)


def test_a_strict_context_refuses_a_wide_initial_state(make_context: Make) -> None:
    message = "Initial state of a strict context of 8 bits must be between 0 and 0xff, not 0x100"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        make_context(8, 0x100, strict=True)


def test_a_strict_context_takes_all_words_of_its_width(make_context: Make) -> None:
    context = make_context(8, 0xFF, strict=True)
    context.accum(0)
    context.accum(Index(0xF0))
    assert context.swap(0xFF) == 0x0F
    assert context.read() == 0xFF


@quick
@pytest.mark.parametrize("width", [0, -1])
def test_a_width_below_1_is_a_value_error(make_context: Make, width: int) -> None:
    with pytest.raises(ValueError, match=rf"^Width must be a positive integer, not {width}$"):
        make_context(width)


@quick
@pytest.mark.parametrize("width", [8.0, "8", b"8", None])
def test_a_width_that_is_not_an_integer_is_a_type_error(make_context: Make, width: object) -> None:
    message = f"Width must be a positive integer, not {width!r}"
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        make_context(width)


@quick
@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (2**24 + 1, "16777217"),
        (2**70, str(2**70)),
        (1 << 16609, "0x20000000... (16610 bits)"),
    ],
    ids=["one more", "2**70", "more digits than Python prints"],
)
def test_a_width_beyond_all_memory_is_a_value_error_that_names_the_limit(
    make_context: Make, width: int, shown: str
) -> None:
    message = f"Width must be at most 16,777,216 bits, not {shown}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        make_context(width)


@quick
@pytest.mark.parametrize("value", [1.0, "1", b"\x01", None])
def test_an_initial_state_that_is_not_an_integer_is_a_type_error(
    make_context: Make, value: object
) -> None:
    message = f"Initial state must be an integer, not {value!r}"
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        make_context(8, value)


def test_an_empty_port_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATOMIK_PORT", "")
    assert AtomikContext().port is None


@pytest.mark.parametrize(
    ("port", "error", "message"),
    [
        ("", ValueError, "Port must be a URL, not ''; pass None for ATOMIK_PORT or none"),
        (5, TypeError, "Port must be a URL or None, not 5"),
    ],
)
def test_a_port_that_is_no_url_is_refused(
    no_port: None, port: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        AtomikContext(port=port)


def test_a_subclass_with_a_port_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Named(AtomikContext):
        pass

    monkeypatch.setenv("ATOMIK_PORT", "nowhere://")
    message = (
        "Named is a subclass of AtomikContext, and those have no port; use AtomikContext itself "
        "on a device, or unset ATOMIK_PORT"
    )
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        Named()


def test_an_attribute_error_of_a_number_is_not_taken_for_a_closed_context(no_port: None) -> None:
    class Broken:
        def __index__(self) -> int:
            raise AttributeError("mine")

    with pytest.raises(AttributeError, match=r"^mine$"):
        AtomikContext().accum(Broken())


def test_a_number_that_accumulates_while_it_is_converted_loses_nothing(make_context: Make) -> None:
    context = make_context(8)

    class Reentrant:
        def __index__(self) -> int:
            context.accum(1)
            return 2

    context.accum(Reentrant())
    assert (context.read(), context.delta_count) == (3, 2)
    context.load(Reentrant())
    assert (context.read(), context.delta_count) == (2, 0)
    assert context.swap(Reentrant()) == 3
    assert (context.read(), context.delta_count) == (2, 0)
