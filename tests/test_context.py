"""What a context does, on every backend: one suite, whatever carries the bits."""

from __future__ import annotations

import copy
import json
import pickle
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from atomik_fpga import AtomikContext, ClosedError

from .backends import BACKENDS, QUICK, Backend

WIDTHS = (1, 7, 8, 64)

#: For what is decided on the host.
quick = pytest.mark.parametrize("backend", QUICK, indirect=True, scope="module")

Make = Callable[..., AtomikContext]


class Index:
    """An integer that is not an ``int``, as NumPy's are."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value


@pytest.fixture(scope="module", params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    with BACKENDS[request.param]() as backend:
        yield backend


@pytest.fixture
def port(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> str | None:
    """The backend's port, which the environment names too."""
    if backend.port is None:
        monkeypatch.delenv("ATOMIK_PORT", raising=False)
    else:
        monkeypatch.setenv("ATOMIK_PORT", backend.port)
    return backend.port


@pytest.fixture
def make(port: str | None) -> Iterator[Make]:
    """A maker of contexts as a program makes them, closed at the end."""
    made: list[AtomikContext] = []

    def make(*args: Any, **options: Any) -> AtomikContext:
        made.append(AtomikContext(*args, **options))
        return made[-1]

    yield make
    for context in made:
        context.close()


# Making one.


def test_a_new_context_is_64_bits_wide_zero_and_clean(make: Make) -> None:
    context = make()
    assert isinstance(context, AtomikContext)
    assert context.width == 64
    assert context.read() == context.reference == context.accumulator == 0
    assert context.is_clean
    assert context.delta_count == 0


@pytest.mark.parametrize("width", WIDTHS)
def test_initial_state_is_the_reference_masked_to_the_width(make: Make, width: int) -> None:
    context = make(width, -1)
    assert context.width == width
    assert context.reference == context.read() == 2**width - 1
    assert context.accumulator == 0


def test_width_and_initial_state_may_be_named(make: Make) -> None:
    context = make(initial_state=0x1FF, width=8)
    assert (context.width, context.read()) == (8, 0xFF)


def test_contexts_are_independent(make: Make) -> None:
    first, second = make(), make()
    first.accum(3)
    second.load(5)
    assert (first.read(), second.read()) == (3, 5)


@quick
@pytest.mark.parametrize("width", [0, -1])
def test_a_width_below_1_is_a_value_error(make: Make, width: int) -> None:
    with pytest.raises(ValueError, match=rf"^Width must be a positive integer, not {width}$"):
        make(width)


@quick
@pytest.mark.parametrize("width", [8.0, "8", b"8", None])
def test_a_width_that_is_not_an_integer_is_a_type_error(make: Make, width: object) -> None:
    message = f"Width must be a positive integer, not {width!r}"
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        make(width)


@quick
@pytest.mark.parametrize("value", [1.0, "1", b"\x01", None])
def test_an_initial_state_that_is_not_an_integer_is_a_type_error(make: Make, value: object) -> None:
    message = f"Initial state must be an integer, not {value!r}"
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        make(8, value)


# The algebra.


@pytest.mark.parametrize("width", WIDTHS)
def test_load_sets_the_reference_and_clears_accumulator_and_count(make: Make, width: int) -> None:
    context = make(width, -1)
    context.accum(1)
    context.load(1)
    assert context.reference == context.read() == 1
    assert context.accumulator == 0
    assert context.is_clean
    assert context.delta_count == 0


@pytest.mark.parametrize("width", WIDTHS)
def test_accum_exclusive_ors_into_accumulator_and_state_and_counts(make: Make, width: int) -> None:
    context = make(width, 1)
    context.accum(-1)
    assert context.accumulator == 2**width - 1
    assert context.reference == 1
    assert context.read() == 2**width - 2
    assert not context.is_clean
    assert context.delta_count == 1


def test_accum_twice_is_clean_and_counts_two(make: Make) -> None:
    context = make(initial_state=7)
    context.accum(0xABC)
    context.accum(0xABC)
    assert context.read() == 7
    assert context.is_clean
    assert context.delta_count == 2


def test_rollback_undoes_one_delta_among_others_and_counts(make: Make) -> None:
    context = make(initial_state=0x100)
    for delta in (1, 2, 4):
        context.accum(delta)
    context.rollback(2)
    assert context.read() == 0x105
    assert context.delta_count == 4


@pytest.mark.parametrize("width", WIDTHS)
def test_swap_keeps_the_state_as_the_new_reference(make: Make, width: int) -> None:
    context = make(width)
    context.accum(-1)
    assert context.swap() == 2**width - 1
    assert context.read() == context.reference == 2**width - 1
    assert context.is_clean
    assert context.delta_count == 0


@pytest.mark.parametrize("new", [0, 1, 0x5A])
def test_swap_to_a_value_sets_the_reference_and_returns_the_old_state(make: Make, new: int) -> None:
    context = make(8, 0xF0)
    context.accum(0x0F)
    assert context.swap(new) == 0xFF
    assert context.read() == context.reference == new
    assert context.is_clean
    assert context.delta_count == 0


