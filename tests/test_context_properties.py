"""The embedded model against one word that is computed another way, for any program of ops."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atomik_fpga import AtomikContext

WIDTHS = st.one_of(st.sampled_from([1, 7, 8, 63, 64, 65, 1024]), st.integers(1, 130))
#: Any integer, most of them not of the width.
INTEGERS = st.one_of(
    st.integers(-(1 << 70), 1 << 70), st.sampled_from([0, 1, -1, 1 << 63, 1 << 64, -(1 << 63)])
)
NAMES = ["load", "accum", "rollback", "swap", "swap to", "read"]
#: The same examples in every run, however busy the machine is.
reproducible = settings(deadline=None, derandomize=True)
OPS = st.lists(st.tuples(st.sampled_from(NAMES), INTEGERS), max_size=30)


@pytest.fixture(autouse=True, scope="module")
def no_port() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("ATOMIK_PORT", raising=False)
        yield


@dataclass
class Bits:
    """The oracle: reference and deltas as lists of bits, the state by counting ones."""

    width: int
    reference: list[int]
    deltas: list[list[int]]

    @classmethod
    def of(cls, width: int, value: int) -> Bits:
        return cls(width, bits(value, width), [])

    @property
    def accumulator(self) -> int:
        return number([sum(column) % 2 for column in zip(*self.deltas, strict=True)])

    @property
    def state(self) -> int:
        columns = zip(self.reference, *self.deltas, strict=True)
        return number([sum(column) % 2 for column in columns])

    def do(self, name: str, value: int) -> int | None:
        before = self.state
        match name:
            case "load":
                self.reference, self.deltas = bits(value, self.width), []
            case "accum" | "rollback":
                self.deltas.append(bits(value, self.width))
            case "swap":
                self.reference, self.deltas = bits(before, self.width), []
            case "swap to":
                self.reference, self.deltas = bits(value, self.width), []
        return before if name in ("swap", "swap to", "read") else None


def bits(value: int, width: int) -> list[int]:
    """Two's complement, lowest bit first."""
    return [value // 2**place % 2 for place in range(width)]


def number(word: list[int]) -> int:
    return sum(bit * 2**place for place, bit in enumerate(word))


def do(context: AtomikContext, name: str, value: int) -> int | None:
    match name:
        case "swap":
            return context.swap()
        case "swap to":
            return context.swap(value)
        case "read":
            return context.read()
    result: Any = getattr(context, name)(value)
    assert result is None
    return None


@reproducible
@given(WIDTHS, INTEGERS, OPS)
def test_any_program_gives_what_the_oracle_gives(
    width: int, initial: int, program: list[tuple[str, int]]
) -> None:
    context, oracle = AtomikContext(width, initial), Bits.of(width, initial)
    for name, value in program:
        assert do(context, name, value) == oracle.do(name, value)
        assert context.snapshot() == {
            "width": width,
            "reference": number(oracle.reference),
            "accumulator": oracle.accumulator,
            "state": oracle.state,
            "delta_count": len(oracle.deltas),
        }
        assert context.is_clean == (oracle.accumulator == 0)


@reproducible
@given(WIDTHS, INTEGERS, st.lists(INTEGERS, max_size=8), st.randoms(use_true_random=False))
def test_the_order_of_deltas_does_not_matter(
    width: int, initial: int, deltas: list[int], random: Any
) -> None:
    shuffled = random.sample(deltas, len(deltas))
    states = []
    for order in (deltas, shuffled):
        context = AtomikContext(width, initial)
        for delta in order:
            context.accum(delta)
        states.append(context.read())
    assert states[0] == states[1]


@reproducible
@given(WIDTHS, INTEGERS, st.lists(INTEGERS, max_size=8), INTEGERS)
def test_rollback_undoes_an_accum_wherever_it_was(
    width: int, initial: int, deltas: list[int], undone: int
) -> None:
    with_it, without = AtomikContext(width, initial), AtomikContext(width, initial)
    with_it.accum(undone)
    for delta in deltas:
        with_it.accum(delta)
        without.accum(delta)
    with_it.rollback(undone)
    assert with_it == without
    assert with_it.delta_count == without.delta_count + 2


@reproducible
@given(WIDTHS, INTEGERS, st.lists(INTEGERS, max_size=6), st.lists(INTEGERS, max_size=6))
def test_merge_is_as_if_all_deltas_had_come_to_one_context(
    width: int, initial: int, mine: list[int], theirs: list[int]
) -> None:
    left, right, both = (AtomikContext(width, initial) for _ in range(3))
    for delta in mine:
        left.accum(delta)
        both.accum(delta)
    for delta in theirs:
        right.accum(delta)
        both.accum(delta)
    left.merge(right)
    assert left.snapshot() == both.snapshot()


@reproducible
@given(WIDTHS, INTEGERS, OPS)
def test_a_snapshot_restores_to_the_same_future(
    width: int, initial: int, program: list[tuple[str, int]]
) -> None:
    context = AtomikContext(width, initial)
    half = len(program) // 2
    for name, value in program[:half]:
        do(context, name, value)
    copied = AtomikContext.from_snapshot(context.snapshot())
    for name, value in program[half:]:
        assert do(context, name, value) == do(copied, name, value)
        assert context.snapshot() == copied.snapshot()


@reproducible
@given(WIDTHS, INTEGERS)
def test_strict_differs_only_where_it_raises(width: int, value: int) -> None:
    strict, lenient = AtomikContext(width, strict=True), AtomikContext(width)
    lenient.accum(value)
    if 0 <= value < 2**width:
        strict.accum(value)
        assert strict.snapshot() == lenient.snapshot()
    else:
        with pytest.raises(ValueError, match=r"^Delta of a strict context of "):
            strict.accum(value)
        assert strict.snapshot() == AtomikContext(width).snapshot()


def test_threads_share_the_embedded_model_and_no_delta_is_lost() -> None:
    context = AtomikContext(64)
    each = 20_000

    def work(lane: int) -> None:
        for number in range(each):
            context.accum(number + 1 << 16 * lane)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work, args=(lane,)) for lane in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    # 1 ^ 2 ^ … ^ n is n where n is a multiple of 4.
    assert context.read() == sum(each << 16 * lane for lane in range(4))
    assert context.delta_count == 4 * each
