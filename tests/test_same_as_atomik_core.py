"""The same calls on this package and on ``atomik-core`` 0.4.0, whose surface it has."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import atomik_core
import pytest

from atomik_fpga import AtomikContext, AtomikTable

from .backends import Make, quick

pytestmark = quick


def public(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


def test_every_public_name_of_the_original_is_there() -> None:
    assert atomik_core.__version__ == "0.4.0"
    assert public(atomik_core.AtomikContext) <= public(AtomikContext)
    assert public(atomik_core.AtomikTable) <= public(AtomikTable)


def seen(context: Any) -> dict[str, Any]:
    """All that a context tells of itself, but for its repr."""
    names = ("accumulator", "reference", "is_clean", "delta_count", "width")
    values: dict[str, Any] = {name: getattr(context, name) for name in names}
    # Of a list too: the order of the keys is part of it.
    return {**values, "state": context.read(), "snapshot": list(context.snapshot().items())}


def in_a_block(context: Any, delta: int) -> int:
    with context as entered:
        entered.accum(delta)
        return int(entered.read())


#: A call on a context, with another one beside it, and a number.
CALLS: dict[str, Callable[[Any, Any, int], object]] = {
    "load": lambda it, other, number: it.load(number),
    "accum": lambda it, other, number: it.accum(number),
    "accum by name": lambda it, other, number: it.accum(delta=number),
    "accum elsewhere": lambda it, other, number: other.accum(number),
    "rollback": lambda it, other, number: it.rollback(number),
    "swap": lambda it, other, number: it.swap(),
    "swap to": lambda it, other, number: it.swap(number),
    "swap to none": lambda it, other, number: it.swap(new_reference=None),
    "swap to zero": lambda it, other, number: it.swap(0),
    "with": lambda it, other, number: in_a_block(it, number),
    "==": lambda it, other, number: (it == other, it != other, it == number),
}


@pytest.mark.parametrize("width", [1, 7, 8, 32, 63, 64])
def test_any_calls_return_and_leave_the_same(make_context: Make, width: int) -> None:
    rng = Random(width)
    for _ in range(3):
        start = rng.choice([0, -1, rng.getrandbits(80)])
        theirs = [atomik_core.AtomikContext(width, start) for _ in range(2)]
        ours = [make_context(width, start) for _ in range(2)]
        done = []
        for _ in range(40):
            number = rng.choice(
                [0, 1, -1, 1 << width, True, rng.getrandbits(width), -rng.getrandbits(width + 9)]
            )
            if rng.random() < 0.1 and theirs[0].reference == theirs[1].reference:
                done.append("merge")
                theirs[0].merge(theirs[1])
                ours[0].merge(ours[1])
            else:
                name = rng.choice(list(CALLS))
                done.append(f"{name} {number:#x}")
                expected = CALLS[name](*theirs, number)
                assert CALLS[name](*ours, number) == expected, done
            assert [seen(it) for it in ours] == [seen(it) for it in theirs], done
        with AtomikContext.from_snapshot(theirs[0].snapshot()) as copied:
            assert seen(copied) == seen(theirs[0])
            assert seen(atomik_core.AtomikContext.from_snapshot(ours[0].snapshot())) == seen(copied)
        for context in ours:
            context.close()


@pytest.mark.parametrize("width", [1, 5, 64, 65, 1000])
def test_the_repr_of_the_embedded_model_is_the_same(no_port: None, width: int) -> None:
    theirs, ours = atomik_core.AtomikContext(width, -1), AtomikContext(width, -1)
    assert repr(ours) == repr(theirs)
    theirs.accum(5)
    ours.accum(5)
    assert repr(ours) == repr(theirs)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda kind: kind(0),
        lambda kind: kind(-1),
        lambda kind: kind(8.0),
        lambda kind: kind("8"),
        lambda kind: kind(8, 1.5),
        lambda kind: kind().load(1.5),
        lambda kind: kind().accum("1"),
        lambda kind: kind().swap(b"1"),
        lambda kind: hash(kind()),
    ],
)
def test_what_is_refused_is_refused_with_the_same_kind_of_error(
    no_port: None, wrong: Callable[[Any], object]
) -> None:
    kinds = []
    for kind in (atomik_core.AtomikContext, AtomikContext):
        with pytest.raises((TypeError, ValueError)) as caught:
            wrong(kind)
        kinds.append(caught.type)
    assert kinds[0] is kinds[1]


TABLE_CALLS: dict[str, Callable[[Any, int, int], object]] = {
    "load": lambda it, place, number: it.load(addr=place, initial_state=number),
    "accum": lambda it, place, number: it.accum(addr=place, delta=number),
    "read": lambda it, place, number: it.read(addr=place),
    "swap": lambda it, place, number: it.swap(addr=place),
    "swap to": lambda it, place, number: it.swap(place, new_reference=number),
    "batch_accum": lambda it, place, number: it.batch_accum({0: number, place: number + 1}),
    "context": lambda it, place, number: seen(it.context(addr=place)),
    "accum of a context": lambda it, place, number: it.context(place).accum(number),
}


@pytest.mark.parametrize("width", [1, 8, 64])
def test_any_calls_on_a_table_return_and_leave_the_same(
    context_port: str | None, width: int
) -> None:
    rng = Random(width)
    theirs = atomik_core.AtomikTable(5, width)
    with AtomikTable(5, width) as ours:
        for _ in range(150):
            name, place = rng.choice(list(TABLE_CALLS)), rng.randrange(5)
            number = rng.choice([0, -1, rng.getrandbits(width), rng.getrandbits(width + 9)])
            expected = TABLE_CALLS[name](theirs, place, number)
            assert TABLE_CALLS[name](ours, place, number) == expected, (name, place, number)
            assert ours.snapshot() == theirs.snapshot()
        assert (ours.num_contexts, ours.width) == (theirs.num_contexts, theirs.width)
        for place in (-1, 5):
            with pytest.raises(IndexError):
                theirs.read(place)
            with pytest.raises(IndexError):
                ours.read(place)
        if context_port is None:
            assert repr(ours) == repr(theirs)
