"""Layouts: bits, values, errors, saved words, migration, and Amaranth's view of the same word."""

from __future__ import annotations

import copy
import enum
import json
import pickle
import re
from typing import Any

import pytest
from amaranth.hdl import signed
from amaranth.lib import data
from amaranth.lib import enum as amaranth_enum
from hypothesis import given, settings
from hypothesis import strategies as st

from atomik_fpga.eventsourcing import (
    Field,
    FieldContext,
    FieldOverflowError,
    Layout,
    LayoutChangedError,
    choice,
    counter,
    fingerprint,
    flag,
    migrate,
    value,
)


class Status(enum.Enum):
    OPEN = 0
    FROZEN = 1
    CLOSED = 5


ACCOUNT = Layout(
    balance=value(20),
    frozen=flag(),
    change=value(6, signed=True),
    status=choice(Status),
    visits=counter(7),
    members=fingerprint(64),
)
#: Lowest bit and size of each field, counted by hand.
ACCOUNT_PLACES = {
    "balance": (0, 20),
    "frozen": (20, 1),
    "change": (21, 6),
    "status": (27, 3),
    "visits": (30, 7),
    "members": (37, 64),
}
VALUES: dict[str, Any] = {
    "balance": 0xABCDE,
    "frozen": True,
    "change": -3,
    "status": Status.CLOSED,
    "visits": 100,
    "members": 0x0123_4567_89AB_CDEF,
}


def by_shifts(places: dict[str, tuple[int, int]], codes: dict[str, int]) -> int:
    word = 0
    for name, (offset, bits) in places.items():
        word |= (codes[name] % 2**bits) << offset
    return word


def test_the_first_field_is_in_the_lowest_bits_and_there_are_no_gaps() -> None:
    places = {name: (place.offset, place.bits) for name, place in ACCOUNT.places.items()}
    assert places == ACCOUNT_PLACES
    assert ACCOUNT.width == 101


def test_pack_puts_each_value_at_its_place() -> None:
    codes = {**VALUES, "status": 5}
    assert ACCOUNT.pack(**VALUES) == by_shifts(ACCOUNT_PLACES, codes)
    assert ACCOUNT.unpack(ACCOUNT.pack(**VALUES)) == VALUES


def test_delta_changes_the_named_fields_and_no_other() -> None:
    word = ACCOUNT.pack(**VALUES)
    delta = ACCOUNT.delta(word, balance=0, change=5, status=Status.OPEN)
    assert ACCOUNT.unpack(word ^ delta) == {
        **VALUES,
        "balance": 0,
        "change": 5,
        "status": Status.OPEN,
    }
    assert ACCOUNT.touched(delta) == ("balance", "change", "status")
    assert ACCOUNT.delta(word) == 0


@st.composite
def layouts(draw: st.DrawFn) -> tuple[Layout, dict[str, int]]:
    """Draw a layout of integers, and a code for each field."""
    fields: dict[str, Field] = {}
    codes: dict[str, int] = {}
    for number in range(draw(st.integers(1, 8))):
        kind = draw(st.sampled_from([value, counter, fingerprint, "signed"]))
        bits = draw(st.integers(1, 200 if kind is fingerprint else 64))
        name = f"f{number}"
        if kind == "signed":
            fields[name] = value(bits, signed=True)
            codes[name] = draw(st.integers(-(1 << bits - 1), (1 << bits - 1) - 1))
        else:
            fields[name] = kind(bits)  # type: ignore[operator]
            codes[name] = draw(st.integers(0, (1 << bits) - 1))
    return Layout(**fields), codes


@settings(max_examples=200, deadline=None)
@given(layouts())
def test_any_layout_packs_as_shifts_and_masks_do(drawn: tuple[Layout, dict[str, int]]) -> None:
    layout, codes = drawn
    places, offset = {}, 0
    for name, place in layout.places.items():
        places[name] = (offset, place.bits)
        offset += place.bits
    word = by_shifts(places, codes)
    assert layout.width == offset
    assert layout.pack(**codes) == word
    assert layout.unpack(word) == codes
    assert Layout.parse(layout.description) == layout


# Amaranth.


class HdlStatus(amaranth_enum.Enum, shape=3):
    OPEN = 0
    FROZEN = 1
    CLOSED = 5


@settings(max_examples=100, deadline=None)
@given(layouts())
def test_any_amaranth_struct_reads_the_same_values(drawn: tuple[Layout, dict[str, int]]) -> None:
    layout, codes = drawn
    members = {
        name: signed(place.bits) if place.field.signed else place.bits
        for name, place in layout.places.items()
    }
    struct = data.StructLayout(members)
    word = struct.from_bits(layout.pack(**codes))
    assert {name: word[name] for name in members} == codes


