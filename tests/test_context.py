"""What a context does, on every backend: one suite, whatever carries the bits."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from atomik_fpga import AtomikContext, ClosedError

from .backends import Make, quick

WIDTHS = (1, 7, 8, 64)


# Making one.


def test_a_new_context_is_64_bits_wide_zero_and_clean(make_context: Make) -> None:
    context = make_context()
    assert isinstance(context, AtomikContext)
    assert context.width == 64
    assert context.read() == context.reference == context.accumulator == 0
    assert context.is_clean
    assert context.delta_count == 0


@pytest.mark.parametrize("width", WIDTHS)
def test_initial_state_is_the_reference_masked_to_the_width(make_context: Make, width: int) -> None:
    context = make_context(width, -1)
    assert context.width == width
    assert context.reference == context.read() == 2**width - 1
    assert context.accumulator == 0


def test_width_and_initial_state_may_be_named(make_context: Make) -> None:
    context = make_context(initial_state=0x1FF, width=8)
    assert (context.width, context.read()) == (8, 0xFF)


def test_contexts_are_independent(make_context: Make) -> None:
    first, second = make_context(), make_context()
    first.accum(3)
    second.load(5)
    assert (first.read(), second.read()) == (3, 5)


# The algebra.


@pytest.mark.parametrize("width", WIDTHS)
def test_load_sets_the_reference_and_clears_accumulator_and_count(
    make_context: Make, width: int
) -> None:
    context = make_context(width, -1)
    context.accum(1)
    context.load(1)
    assert context.reference == context.read() == 1
    assert context.accumulator == 0
    assert context.is_clean
    assert context.delta_count == 0


@pytest.mark.parametrize("width", WIDTHS)
def test_accum_exclusive_ors_into_accumulator_and_state_and_counts(
    make_context: Make, width: int
) -> None:
    context = make_context(width, 1)
    context.accum(-1)
    assert context.accumulator == 2**width - 1
    assert context.reference == 1
    assert context.read() == 2**width - 2
    assert not context.is_clean
    assert context.delta_count == 1


def test_accum_twice_is_clean_and_counts_two(make_context: Make) -> None:
    context = make_context(initial_state=7)
    context.accum(0xABC)
    context.accum(0xABC)
    assert context.read() == 7
    assert context.is_clean
    assert context.delta_count == 2


def test_rollback_undoes_one_delta_among_others_and_counts(make_context: Make) -> None:
    context = make_context(initial_state=0x100)
    for delta in (1, 2, 4):
        context.accum(delta)
    context.rollback(2)
    assert context.read() == 0x105
    assert context.delta_count == 4


@pytest.mark.parametrize("width", WIDTHS)
def test_swap_keeps_the_state_as_the_new_reference(make_context: Make, width: int) -> None:
    context = make_context(width)
    context.accum(-1)
    assert context.swap() == 2**width - 1
    assert context.read() == context.reference == 2**width - 1
    assert context.is_clean
    assert context.delta_count == 0


@pytest.mark.parametrize("new", [0, 1, 0x5A])
def test_swap_to_a_value_sets_the_reference_and_returns_the_old_state(
    make_context: Make, new: int
) -> None:
    context = make_context(8, 0xF0)
    context.accum(0x0F)
    assert context.swap(new) == 0xFF
    assert context.read() == context.reference == new
    assert context.is_clean
    assert context.delta_count == 0


def test_swap_takes_its_value_by_name_too(make_context: Make) -> None:
    context = make_context(8, 9)
    assert context.swap(new_reference=None) == 9
    assert context.swap(new_reference=0) == 9
    assert context.read() == 0


# Comparing and showing.


def test_contexts_are_equal_if_width_and_state_are(make_context: Make) -> None:
    first, second, third = make_context(8, 3), make_context(8, 1), make_context(7, 3)
    assert first != second
    second.accum(2)
    assert first == second
    assert first != third
    assert first != 3


@quick
def test_contexts_have_no_hash(make_context: Make) -> None:
    with pytest.raises(TypeError, match=r"^unhashable type: "):
        hash(make_context())


# The end.


def test_the_end_of_a_with_block_loads_0_and_the_object_goes_on(make_context: Make) -> None:
    context = make_context(8, 5)
    with context as same:
        assert same is context
        context.accum(2)
        assert context.read() == 7
    assert context.delta_count == 0
    assert context.read() == 0
    context.accum(9)
    with context:
        assert context.read() == 9
    assert context.snapshot()["state"] == 0


def test_a_with_block_that_fails_loads_0_too(make_context: Make) -> None:
    context = make_context(8, 5)
    with pytest.raises(LookupError, match=r"^inside$"), context:
        raise LookupError("inside")
    assert context.read() == 0


def test_flush_returns_and_changes_nothing(make_context: Make) -> None:
    context = make_context(8, 5)
    context.accum(2)
    context.flush()
    assert context.read() == 7
    assert context.delta_count == 1


USES: dict[str, Callable[[AtomikContext], object]] = {
    "load": lambda context: context.load(1),
    "accum": lambda context: context.accum(1),
    "accum of a wide delta": lambda context: context.accum(1 << 80),
    "load of no integer": lambda context: context.load("x"),  # type: ignore[arg-type]
    "accum of no integer": lambda context: context.accum("x"),  # type: ignore[arg-type]
    "rollback of no integer": lambda context: context.rollback(1.5),  # type: ignore[arg-type]
    "swap to no integer": lambda context: context.swap("x"),  # type: ignore[arg-type]
    "merge of no context": lambda context: context.merge("x"),  # type: ignore[arg-type]
    "read": lambda context: context.read(),
    "swap": lambda context: context.swap(),
    "swap to": lambda context: context.swap(1),
    "rollback": lambda context: context.rollback(1),
    "merge": lambda context: context.merge(context),
    "snapshot": lambda context: context.snapshot(),
    "flush": lambda context: context.flush(),
    "accumulator": lambda context: context.accumulator,
    "reference": lambda context: context.reference,
    "is_clean": lambda context: context.is_clean,
    "delta_count": lambda context: context.delta_count,
    "width": lambda context: context.width,
    "port": lambda context: context.port,
    "address": lambda context: context.address,
    "stats": lambda context: context.stats,
    "with": lambda context: context.__enter__(),
    "==": lambda context: context == context,
}


@quick
@pytest.mark.parametrize("use", USES)
def test_after_close_every_call_raises_closed_error(make_context: Make, use: str) -> None:
    context = make_context()
    context.close()
    message = "This context is closed: use it before close(), or make a new one"
    with pytest.raises(ClosedError, match=f"^{re.escape(message)}$"):
        USES[use](context)


def test_close_may_be_called_again_and_inside_a_with_block(make_context: Make) -> None:
    context = make_context()
    with context:
        context.close()
        context.close()
    with pytest.raises(ClosedError):
        context.read()


@quick
def test_repr_of_a_closed_context_says_so(make_context: Make) -> None:
    context = make_context()
    context.close()
    assert repr(context) == "AtomikContext(closed)"


# Only without a port.


@pytest.mark.parametrize(
    ("width", "digits"), [(1, 1), (7, 2), (8, 2), (9, 3), (64, 16), (65, 17), (1024, 256)]
)
def test_repr_of_the_embedded_model_has_all_values_in_hex(
    no_port: None, width: int, digits: int
) -> None:
    context = AtomikContext(width, 1)
    context.accum(1)
    assert repr(context) == (
        f"AtomikContext(state=0x{'0' * digits}, ref=0x{'0' * (digits - 1)}1, "
        f"acc=0x{'0' * (digits - 1)}1, deltas=1)"
    )


@pytest.mark.parametrize("width", [65, 1024])
def test_the_embedded_model_may_be_wider_than_any_device(no_port: None, width: int) -> None:
    context = AtomikContext(width, -1)
    context.accum(1 << (width - 1))
    assert context.read() == 2 ** (width - 1) - 1
    assert context.swap(1 << width) == 2 ** (width - 1) - 1
    assert context.read() == 0


def test_the_embedded_model_has_neither_port_nor_address_nor_statistics(no_port: None) -> None:
    context = AtomikContext()
    assert (context.port, context.address, context.stats) == (None, None, None)
