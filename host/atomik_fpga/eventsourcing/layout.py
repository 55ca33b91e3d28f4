"""Named fields in the word of a context."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from operator import index
from types import MappingProxyType
from typing import Any, Final, SupportsIndex, TypedDict

import bitstruct.c

from ..words import hex_word
from .errors import FieldOverflowError, LayoutChangedError
from .fields import PIECE, Field, parse_field

__all__ = ["Layout", "Place", "SavedWord", "difference"]

#: Bytes of a layout's hash.
_HASH_BYTES: Final = 8


class SavedWord(TypedDict):
    """A word with what is needed to read it again; JSON can carry it."""

    #: Hexadecimal digits.
    word: str
    #: `Layout.hash`.
    layout_hash: str
    #: `Layout.description`.
    layout: str


class Place:
    """Where a field is: its lowest bit, its size, its mask in the word, and what it is."""

    __slots__ = ("bits", "field", "mask", "offset")

    def __init__(self, offset: int, field: Field) -> None:
        self.offset = offset
        self.bits = field.bits
        self.mask = ((1 << field.bits) - 1) << offset
        self.field = field


class Layout:
    """Named fields in a word, the first one in the lowest bits, without gaps.

    That is where Amaranth's ``data.Struct`` with the same members has them, so that logic in the
    fabric can use them by name. Words are packed by the C implementation of ``bitstruct``.

    Parameters
    ----------
    **fields : Field
        In order, from bit 0 on: `flag`, `value`, `choice`, `counter`, `fingerprint`.

    Raises
    ------
    TypeError, ValueError
        If something else than a `Field` is given, or nothing, or a name is not an identifier.
    """

    __slots__ = ("_hash", "_packer", "_size", "_spare", "places", "width")

    def __init__(self, /, **fields: Field) -> None:
        if not fields:
            raise ValueError("A layout needs at least one field")
        places: dict[str, Place] = {}
        offset = 0
        formats: list[str] = []
        for name, field in fields.items():
            if not isinstance(field, Field):
                raise TypeError(f"{name!r} must be a field, such as flag(), not {field!r}")
            if not name.isidentifier():
                raise ValueError(f"Names of fields are identifiers, not {name!r}")
            places[name] = Place(offset, field)
            offset += field.bits
            letter = "s" if field.signed else "u"
            formats += [f"{letter}{size}" for size in _pieces(field.bits)]
        #: Where each field is, by name.
        self.places: Mapping[str, Place] = MappingProxyType(places)
        #: Bits of a word.
        self.width = offset
        self._size = (offset + 7) // 8
        spare = 8 * self._size - offset
        # bitstruct begins at the highest bit.
        padding = [f"p{spare}"] if spare else []
        self._packer = bitstruct.c.compile("".join([*padding, *reversed(formats)]))
        digest = hashlib.blake2b(self.description.encode(), digest_size=_HASH_BYTES)
        self._hash = digest.hexdigest()

    @classmethod
    def parse(cls, description: str) -> Layout:
        """Return the layout with this `description`. Its choices are decoded to names.

        Raises
        ------
        ValueError
            If it describes none.
        """
        fields: dict[str, Field] = {}
        for part in description.split(";"):
            name, colon, text = part.partition(":")
            if not colon or not name.isidentifier() or name in fields:
                raise ValueError(
                    f"{part!r} in {description!r} is no field, such as balance:value48"
                )
            fields[name] = parse_field(text)
        return cls(**fields)

    @property
    def description(self) -> str:
        """All that decides how a word is read, on one line; `parse` makes a layout of it."""
        return ";".join(f"{name}:{place.field}" for name, place in self.places.items())

    @property
    def hash(self) -> str:
        """16 hexadecimal digits: BLAKE2b of the description, the same everywhere and always."""
        return self._hash

    def pack(self, /, **values: Any) -> int:
        """Return the word in which every field has the given value.

        Raises
        ------
        TypeError
            If a field is missing or unknown, or a value is of the wrong type.
        ValueError
            If a choice has no such member.
        FieldOverflowError
            If a value does not fit.
        """
        self._check_names(values)
        missing = [name for name in self.places if name not in values]
        if missing:
            raise TypeError(f"A word needs every field: {', '.join(missing)} missing")
        pieces: list[int] = []
        for name, place in self.places.items():
            code = place.field.encode(name, values[name])
            if place.bits <= PIECE:
                pieces.append(code)
            else:
                for size in _pieces(place.bits):
                    pieces.append(code & (1 << size) - 1)
                    code >>= size
        return int.from_bytes(self._packer.pack(*reversed(pieces)), "big")

    def unpack(self, word: SupportsIndex) -> dict[str, Any]:
        """Return the value of each field.

        Raises
        ------
        TypeError, FieldOverflowError
            If ``word`` is not an integer; has more bits than the layout, or is negative.
        ValueError
            If a choice has no member with the code in its field.
        """
        pieces = self._packer.unpack(self.check_word(word).to_bytes(self._size, "big"))
        rest = reversed(pieces)
        values = {}
        for name, place in self.places.items():
            code = next(rest)
            if place.bits > PIECE:
                for shift in range(PIECE, place.bits, PIECE):
                    code |= next(rest) << shift
            values[name] = place.field.decode(name, code)
        return values

    def delta(self, word: SupportsIndex, /, **changes: Any) -> int:
        """Return what turns ``word`` into the same word with other values in some fields.

        Raises
        ------
        TypeError, ValueError, FieldOverflowError
            As for `pack` and `unpack`.
        """
        self._check_names(changes)
        old = self.check_word(word)
        new = old
        for name, given in changes.items():
            place = self.places[name]
            code = place.field.encode(name, given) << place.offset
            new = new & ~place.mask | code & place.mask
        return old ^ new

    def touched(self, bits: int) -> tuple[str, ...]:
        """Return the names of the fields in which ``bits`` has a 1."""
        return tuple(name for name, place in self.places.items() if place.mask & bits)

    def describe(self) -> str:
        """Return a table of the fields, from the highest bits down."""
        rows = [("bits", "field", "kind", "values")]
        for name, place in reversed(list(self.places.items())):
            top = place.offset + place.bits - 1
            bits = f"{top}" if place.bits == 1 else f"{top}:{place.offset}"
            rows.append((bits, name, place.field.kind, _values(place.field)))
        sizes = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(text.ljust(size) for text, size in zip(row, sizes, strict=True)).rstrip()
            for row in rows
        ]
        return "\n".join([*lines, f"{self.width} bits, layout {self.hash}"])

    def save(self, word: SupportsIndex) -> SavedWord:
        """Return ``word`` with the layout that reads it."""
        digits = hex_word(self.check_word(word), self.width)
        return {"word": digits, "layout_hash": self.hash, "layout": self.description}

    def restore(self, saved: Mapping[str, str]) -> int:
        """Return the word of what `save` returned.

        Raises
        ------
        LayoutChangedError
            If another layout saved it. The message names the difference.
        ValueError
            If it is not such a mapping.
        """
        keys = ("word", "layout_hash", "layout")
        if not isinstance(saved, Mapping) or not all(isinstance(saved.get(k), str) for k in keys):
            raise ValueError(
                f"A saved word is a mapping with the strings {', '.join(keys)}, not {saved!r}"
            )
        self.check(saved["layout_hash"], saved["layout"])
        try:
            word = int(saved["word"], 16)
        except ValueError:
            raise ValueError(f"A saved word is hexadecimal digits, not {saved['word']!r}") from None
        return self.check_word(word)

    def check(self, layout_hash: str, description: str) -> None:
        """Raise `LayoutChangedError`, which names the difference, unless this is that layout."""
        if layout_hash != self.hash:
            changes = "; ".join(difference(Layout.parse(description), self)) or "another version"
            raise LayoutChangedError(
                f"The word was saved with layout {layout_hash}, and this is {self.hash}: {changes}."
                " Read it with the old layout, and map it with migrate(old, new)"
            )

    def __eq__(self, other: object) -> bool:
        """Compare the descriptions."""
        return (
            self.description == other.description if isinstance(other, Layout) else NotImplemented
        )

    def __hash__(self) -> int:
        return hash(self.description)

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def __repr__(self) -> str:
        return (
            f"Layout({', '.join(f'{name}={place.field}' for name, place in self.places.items())})"
        )

    def __deepcopy__(self, memo: object) -> Layout:
        # It never changes.
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _make, ({name: place.field for name, place in self.places.items()},)

    def check_word(self, word: SupportsIndex) -> int:
        """Return ``word`` as an ``int``; raise as `unpack` does, but for a choice's codes."""
        try:
            number = index(word)
        except TypeError:
            raise TypeError(f"A word must be an integer, not {word!r}") from None
        if number < 0 or number >> self.width:
            raise FieldOverflowError(
                f"A word of this layout has {self.width} bits: {number:#x} is none"
            )
        return number

    def _check_names(self, values: Mapping[str, Any]) -> None:
        unknown = [name for name in values if name not in self.places]
        if unknown:
            raise TypeError(
                f"No field is named {', '.join(map(repr, unknown))}; there are "
                f"{', '.join(self.places)}"
            )


def difference(old: Layout, new: Layout) -> list[str]:
    """Return what differs between two layouts, a phrase a field; nothing if they are equal."""
    phrases = []
    for name, place in old.places.items():
        other = new.places.get(name)
        if other is None:
            phrases.append(f"{name} ({place.field}) is gone")
        elif other.field != place.field:
            phrases.append(f"{name} was {place.field} and is {other.field}")
        elif other.offset != place.offset:
            phrases.append(f"{name} was at bit {place.offset} and is at bit {other.offset}")
    phrases += [
        f"{name} ({place.field}) is new"
        for name, place in new.places.items()
        if name not in old.places
    ]
    return phrases


def _make(fields: dict[str, Field]) -> Layout:
    return Layout(**fields)


def _pieces(bits: int) -> list[int]:
    """Return the sizes, from the lowest bits on, in which ``bits`` bits are packed."""
    return [min(PIECE, bits - start) for start in range(0, bits, PIECE)]


def _values(field: Field) -> str:
    if field.kind == "flag":
        return "False, True"
    if field.kind == "choice":
        return ", ".join(f"{name} = {code}" for name, code in field.members.items())
    if field.kind == "fingerprint":
        return "XOR of hashes"
    least, greatest = field.limits
    return f"{least} to {greatest}"