# Errors.


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        (
            {"balance": 1 << 20},
            FieldOverflowError,
            "'balance' has 20 bits, from 0 to 1048575: 1048576 does not fit",
        ),
        (
            {"balance": -1},
            FieldOverflowError,
            "'balance' has 20 bits, from 0 to 1048575: -1 does not fit",
        ),
        (
            {"change": 32},
            FieldOverflowError,
            "'change' has 6 bits, from -32 to 31: 32 does not fit",
        ),
        ({"visits": 128}, OverflowError, "'visits' has 7 bits, from 0 to 127: 128 does not fit"),
        ({"frozen": 1}, TypeError, "'frozen' is a flag: pass True or False, not 1"),
        ({"balance": True}, TypeError, "'balance' is a value: pass an integer, not True"),
        ({"balance": 1.0}, TypeError, "'balance' must be an integer, not 1.0"),
        ({"status": "LOST"}, ValueError, "'status' is one of OPEN, FROZEN, CLOSED, not 'LOST'"),
        ({"status": 0}, TypeError, "'status' is a choice: pass one of its members, not 0"),
        (
            {"status": HdlStatus.OPEN},
            TypeError,
            "'status' takes members of Status, not HdlStatus.OPEN",
        ),
        (
            {"sum": 1},
            TypeError,
            "No field is named 'sum'; there are balance, frozen, change, status, visits, members",
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_name(
    changes: dict[str, Any], kind: type[Exception], message: str
) -> None:
    for call in (
        lambda: ACCOUNT.pack(**{**VALUES, **changes}),
        lambda: ACCOUNT.delta(0, **changes),
    ):
        with pytest.raises(kind) as caught:
            call()
        # The members of Amaranth's enumerations print their values in some versions.
        assert str(caught.value).startswith(message.partition("HdlStatus.OPEN")[0])


def test_fields_may_have_the_names_of_parameters() -> None:
    layout = Layout(self=value(4), word=value(4))
    word = layout.pack(self=1, word=2)
    assert word == 0x21
    assert layout.delta(word, self=3, word=2) == 2
    with FieldContext(layout) as context:
        assert context.change(self=5).state_after == 5


def test_a_word_needs_every_field() -> None:
    values = {name: VALUES[name] for name in ("balance", "frozen", "change", "status")}
    with pytest.raises(TypeError, match=r"^A word needs every field: visits, members missing$"):
        ACCOUNT.pack(**values)


@pytest.mark.parametrize("word", [1 << 101, -1])
def test_a_word_that_is_none_of_the_layout_is_refused(word: int) -> None:
    with pytest.raises(FieldOverflowError, match=r"^A word of this layout has 101 bits: "):
        ACCOUNT.unpack(word)


def test_a_code_without_a_member_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^'status' holds the code 2, which none of OPEN, FROZEN"):
        ACCOUNT.unpack(2 << 27)


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: Layout(), ValueError, "A layout needs at least one field"),
        (
            lambda: Layout(**{"a:value8;b": flag()}),
            ValueError,
            "Names of fields are identifiers, not 'a:value8;b'",
        ),
        (lambda: Layout(**{"a b": flag()}), ValueError, "Names of fields are identifiers, not"),
        (lambda: Layout(a=3), TypeError, "'a' must be a field, such as flag(), not 3"),
        (lambda: value(65), ValueError, "A value has at most 64 bits, not 65"),
        (lambda: counter(0), ValueError, "Bits of a field must be a positive integer, not 0"),
        (lambda: value(2.0), TypeError, "Bits of a field must be a positive integer, not 2.0"),
        (lambda: choice([]), ValueError, "A choice needs at least one member"),
        (lambda: choice("ab"), TypeError, "Members of a choice are names, not one string: 'ab'"),
        (lambda: choice(["a", "a"]), ValueError, "'a' is a member twice"),
        (lambda: choice(["a b"]), ValueError, "Members of a choice are identifiers, not 'a b'"),
        (lambda: choice([1]), TypeError, "Members of a choice are names, not 1"),
        (lambda: choice(["a", "b"], 0), ValueError, "Bits of a field must be a positive integer"),
        (
            lambda: choice(["a", "b", "c"], 1),
            ValueError,
            "Code 2 of 'c' does not fit in 1 bits",
        ),
        (
            lambda: choice(enum.Enum("Named", {"A": "a"})),
            TypeError,
            "Values of Named must be integers, which are the codes in the word, not 'a'",
        ),
        (lambda: Field("text", 3), ValueError, "Kind of a field must be one of flag, value"),
        (lambda: Field("value", 3, {"a": 1}), ValueError, "A choice, and nothing else, has"),
        (
            lambda: Field("choice", 3, {"a": 1, "b": 1}),
            ValueError,
            "Two members of a choice have the same code",
        ),
        (lambda: Layout.parse("a:value"), ValueError, "'value' describes no field"),
        (lambda: Layout.parse("value3"), ValueError, "'value3' in 'value3' is no field"),
        (lambda: Layout.parse("a:choice1(x)"), ValueError, "'x' in 'choice1(x)' is no member"),
    ],
)
def test_a_wrong_definition_is_refused(make: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind) as caught:
        make()
    assert str(caught.value).startswith(message)


