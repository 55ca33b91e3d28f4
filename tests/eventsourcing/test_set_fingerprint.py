"""Set fingerprints: against hashes of the standard library, as sets are, and by halving."""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import reduce
from operator import xor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atomik_fpga import ClosedError
from atomik_fpga.eventsourcing import MembershipError, SetFingerprint

KEY = b"a key of the tests, 32 bytes all"

PORTS = [None, "sim://"]


def expected(element: bytes, buckets: int) -> tuple[int, int]:
    """Return bucket and word of an element, from the definition."""
    digest = hashlib.blake2b(element, key=KEY, digest_size=16).digest()
    return int.from_bytes(digest[:8], "big") % buckets, int.from_bytes(digest[8:], "big")


def elements(*numbers: int) -> set[bytes]:
    return {b"%d" % number for number in numbers}


@pytest.mark.parametrize("port", PORTS)
def test_every_node_is_the_xor_of_the_words_below_it(port: str | None) -> None:
    members = elements(*range(30))
    with SetFingerprint(KEY, buckets=8, port=port) as fingerprint:
        fingerprint.update(members)
        words = [0] * 8
        for element in members:
            bucket, word = expected(element, 8)
            assert fingerprint.bucket_of(element) == bucket
            words[bucket] ^= word
        assert fingerprint.nodes(range(8, 16)) == words
        for node, (first, last) in {1: (0, 8), 2: (0, 4), 3: (4, 8), 5: (2, 4)}.items():
            assert fingerprint.nodes([node]) == [reduce(xor, words[first:last])]
        assert fingerprint.root == reduce(xor, words)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 12)), max_size=40))
def test_after_any_adds_and_removes_it_is_that_of_the_set(steps: list[tuple[bool, int]]) -> None:
    fingerprint, kept = SetFingerprint(KEY, buckets=4), set()
    for adding, number in steps:
        element = b"%d" % number
        if adding == (element in kept):
            with pytest.raises(MembershipError):
                (fingerprint.add if adding else fingerprint.remove)(element)
        elif adding:
            fingerprint.add(element)
            kept.add(element)
        else:
            fingerprint.remove(element)
            kept.remove(element)
    fresh = SetFingerprint(KEY, buckets=4, members=set(kept))
    assert fingerprint.nodes(range(1, 8)) == fresh.nodes(range(1, 8))
    assert fingerprint.root == reduce(xor, (expected(each, 4)[1] for each in kept), 0)
    assert len(fingerprint) == len(kept)
    assert all(each in fingerprint for each in kept)


class Counted:
    """Another store, as it is seen over a connection: counts the nodes that are asked for."""

    def __init__(self, fingerprint: SetFingerprint) -> None:
        self._fingerprint = fingerprint
        self.buckets = fingerprint.buckets
        self.key_id = fingerprint.key_id
        self.asked = 0

    def nodes(self, indices: Sequence[int]) -> list[int]:
        self.asked += len(indices)
        return self._fingerprint.nodes(indices)


def test_two_stores_are_compared_by_one_read_and_a_difference_found_by_halving() -> None:
    source = random.Random(3)
    for _ in range(50):
        members = elements(*(source.randrange(10_000) for _ in range(200)))
        one = SetFingerprint(KEY, buckets=64, members=set(members))
        missing = source.choice(sorted(members))
        other = SetFingerprint(KEY, buckets=64, members=members - {missing})
        seen = Counted(other)
        assert not one.same_as(seen)
        assert seen.asked == 1
        bucket = one.first_difference(seen)
        # The root twice, then one node for each of six halvings.
        assert (bucket, seen.asked) == (expected(missing, 64)[0], 8)
        assert bucket is not None
        assert one.members_of(bucket) - other.members_of(bucket) == {missing}
        other.add(missing)
        assert one.same_as(seen)
        assert one.first_difference(seen) is None
        assert one.differences(seen) == []


@pytest.mark.parametrize("port", PORTS)
def test_all_differing_buckets_are_found(port: str | None) -> None:
    with (
        SetFingerprint(KEY, buckets=4, members=elements(*range(40)), port=port) as one,
        SetFingerprint(KEY, buckets=4, members=elements(*range(2, 41)), port=port) as other,
    ):
        differing = {expected(each, 4)[0] for each in elements(0, 1, 40)}
        assert one.differences(other) == sorted(differing)
        assert other.first_difference(one) == min(differing)