def test_swap_takes_its_value_by_name_too(make: Make) -> None:
    context = make(8, 9)
    assert context.swap(new_reference=None) == 9
    assert context.swap(new_reference=0) == 9
    assert context.read() == 0


# Integers.


@pytest.mark.parametrize(("value", "word"), [(-1, 0xFF), (0x1FF, 0xFF), (-2, 0xFE), (1 << 90, 0)])
def test_integers_are_masked_to_the_width(make: Make, value: int, word: int) -> None:
    context = make(8)
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
def test_whatever_has_an_index_is_an_integer(make: Make, integer: Any) -> None:
    word = integer.__index__() & 0xFF
    context = make(Index(8), integer)
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
    make: Make, method: str, name: str, value: object
) -> None:
    context = make(8, 1)
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
    make: Make, method: str, name: str, value: int
) -> None:
    context = make(8, 0xFF, strict=True)
    message = f"{name} of a strict context of 8 bits must be between 0 and 0xff, not {value:#x}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        getattr(context, method)(value)
    assert (context.read(), context.delta_count) == (0xFF, 0)


@quick
@pytest.mark.parametrize(
    ("method", "name"),
    [("load", "Value"), ("accum", "Delta"), ("rollback", "Delta"), ("swap", "New reference")],
)
def test_a_strict_context_refuses_bools(make: Make, method: str, name: str) -> None:
    context = make(8, 0xFF, strict=True)
    message = f"{name} of a strict context must be an integer, not True"
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        getattr(context, method)(True)
    assert (context.read(), context.delta_count) == (0xFF, 0)


@quick
def test_a_strict_context_refuses_a_wide_initial_state(make: Make) -> None:
    message = "Initial state of a strict context of 8 bits must be between 0 and 0xff, not 0x100"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        make(8, 0x100, strict=True)


def test_a_strict_context_takes_all_words_of_its_width(make: Make) -> None:
    context = make(8, 0xFF, strict=True)
    context.accum(0)
    context.accum(Index(0xF0))
    assert context.swap(0xFF) == 0x0F
    assert context.read() == 0xFF


# Merging.


def test_merge_adds_the_other_accumulator_and_count(make: Make) -> None:
    mine, other = make(8, 0x80), make(8, 0x80)
    mine.accum(1)
    other.accum(2)
    other.accum(4)
    mine.merge(other)
    assert mine.read() == 0x87
    assert mine.reference == 0x80
    assert mine.delta_count == 3
    assert (other.read(), other.delta_count) == (0x86, 2)


def test_merge_takes_a_context_without_a_port(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    context = make(8, 1)
    monkeypatch.delenv("ATOMIK_PORT", raising=False)
    embedded = AtomikContext(8, 1)
    embedded.accum(6)
    context.merge(embedded)
    embedded.merge(context)
    assert context.read() == 7
    assert embedded.read() == 1
    assert (context.delta_count, embedded.delta_count) == (1, 2)


@quick
def test_merge_refuses_another_width(make: Make) -> None:
    mine, other = make(8), make(7)
    other.accum(1)
    with pytest.raises(
        ValueError, match=r"^Only contexts of one width can be merged, not of 8 and 7 bits$"
    ):
        mine.merge(other)
    assert (mine.read(), mine.delta_count) == (0, 0)


def test_merge_refuses_another_reference(make: Make) -> None:
    mine, other = make(12, 1), make(12, 0xA2)
    other.accum(0x40)
    message = (
        "Only contexts of one reference can be merged, not of 0x001 and 0x0a2; "
        "load one value into both before they diverge"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        mine.merge(other)
    assert (mine.read(), mine.delta_count) == (1, 0)


@quick
def test_merge_refuses_what_is_no_context(make: Make) -> None:
    with pytest.raises(TypeError, match=r"^Only a context can be merged, not 5$"):
        make().merge(5)  # type: ignore[arg-type]


# Snapshots.


def test_snapshot_holds_all_of_a_context_and_json_carries_it(make: Make) -> None:
    context = make(64, 1 << 63)
    context.accum(3)
    context.rollback(1)
    snapshot = context.snapshot()
    assert snapshot == {
        "width": 64,
        "reference": 1 << 63,
        "accumulator": 2,
        "state": 1 << 63 | 2,
        "delta_count": 2,
    }
    assert json.loads(json.dumps(snapshot)) == snapshot


def test_from_snapshot_makes_a_context_of_that_content(make: Make) -> None:
    context = make(7, 0x55)
    context.accum(0x0F)
    with AtomikContext.from_snapshot(context.snapshot()) as copied:
        assert copied.snapshot() == context.snapshot()
        copied.accum(1)
        assert context.read() == 0x5A


def test_from_snapshot_takes_a_port(backend: Backend, port: str | None) -> None:
    snapshot = {"width": 8, "reference": 1, "accumulator": 2, "state": 3, "delta_count": 5}
    with AtomikContext.from_snapshot(snapshot, port=backend.port) as context:
        assert context.snapshot() == snapshot
        assert context.port == port


def test_from_snapshot_ignores_other_keys(port: str | None) -> None:
    snapshot = {"width": 8, "reference": 1, "accumulator": 2, "state": 3, "delta_count": 1}
    with AtomikContext.from_snapshot({**snapshot, "layout": "a"}) as context:
        assert context.snapshot() == snapshot


@quick
@pytest.mark.parametrize("key", ["width", "reference", "accumulator", "state", "delta_count"])
def test_from_snapshot_refuses_a_missing_key(port: str | None, key: str) -> None:
    snapshot = {"width": 8, "reference": 1, "accumulator": 2, "state": 3, "delta_count": 1}
    del snapshot[key]
    message = f"Snapshot has no {key!r}: it needs every key that snapshot() returns"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        AtomikContext.from_snapshot(snapshot)


@quick
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 0}, "Width must be a positive integer, not 0"),
        ({"width": 1}, "Snapshot's 'accumulator' must fit in 1 bits, not be 0x2"),
        ({"reference": 0x101}, "Snapshot's 'reference' must fit in 8 bits, not be 0x101"),
        ({"reference": -1}, "Snapshot's 'reference' must fit in 8 bits, not be -0x1"),
        ({"state": 2}, "Snapshot's 'state' must be reference ^ accumulator, which is 0x3, not 0x2"),
        ({"delta_count": -1}, "Snapshot's 'delta_count' must not be negative: -1"),
    ],
)
def test_from_snapshot_refuses_what_contradicts_itself(
    port: str | None, change: dict[str, int], message: str
) -> None:
    snapshot = {"width": 8, "reference": 1, "accumulator": 2, "state": 3, "delta_count": 1}
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        AtomikContext.from_snapshot({**snapshot, **change})


