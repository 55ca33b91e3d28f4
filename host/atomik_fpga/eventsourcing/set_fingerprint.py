"""A set's fingerprint on a table of contexts: two stores compared in one read, and by halving."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, MutableSet, Sequence
from types import TracebackType
from typing import Final, Protocol, Self

from ..ending import end_block
from ..table import AtomikTable
from ..words import check_positive
from .errors import MembershipError

__all__ = ["FingerprintNodes", "SetFingerprint"]

#: BLAKE2b takes keys of up to so many bytes, and a short one can be guessed.
_LONGEST_KEY: Final = 64
_SHORTEST_KEY: Final = 16
_BUCKET_BYTES: Final = 8
#: Bits of a word: two different sets have the same one with a probability of 2^-64.
_WIDTH: Final = 64


class FingerprintNodes(Protocol):
    """What the other store has to offer to be compared: its end of a connection, say."""

    @property
    def buckets(self) -> int:
        """How many buckets there are."""

    @property
    def key_id(self) -> str:
        """What tells keys apart without telling them."""

    def nodes(self, indices: Sequence[int]) -> list[int]:
        """Return the words of some nodes."""


class SetFingerprint:
    """XOR of keyed hashes of a set's elements, in buckets, with a tree of XORs over them.

    Each element has a bucket and a word of 64 bits, from its BLAKE2b with the key. A node of the
    tree is the XOR of the words below it: node 1 is the root, nodes 2 n and 2 n + 1 are below node
    n, and the last ``buckets`` nodes are the buckets. Node n is context n - 1 of a table, which has
    ``2 * buckets - 1``. To add an element is one delta for each node above it; to compare two sets
    is one read of each root; to find a bucket in which they differ is one read a level.

    XOR forgets how often: an element that is added twice would be gone. So the set itself is kept,
    and what is in it already, or is not, is refused. With a key that others don't know they can't
    make a set with a given fingerprint; two different sets have the same one with a probability of
    2^-64.

    Threads may share the object. After an error of the device the set is what it was: a new object
    with the same ``members`` puts it on another device, or on the same one again.

    Parameters
    ----------
    key : bytes
        16 to 64 bytes, the same for all stores that are compared.
    buckets : int
        A power of two.
    members : MutableSet of bytes or None
        Where the set is kept; what is in it already is taken in. ``None`` is a new set in memory.
    port, baud
        As for `AtomikTable`.

    Raises
    ------
    TypeError, ValueError
        If ``key``, ``buckets`` or ``members`` is not like that.
    AtomikError
        As `AtomikTable` does.
    """

    def __init__(
        self,
        key: bytes,
        *,
        buckets: int = 128,
        members: MutableSet[bytes] | None = None,
        port: str | None = None,
        baud: int | None = None,
    ) -> None:
        if not isinstance(key, bytes):
            raise TypeError(f"Key must be bytes, not {type(key).__name__}")
        if not _SHORTEST_KEY <= len(key) <= _LONGEST_KEY:
            raise ValueError(
                f"Key must have {_SHORTEST_KEY} to {_LONGEST_KEY} bytes, not {len(key)}; "
                "secrets.token_bytes(32) makes one"
            )
        self._buckets = check_positive("Buckets", buckets)
        if self._buckets & (self._buckets - 1):
            raise ValueError(f"Buckets must be a power of two, not {buckets}")
        self._key = key
        self._members: MutableSet[bytes] = set() if members is None else members
        if not isinstance(self._members, MutableSet):
            raise TypeError(f"Members must be a MutableSet, not {type(members).__name__}")
        kept = self._checked(self._members)
        self._lock = threading.Lock()
        self._table = AtomikTable(2 * self._buckets - 1, _WIDTH, port=port, baud=baud)
        self._accumulate(kept)

    def add(self, element: bytes) -> None:
        """Add an element.

        Raises
        ------
        TypeError
            If it is not bytes.
        MembershipError
            If it is in the set.
        """
        self.update([element])

    def update(self, elements: Iterable[bytes]) -> None:
        """Add elements, all or none of them.

        Raises
        ------
        TypeError, MembershipError
            As `add` does; also if one comes twice.
        """
        added = self._checked(elements)
        with self._lock:
            for element in added:
                if element in self._members:
                    raise MembershipError(
                        f"{element!r} is in the set already: it can't be added twice"
                    )
            self._apply(added, self._members.add)

    def remove(self, element: bytes) -> None:
        """Remove an element.

        Raises
        ------
        TypeError
            If it is not bytes.
        MembershipError
            If it is not in the set.
        """
        self.difference_update([element])

    def difference_update(self, elements: Iterable[bytes]) -> None:
        """Remove elements, all or none of them.

        Raises
        ------
        TypeError, MembershipError
            As `remove` does; also if one comes twice.
        """
        removed = self._checked(elements)
        with self._lock:
            for element in removed:
                if element not in self._members:
                    raise MembershipError(f"{element!r} is not in the set: it can't be removed")
            self._apply(removed, self._members.discard)

    def __contains__(self, element: object) -> bool:
        return element in self._members

    def __len__(self) -> int:
        return len(self._members)

    @property
    def root(self) -> int:
        """The fingerprint of the whole set; 0 if it is empty."""
        return self._table.read(0)

    @property
    def buckets(self) -> int:
        """How many buckets there are."""
        return self._buckets

    @property
    def key_id(self) -> str:
        """16 hexadecimal digits that tell keys apart without telling them."""
        return hashlib.blake2b(b"key id", key=self._key, digest_size=8).hexdigest()

    def nodes(self, indices: Sequence[int]) -> list[int]:
        """Return the words of some nodes of the tree.

        Raises
        ------
        IndexError
            If there is no such node.
        """
        for index in indices:
            if not 1 <= index < 2 * self._buckets:
                raise IndexError(f"Node must be 1 to {2 * self._buckets - 1}, not {index}")
        words: list[int] = self._table.read_many([index - 1 for index in indices])
        return words

    def bucket_of(self, element: bytes) -> int:
        """Return the bucket of an element, from 0, whether it is in the set or not.

        Raises
        ------
        TypeError
            If it is not bytes.
        """
        return self._hash(*self._checked([element]))[0]

    def members_of(self, bucket: int) -> set[bytes]:
        """Return the set's elements in a bucket: what two stores exchange where they differ."""
        with self._lock:
            members = list(self._members)
        return {element for element in members if self._hash(element)[0] == bucket}

    def same_as(self, other: FingerprintNodes) -> bool:
        """Return whether both sets have the same elements: one read of each.

        Raises
        ------
        ValueError
            If the other has another key, or another number of buckets.
        """
        self._check_comparable(other)
        return self.root == other.nodes([1])[0]

    def first_difference(self, other: FingerprintNodes) -> int | None:
        """Return the first bucket in which the sets differ, or ``None``: one read a level of each.

        Raises
        ------
        ValueError
            As `same_as` does.
        """
        if self.same_as(other):
            return None
        node = 1
        while node < self._buckets:
            # If the left half is the same, the right one differs.
            left = 2 * node
            node = left if self.nodes([left]) != other.nodes([left]) else left + 1
        return node - self._buckets

    def differences(self, other: FingerprintNodes) -> list[int]:
        """Return all buckets in which the sets differ: at most one read a level of each.

        Raises
        ------
        ValueError
            As `same_as` does.
        """
        self._check_comparable(other)
        level = [1]
        while True:
            pairs = zip(level, self.nodes(level), other.nodes(level), strict=True)
            differing = [node for node, mine, theirs in pairs if mine != theirs]
            if not differing or differing[0] >= self._buckets:
                return [node - self._buckets for node in differing]
            level = [child for node in differing for child in (2 * node, 2 * node + 1)]

    def close(self) -> None:
        """Close the table; the set stays as it is."""
        self._table.close()

    def __enter__(self) -> Self:
        """Return the object itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        end_block(self.close, error)

    def __repr__(self) -> str:
        return f"SetFingerprint({len(self._members)} elements, buckets={self._buckets})"

    def _checked(self, elements: Iterable[bytes]) -> list[bytes]:
        found: dict[bytes, None] = {}
        for element in elements:
            if not isinstance(element, bytes):
                raise TypeError(f"Elements are bytes, not {element!r}: encode them")
            if element in found:
                raise MembershipError(f"{element!r} comes twice")
            found[element] = None
        return list(found)

    def _apply(self, elements: list[bytes], step: Callable[[bytes], None]) -> None:
        """Accumulate elements, and take a step with each of them in the set."""
        self._accumulate(elements)
        taken = 0
        try:
            for element in elements:
                step(element)
                taken += 1
        except BaseException:
            # A set in a database may fail, and the table has to say what is in it.
            self._accumulate(elements[taken:])
            raise

    def _accumulate(self, elements: Iterable[bytes]) -> None:
        addresses: list[int] = []
        deltas: list[int] = []
        for element in elements:
            bucket, word = self._hash(element)
            node = bucket + self._buckets
            while node:
                addresses.append(node - 1)
                deltas.append(word)
                node //= 2
        self._table.accum_many(addresses, deltas)

    def _hash(self, element: bytes) -> tuple[int, int]:
        size = _BUCKET_BYTES + _WIDTH // 8
        digest = hashlib.blake2b(element, key=self._key, digest_size=size).digest()
        bucket = int.from_bytes(digest[:_BUCKET_BYTES], "big") % self._buckets
        return bucket, int.from_bytes(digest[_BUCKET_BYTES:], "big")

    def _check_comparable(self, other: FingerprintNodes) -> None:
        if other.buckets != self._buckets:
            raise ValueError(
                f"Only sets with as many buckets can be compared, not {self._buckets} and "
                f"{other.buckets}"
            )
        if other.key_id != self.key_id:
            raise ValueError("Only sets with the same key can be compared")