# Saved words.


def test_the_hash_is_the_same_in_every_process_and_version() -> None:
    # Written down: it stands in databases.
    assert ACCOUNT.description == (
        "balance:value20;frozen:flag1;change:signed6;status:choice3(OPEN=0,FROZEN=1,CLOSED=5);"
        "visits:counter7;members:fingerprint64"
    )
    assert ACCOUNT.hash == "63387765f7f0a57b"


def test_a_saved_word_comes_back_through_json() -> None:
    word = ACCOUNT.pack(**VALUES)
    saved = json.loads(json.dumps(ACCOUNT.save(word)))
    assert ACCOUNT.restore(saved) == word
    assert Layout.parse(saved["layout"]).restore(saved) == word


@pytest.mark.parametrize(
    ("new", "difference"),
    [
        (Layout(a=value(9), b=flag()), "a was value8 and is value9"),
        (Layout(b=flag(), a=value(8)), "a was at bit 0 and is at bit 1; b was at bit 8 and is at"),
        (Layout(a=value(8)), "b (flag1) is gone"),
        (Layout(a=value(8), b=flag(), c=flag()), "c (flag1) is new"),
        (Layout(a=counter(8), b=flag()), "a was value8 and is counter8"),
    ],
)
def test_another_layout_is_refused_with_the_difference_named(new: Layout, difference: str) -> None:
    old = Layout(a=value(8), b=flag())
    saved = old.save(0x1FF)
    with pytest.raises(LayoutChangedError) as caught:
        new.restore(saved)
    assert difference in str(caught.value)
    assert f"saved with layout {old.hash}, and this is {new.hash}" in str(caught.value)
    assert "migrate(old, new)" in str(caught.value)


@pytest.mark.parametrize("saved", [{"word": "0x1"}, {}, None, "0x1"])
def test_what_is_no_saved_word_is_refused(saved: Any) -> None:
    with pytest.raises(ValueError, match=r"^A saved word is a mapping with the strings word, "):
        ACCOUNT.restore(saved)


def test_a_saved_word_without_digits_is_refused() -> None:
    saved = {**ACCOUNT.save(0), "word": "12.5"}
    with pytest.raises(ValueError, match=r"^A saved word is hexadecimal digits, not '12\.5'$"):
        ACCOUNT.restore(saved)


def test_a_layout_is_equal_by_its_description_and_can_be_copied_and_pickled() -> None:
    again = pickle.loads(pickle.dumps(ACCOUNT))
    assert again == ACCOUNT
    assert again.unpack(ACCOUNT.pack(**VALUES)) == VALUES
    assert copy.deepcopy(ACCOUNT) is ACCOUNT
    assert hash(again) == hash(ACCOUNT)
    assert Layout(balance=value(20)) != ACCOUNT


def test_describe_draws_the_word_from_the_top() -> None:
    layout = Layout(balance=value(7), open=flag(), kind=choice(["cash", "card"]))
    assert layout.describe() == (
        "bits  field    kind    values\n"
        "8     kind     choice  cash = 0, card = 1\n"
        "7     open     flag    False, True\n"
        "6:0   balance  value   0 to 127\n"
        f"9 bits, layout {layout.hash}"
    )


# Migration.


def test_a_migration_keeps_values_by_name_and_asks_for_the_rest() -> None:
    old = Layout(cents=value(8), open=flag(), kind=choice(["cash", "card"]), note=value(3))
    new = Layout(kind=choice(["card", "cash"]), balance=value(16), open=flag(), visits=counter(4))
    to_new = migrate(old, new, renamed={"cents": "balance"}, added={"visits": 1}, dropped=["note"])
    word = old.pack(cents=200, open=True, kind="card", note=7)
    assert new.unpack(to_new(word)) == {"kind": "card", "balance": 200, "open": True, "visits": 1}


def test_a_value_that_does_not_fit_any_more_is_refused_by_name() -> None:
    to_new = migrate(Layout(a=value(8)), Layout(b=value(4)), renamed={"a": "b"})
    assert to_new(15) == 15
    with pytest.raises(FieldOverflowError, match=r"^'a' can't become 'b': 'b' has 4 bits"):
        to_new(16)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "'b' has no place in the new layout: rename it or drop it"),
        ({"dropped": ["b"]}, "New fields need a value: pass added={'c': ...}"),
        ({"dropped": ["d"]}, "The old layout has no field 'd'; it has a, b"),
        ({"renamed": {"b": "d"}}, "The new layout has no field 'd'; it has a, c"),
        ({"renamed": {"b": "a"}}, "'a' of the new layout would get two values"),
        ({"renamed": {"b": "c"}, "added": {"c": 1}}, "'c' of the new layout would get two values"),
    ],
)
def test_a_migration_that_says_too_little_or_too_much_is_refused(
    arguments: dict[str, Any], message: str
) -> None:
    old, new = Layout(a=value(8), b=value(8)), Layout(a=value(8), c=value(8))
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        migrate(old, new, **arguments)
