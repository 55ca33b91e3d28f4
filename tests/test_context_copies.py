"""Contexts that are merged, restored from snapshots and copied, on every backend."""

from __future__ import annotations

import copy
import json
import pickle
import re
from collections.abc import Callable

import pytest

from atomik_fpga import AtomikContext

from .backends import Backend, Make, quick

# Merging.


def test_merge_adds_the_other_accumulator_and_count(make_context: Make) -> None:
    mine, other = make_context(8, 0x80), make_context(8, 0x80)
    mine.accum(1)
    other.accum(2)
    other.accum(4)
    mine.merge(other)
    assert mine.read() == 0x87
    assert mine.reference == 0x80
    assert mine.delta_count == 3
    assert (other.read(), other.delta_count) == (0x86, 2)


def test_merge_takes_a_context_without_a_port(
    make_context: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = make_context(8, 1)
    monkeypatch.delenv("ATOMIK_PORT", raising=False)
    embedded = AtomikContext(8, 1)
    embedded.accum(6)
    context.merge(embedded)
    embedded.merge(context)
    assert context.read() == 7
    assert embedded.read() == 1
    assert (context.delta_count, embedded.delta_count) == (1, 2)


@quick
def test_merge_refuses_another_width(make_context: Make) -> None:
    mine, other = make_context(8), make_context(7)
    other.accum(1)
    with pytest.raises(
        ValueError, match=r"^Only contexts of one width can be merged, not of 8 and 7 bits$"
    ):
        mine.merge(other)
    assert (mine.read(), mine.delta_count) == (0, 0)


def test_merge_refuses_another_reference(make_context: Make) -> None:
    mine, other = make_context(12, 1), make_context(12, 0xA2)
    other.accum(0x40)
    message = (
        "Only contexts of one reference can be merged, not of 0x001 and 0x0a2; "
        "load one value into both before they diverge"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        mine.merge(other)
    assert (mine.read(), mine.delta_count) == (1, 0)


@quick
def test_merge_refuses_what_is_no_context(make_context: Make) -> None:
    with pytest.raises(TypeError, match=r"^Only a context can be merged, not 5$"):
        make_context().merge(5)  # type: ignore[arg-type]


# Snapshots.


def test_snapshot_holds_all_of_a_context_and_json_carries_it(make_context: Make) -> None:
    context = make_context(64, 1 << 63)
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


def test_from_snapshot_makes_a_context_of_that_content(make_context: Make) -> None:
    context = make_context(7, 0x55)
    context.accum(0x0F)
    with AtomikContext.from_snapshot(context.snapshot()) as copied:
        assert copied.snapshot() == context.snapshot()
        copied.accum(1)
        assert context.read() == 0x5A


def test_from_snapshot_takes_a_port(
    context_backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ATOMIK_PORT", raising=False)
    snapshot = {"width": 8, "reference": 1, "accumulator": 2, "state": 3, "delta_count": 5}
    with AtomikContext.from_snapshot(snapshot, port=context_backend.port) as context:
        assert context.snapshot() == snapshot
        assert context.port == context_backend.port


@quick
@pytest.mark.parametrize("key", ["width", "reference", "accumulator", "state", "delta_count"])
def test_a_strict_context_refuses_a_snapshot_with_bools(context_port: str | None, key: str) -> None:
    snapshot = {"width": 1, "reference": 1, "accumulator": 1, "state": 0, "delta_count": 1}
    given = {**snapshot, key: bool(snapshot[key])}
    message = f"Snapshot's {key!r} of a strict context must be an integer, not {given[key]}"
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        AtomikContext.from_snapshot(given, strict=True)
    with AtomikContext.from_snapshot(given) as lenient:
        assert lenient.snapshot() == snapshot


def test_from_snapshot_ignores_other_keys(context_port: str | None) -> None:
    snapshot = {"width": 8, "reference": 1, "accumulator": 2, "state": 3, "delta_count": 1}
    with AtomikContext.from_snapshot({**snapshot, "layout": "a"}) as context:
        assert context.snapshot() == snapshot


@quick
@pytest.mark.parametrize("key", ["width", "reference", "accumulator", "state", "delta_count"])
def test_from_snapshot_refuses_a_missing_key(context_port: str | None, key: str) -> None:
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
    context_port: str | None, change: dict[str, int], message: str
) -> None:
    snapshot = {"width": 8, "reference": 1, "accumulator": 2, "state": 3, "delta_count": 1}
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        AtomikContext.from_snapshot({**snapshot, **change})


@quick
def test_from_snapshot_refuses_what_is_no_integer(context_port: str | None) -> None:
    snapshot = {"width": 8, "reference": "1", "accumulator": 2, "state": 3, "delta_count": 1}
    with pytest.raises(TypeError, match=r"^Snapshot's 'reference' must be an integer, not '1'$"):
        AtomikContext.from_snapshot(snapshot)
    with pytest.raises(TypeError, match=r"^Snapshot must be a mapping, not \[\]$"):
        AtomikContext.from_snapshot([])  # type: ignore[arg-type]


# Copies of the embedded model.


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