def test_a_batch_is_taken_in_as_a_whole_or_not_at_all() -> None:
    fingerprint = SetFingerprint(KEY, members=elements(1, 2))
    root = fingerprint.root
    for call, batch in (
        (fingerprint.update, [b"3", b"1"]),
        (fingerprint.update, [b"3", b"3"]),
        (fingerprint.difference_update, [b"1", b"3"]),
        (fingerprint.difference_update, [b"1", b"1"]),
    ):
        with pytest.raises(MembershipError):
            call(batch)
    for wrong in ([b"3", "4"], [b"3", bytearray(b"4")]):
        with pytest.raises(TypeError, match="Elements are bytes, not "):
            fingerprint.update(wrong)  # type: ignore[arg-type]
    assert (fingerprint.root, len(fingerprint)) == (root, 2)


class FullStore(set[bytes]):
    """A store that takes no more than two elements."""

    def add(self, element: bytes) -> None:
        if len(self) == 2:
            raise OSError("No space left")
        super().add(element)


def test_what_its_store_does_not_take_is_not_in_the_fingerprint() -> None:
    fingerprint = SetFingerprint(KEY, buckets=4, members=FullStore({b"1"}))
    with pytest.raises(OSError, match="No space left"):
        fingerprint.update([b"2", b"3", b"4"])
    fresh = SetFingerprint(KEY, buckets=4, members=elements(1, 2))
    assert fingerprint.nodes(range(1, 8)) == fresh.nodes(range(1, 8))
    assert len(fingerprint) == 2


class Barrier(set[bytes]):
    """Lets nobody on who asked for an element until others asked too, or half a second is over."""

    def __init__(self) -> None:
        super().__init__()
        self.barrier = threading.Barrier(2)

    def __contains__(self, element: object) -> bool:
        found = super().__contains__(element)
        with suppress(threading.BrokenBarrierError):
            self.barrier.wait(0.5)
        return found


def test_two_threads_that_add_the_same_add_it_once() -> None:
    fingerprint = SetFingerprint(KEY, buckets=4, members=Barrier())
    refused: list[MembershipError] = []

    def add() -> None:
        try:
            fingerprint.add(b"1")
        except MembershipError as error:
            refused.append(error)

    threads = [threading.Thread(target=add) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert fingerprint.root == expected(b"1", 4)[1]
    assert len(refused) == 1


def test_members_that_are_no_bytes_are_refused_before_a_board_is_opened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("atomik_fpga.eventsourcing.set_fingerprint.AtomikTable", None)
    with pytest.raises(TypeError, match=r"^Elements are bytes, not 'a': encode them$"):
        SetFingerprint(KEY, members={"a"})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^Members must be a MutableSet, not frozenset$"):
        SetFingerprint(KEY, members=frozenset({b"a"}))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: SetFingerprint(KEY).bucket_of("a"), TypeError, "Elements are bytes, not 'a'"),
        (lambda: SetFingerprint("secret"), TypeError, "Key must be bytes, not str"),
        (lambda: SetFingerprint(b"short"), ValueError, "Key must have 16 to 64 bytes, not 5"),
        (lambda: SetFingerprint(KEY, buckets=3), ValueError, "Buckets must be a power of two"),
        (lambda: SetFingerprint(KEY, buckets=0), ValueError, "Buckets must be a positive integer"),
        (
            lambda: SetFingerprint(KEY).same_as(SetFingerprint(KEY, buckets=64)),
            ValueError,
            "Only sets with as many buckets can be compared, not 128 and 64",
        ),
        (
            lambda: SetFingerprint(KEY).differences(SetFingerprint(KEY[::-1])),
            ValueError,
            "Only sets with the same key can be compared",
        ),
        (lambda: SetFingerprint(KEY).nodes([0]), IndexError, "Node must be 1 to 255, not 0"),
    ],
)
def test_what_is_wrong_is_refused(make: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind) as caught:
        make()
    assert str(caught.value).startswith(message)


def test_a_closed_one_is_closed_and_its_set_stays() -> None:
    members = elements(1)
    with SetFingerprint(KEY, members=members) as fingerprint:
        assert repr(fingerprint) == "SetFingerprint(1 elements, buckets=128)"
    with pytest.raises(ClosedError):
        _ = fingerprint.root
    with pytest.raises(ClosedError):
        fingerprint.add(b"2")
    assert members == elements(1)
