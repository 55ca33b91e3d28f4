"""Undo and merge against arithmetic: over all words of 4 and 5 bits, and the guide's examples.

The rule is evaluated here on arrays by its formula, and the functions are held to that formula over
all words of 4 and 5 bits. Arithmetic is addition in each field, modulo its size.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from atomik_fpga import AtomikContext
from atomik_fpga.errors import WidthError
from atomik_fpga.eventsourcing import (
    Change,
    CounterError,
    FieldContext,
    Layout,
    OverlapError,
    choice,
    counter,
    flag,
    merge,
    undo,
    value,
)

Words = np.ndarray[Any, Any]

PORTS = [None, "sim://"]


def splits(bits: int) -> Iterator[tuple[int, ...]]:
    """Yield all ways to cut a word into fields."""
    if not bits:
        yield ()
    for first in range(1, bits + 1):
        for rest in splits(bits - first):
            yield (first, *rest)


def triples(bits: int) -> tuple[Words, Words, Words]:
    """Return all triples of words, as three arrays that broadcast."""
    words = np.arange(1 << bits)
    return words[:, None, None], words[None, :, None], words[None, None, :]


def add(word: Words, plus: Words, minus: Words, fields: Sequence[int]) -> Words:
    """Return ``word + plus - minus`` in each field on its own."""
    result, offset = word * 0, 0
    for bits in fields:
        mask = (1 << bits) - 1
        parts = [(each >> offset) & mask for each in (word, plus, minus)]
        result = result | ((parts[0] + parts[1] - parts[2]) & mask) << offset
        offset += bits
    return result


def top_bits(fields: Sequence[int]) -> int:
    mask, offset = 0, 0
    for bits in fields:
        offset += bits
        mask |= 1 << offset - 1
    return mask


SPLITS = [*splits(4), *splits(5)]


@pytest.mark.parametrize("fields", SPLITS, ids=str)
def test_undo_is_the_compensation_where_the_rule_holds_and_but_for_top_bits_nowhere_else(
    fields: Sequence[int],
) -> None:
    # `now` is any word at all: whatever loads, swaps and changes led to it.
    before, after, now = triples(sum(fields))
    delta = before ^ after
    meeting = delta & (now ^ after)
    right = (now ^ delta) == add(now, before, after, fields)
    assert right[meeting == 0].all()
    assert not right[(meeting & ~top_bits(fields)) != 0].any()
    # A top bit may meet: there is no carry out of it, and the rule refuses what would be right.
    assert right[(meeting != 0) & ((meeting & ~top_bits(fields)) == 0)].all()


@pytest.mark.parametrize("fields", SPLITS, ids=str)
def test_merge_is_the_sum_where_the_rule_holds_and_but_for_top_bits_nowhere_else(
    fields: Sequence[int],
) -> None:
    base, one, other = triples(sum(fields))
    first, second = base ^ one, base ^ other
    meeting = first & second
    right = (base ^ first ^ second) == add(one, other, base, fields)
    assert right[meeting == 0].all()
    assert not right[(meeting & ~top_bits(fields)) != 0].any()
    assert right[(meeting != 0) & ((meeting & ~top_bits(fields)) == 0)].all()


@pytest.mark.parametrize("bits", [4, 5])
def test_the_functions_are_the_rule_for_all_words(bits: int) -> None:
    words = range(1 << bits)
    for before, after, now in itertools.product(words, repeat=3):
        delta = before ^ after
        if delta & (now ^ after) == 0:
            assert undo(delta, after, now, width=bits) == now ^ delta
        else:
            with pytest.raises(OverlapError):
                undo(delta, after, now, width=bits)
    for first, second in itertools.product(words, repeat=2):
        if first & second == 0:
            assert merge(first, second, width=bits) == first | second
        else:
            with pytest.raises(OverlapError):
                merge(first, second, width=bits)


def histories() -> Iterator[tuple[AtomikContext, Change, int]]:
    """Yield contexts of 4 bits after a change, then two of load, swap and accum, with any words.

    With the change and the accumulator right after it.
    """
    ops = [
        *(("load", word) for word in range(0, 16, 3)),
        *(("swap", word) for word in (None, 0, 5, 15)),
        *(("accum", word) for word in (1, 2, 6, 9, 15)),
    ]
    for before, delta in itertools.product(range(0, 16, 2), range(1, 16, 2)):
        for later in itertools.product(ops, repeat=2):
            context = AtomikContext(4, before)
            context.accum(delta)
            change, accumulator = Change(delta, context.read()), context.accumulator
            for name, word in later:
                getattr(context, name)(word)
            yield context, change, accumulator


def test_after_loads_and_swaps_the_rule_on_states_is_right_and_on_accumulators_it_is_not() -> None:
    allowed = refused = fooled = 0
    for context, change, accumulator in histories():
        before, now = change.state_after ^ change.delta, context.read()
        compensated = (now + before - change.state_after) % 16
        try:
            assert undo(*change, now, width=4) == compensated
            allowed += 1
        except OverlapError:
            refused += 1
        # What a check on accumulators would have let pass.
        if change.delta & (context.accumulator ^ accumulator) == 0:
            fooled += (now ^ change.delta) != compensated
    assert allowed > 1_000
    assert refused > 1_000
    assert fooled > 100


# The guide's examples.

WALLET = Layout(balance=value(16), frozen=flag(), visits=counter(8))


@pytest.mark.parametrize("port", PORTS)
def test_a_transfer_cancelled_after_a_later_deposit_creates_no_money(port: str | None) -> None:
    with (
        FieldContext(WALLET, port=port, balance=100, frozen=False, visits=0) as alice,
        FieldContext(WALLET, port=port, balance=100, frozen=False, visits=0) as bob,
    ):
        sent = alice.change(balance=90)
        received = bob.change(balance=110)
        deposit = bob.change(balance=115)
        assert bob.state ^ received.delta == 121  # what XOR alone would make of 105
        with pytest.raises(OverlapError) as caught:
            bob.undo(*received)
        assert caught.value.fields == ("balance",)
        assert (alice.read()["balance"], bob.read()["balance"]) == (90, 115)
        # What the message says: undo the later change first, or compute a new delta.
        bob.undo(*deposit)
        bob.undo(*received)
        alice.undo(*sent)
        bob.change(balance=bob.read()["balance"] + 5)
        assert (alice.read()["balance"], bob.read()["balance"]) == (100, 105)


@pytest.mark.parametrize("port", PORTS)
def test_undo_passes_over_changes_of_other_fields_and_over_swaps(port: str | None) -> None:
    with FieldContext(WALLET, port=port) as wallet:
        frozen = wallet.change(frozen=True)
        wallet.change(balance=7)
        assert wallet.swap() == {"balance": 7, "frozen": True, "visits": 0}
        taken_back = wallet.undo(*frozen)
        assert wallet.read() == {"balance": 7, "frozen": False, "visits": 0}
        assert wallet.undo(*taken_back).state_after == WALLET.pack(balance=7, frozen=True, visits=0)


def test_undo_twice_is_refused() -> None:
    wallet = FieldContext(WALLET)
    change = wallet.change(balance=7)
    wallet.undo(*change)
    with pytest.raises(OverlapError, match="balance"):
        wallet.undo(*change)
    assert wallet.state == 0


def test_a_counter_is_undone_only_while_it_is_as_the_change_left_it() -> None:
    wallet = FieldContext(WALLET)
    first = wallet.change(visits=1)
    wallet.change(balance=3)
    wallet.undo(*first)
    assert wallet.read()["visits"] == 0
    first = wallet.change(visits=1)
    wallet.change(visits=3)
    # No bit meets, and for a value it would pass.
    assert undo(*(word >> 17 for word in first), wallet.state >> 17) == 2
    with pytest.raises(CounterError, match="compute a new delta from the current state") as caught:
        wallet.undo(*first)
    assert caught.value.fields == ("visits",)
    assert wallet.read()["visits"] == 3


def test_changes_of_a_counter_are_never_merged() -> None:
    one, two = WALLET.delta(0, visits=1), WALLET.delta(0, visits=2)
    assert one & two == 0
    with pytest.raises(CounterError, match="compute the other's delta anew"):
        merge(one, two, layout=WALLET)
    assert merge(one, WALLET.delta(0, balance=2), layout=WALLET) == WALLET.pack(
        balance=2, frozen=False, visits=1
    )


@pytest.mark.parametrize("port", PORTS)
def test_a_change_from_an_earlier_state_is_merged_where_nothing_meets(port: str | None) -> None:
    with FieldContext(WALLET, port=port, balance=8, frozen=False, visits=0) as wallet:
        base = wallet.state
        freeze, plus_16 = WALLET.delta(base, frozen=True), WALLET.delta(base, balance=24)
        plus_24 = WALLET.delta(base, balance=32)
        wallet.merge(freeze, base)
        wallet.merge(plus_16, base)
        assert wallet.read() == {"balance": 24, "frozen": True, "visits": 0}
        with pytest.raises(OverlapError, match="balance"):
            wallet.merge(plus_24 | plus_16, base)
        assert wallet.read() == {"balance": 24, "frozen": True, "visits": 0}


STAGES = ["idle", "running", "failed", "stopped", "gone"]
JOB = Layout(open=flag(), stage=choice(STAGES), tries=value(2))


def test_a_choice_is_undone_only_while_it_is_as_the_change_left_it() -> None:
    for before, after, now in itertools.product(STAGES, repeat=3):
        then = JOB.pack(open=False, stage=after, tries=1)
        delta = then ^ JOB.pack(open=False, stage=before, tries=1)
        state = JOB.pack(open=True, stage=now, tries=2)
        if before == after or now == after:
            undone = JOB.unpack(undo(delta, then, state, layout=JOB))
            expected = now if before == after else before
            assert undone == {"open": True, "stage": expected, "tries": 2}
        else:
            with pytest.raises(OverlapError, match="of stage, which the change") as caught:
                undo(delta, then, state, layout=JOB)
            assert caught.value.fields == ("stage",)


def test_two_changes_of_a_choice_are_never_merged() -> None:
    for base, one, other in itertools.product(STAGES, repeat=3):
        state = JOB.pack(open=False, stage=base, tries=0)
        first, second = JOB.delta(state, stage=one, open=True), JOB.delta(state, stage=other)
        if base in (one, other):
            expected = other if base == one else one
            merged = JOB.unpack(state ^ merge(first, second, layout=JOB))
            assert merged == {"open": True, "stage": expected, "tries": 0}
        else:
            with pytest.raises(OverlapError, match="of stage: apply one") as caught:
                merge(first, second, layout=JOB)
            assert caught.value.fields == ("stage",)


def test_errors_without_a_layout_name_the_bits() -> None:
    with pytest.raises(OverlapError, match=r"^Both changes touch the bits 0x6: ") as caught:
        merge(0b0111, 0b1110)
    assert (caught.value.fields, caught.value.bits) == ((), 6)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: undo(16, 0, 0, width=4), ValueError, "delta must be a word of 4 bits, not 0x10"),
        (lambda: undo(1, -1, 0), ValueError, "state_after must be a word, not -0x1"),
        (lambda: undo(1, 0, "0"), TypeError, "state must be an integer, not '0'"),
        (lambda: merge(1, 1 << 25, layout=WALLET), ValueError, "second must be a word of 25 bits"),
        (lambda: FieldContext(3), TypeError, "Layout must be a Layout, not 3"),
        (
            lambda: FieldContext(WALLET, context=3),
            TypeError,
            "Context must be an AtomikContext, not",
        ),
        (
            lambda: FieldContext(WALLET, context=AtomikContext(25), port="sim://"),
            TypeError,
            "Pass a context, or port and baud of a new one, not both",
        ),
        (
            lambda: FieldContext(WALLET, context=AtomikContext(24)),
            WidthError,
            "A layout of 25 bits does not fit in a context of 24",
        ),
        (lambda: FieldContext(WALLET, balance=1), TypeError, "A word needs every field: frozen"),
    ],
)
def test_wrong_arguments_are_refused(call: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind) as caught:
        call()
    assert str(caught.value).startswith(message)


def test_a_context_that_was_given_stays_open_and_as_it_was() -> None:
    layout = Layout(door=choice(["open", "shut"]))
    context = AtomikContext(8, 1)
    with FieldContext(layout, context=context) as door:
        assert door.read() == {"door": "shut"}
        door.change(door="open")
    assert context.read() == 0