@quick
def test_from_snapshot_refuses_what_is_no_integer(port: str | None) -> None:
    snapshot = {"width": 8, "reference": "1", "accumulator": 2, "state": 3, "delta_count": 1}
    with pytest.raises(TypeError, match=r"^Snapshot's 'reference' must be an integer, not '1'$"):
        AtomikContext.from_snapshot(snapshot)
    with pytest.raises(TypeError, match=r"^Snapshot must be a mapping, not \[\]$"):
        AtomikContext.from_snapshot([])  # type: ignore[arg-type]


# Comparing and showing.


def test_contexts_are_equal_if_width_and_state_are(make: Make) -> None:
    first, second, third = make(8, 3), make(8, 1), make(7, 3)
    assert first != second
    second.accum(2)
    assert first == second
    assert first != third
    assert first != 3


@quick
def test_contexts_have_no_hash(make: Make) -> None:
    with pytest.raises(TypeError, match=r"^unhashable type: "):
        hash(make())


# The end.


def test_the_end_of_a_with_block_loads_0_and_the_object_goes_on(make: Make) -> None:
    context = make(8, 5)
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


def test_a_with_block_that_fails_loads_0_too(make: Make) -> None:
    context = make(8, 5)
    with pytest.raises(LookupError, match=r"^inside$"), context:
        raise LookupError("inside")
    assert context.read() == 0


def test_flush_returns_and_changes_nothing(make: Make) -> None:
    context = make(8, 5)
    context.accum(2)
    context.flush()
    assert context.read() == 7
    assert context.delta_count == 1


USES: dict[str, Callable[[AtomikContext], object]] = {
    "load": lambda context: context.load(1),
    "accum": lambda context: context.accum(1),
    "accum of a wide delta": lambda context: context.accum(1 << 80),
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
def test_after_close_every_call_raises_closed_error(make: Make, use: str) -> None:
    context = make()
    context.close()
    message = "This context is closed: use it before close(), or make a new one"
    with pytest.raises(ClosedError, match=f"^{re.escape(message)}$"):
        USES[use](context)


def test_close_may_be_called_again_and_inside_a_with_block(make: Make) -> None:
    context = make()
    with context:
        context.close()
        context.close()
    with pytest.raises(ClosedError):
        context.read()


@quick
def test_repr_of_a_closed_context_says_so(make: Make) -> None:
    context = make()
    context.close()
    assert repr(context) == "AtomikContext(closed)"


# Only without a port.


@pytest.fixture
def no_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ATOMIK_PORT", raising=False)


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


@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))]
)
def test_the_embedded_model_is_copied_and_pickled_by_value(
    monkeypatch: pytest.MonkeyPatch, duplicate: Callable[[AtomikContext], AtomikContext]
) -> None:
    monkeypatch.delenv("ATOMIK_PORT", raising=False)
    context = AtomikContext(7, 3, strict=True)
    context.accum(5)
    monkeypatch.setenv("ATOMIK_PORT", "nowhere://")
    twin = duplicate(context)
    assert twin.snapshot() == context.snapshot()
    twin.accum(1)
    assert context.read() == 6
    with pytest.raises(ValueError, match=r"^Delta of a strict context of 7 bits"):
        twin.accum(0x80)


def test_a_subclass_is_an_embedded_context_with_its_own_attributes(no_port: None) -> None:
    class Named(AtomikContext):
        name = "?"

    context = Named(8, 3)
    context.name = "mine"
    twin = copy.copy(context)
    assert type(twin) is Named
    assert (twin.name, twin.read()) == ("mine", 3)


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
