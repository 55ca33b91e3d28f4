"""Kinds of fields in a word: flags, values, choices, counters and fingerprints."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping, Sequence
from operator import index
from typing import Any, Final, SupportsIndex

from ..words import check_positive
from .errors import FieldOverflowError

__all__ = ["Field", "choice", "counter", "fingerprint", "flag", "parse_field", "value"]

#: The C packer takes integers of at most so many bits; longer fingerprints go in pieces.
PIECE: Final = 64
_KINDS: Final = ("flag", "value", "signed", "choice", "counter", "fingerprint")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TEXT: Final = re.compile(r"(?P<kind>[a-z]+)(?P<bits>[1-9][0-9]*)(?:\((?P<names>[^()]*)\))?")


class Field:
    """A named field's kind and size; made by `flag`, `value`, `choice`, `counter`, `fingerprint`.

    Parameters
    ----------
    kind : str
        ``flag``, ``value``, ``signed``, ``choice``, ``counter`` or ``fingerprint``.
    bits : int
        Size, at least 1; up to 64, except for fingerprints.
    members : mapping of str to int, or None
        Names and codes of a choice.
    enum_type : type of enum.Enum, or None
        What `decode` makes of a choice's code; its name where there is none.

    Raises
    ------
    TypeError, ValueError
        If kind, size or members are not what the kind allows.
    """

    __slots__ = ("_codes", "_enum", "bits", "kind", "members")

    def __init__(
        self,
        kind: str,
        bits: SupportsIndex,
        members: Mapping[str, int] | None = None,
        enum_type: type[enum.Enum] | None = None,
    ) -> None:
        if kind not in _KINDS:
            raise ValueError(f"Kind of a field must be one of {', '.join(_KINDS)}, not {kind!r}")
        self.kind = kind
        self.bits = check_positive("Bits of a field", bits)
        if self.bits > PIECE and kind != "fingerprint":
            raise ValueError(f"A {kind} has at most {PIECE} bits, not {self.bits}")
        if (kind == "choice") != (members is not None):
            raise ValueError("A choice, and nothing else, has members")
        self.members = dict(members or {})
        self._enum = enum_type
        self._codes = {code: name for name, code in self.members.items()}
        if members is not None:
            _check_members(self.members, self._codes, self.bits)

    @property
    def signed(self) -> bool:
        """Whether the field is two's complement."""
        return self.kind == "signed"

    @property
    def limits(self) -> tuple[int, int]:
        """Least and greatest code."""
        if self.signed:
            return -(1 << self.bits - 1), (1 << self.bits - 1) - 1
        return 0, (1 << self.bits) - 1

    def encode(self, name: str, given: Any) -> int:
        """Return the integer that stands for ``given``; ``name`` is what messages call the field.

        Raises
        ------
        TypeError
            If ``given`` is of another type than the field.
        ValueError
            If a choice has no such member.
        FieldOverflowError
            If it does not fit.
        """
        if self.kind == "flag":
            if given is not True and given is not False:
                raise TypeError(f"{name!r} is a flag: pass True or False, not {given!r}")
            return int(given)
        if self.kind == "choice":
            return self._code(name, given)
        if isinstance(given, bool):
            raise TypeError(f"{name!r} is a {self.kind}: pass an integer, not {given!r}")
        try:
            number = index(given)
        except TypeError:
            raise TypeError(f"{name!r} must be an integer, not {given!r}") from None
        least, greatest = self.limits
        if not least <= number <= greatest:
            raise FieldOverflowError(
                f"{name!r} has {self.bits} bits, from {least} to {greatest}: {number} does not fit"
            )
        return number

    def decode(self, name: str, code: int) -> Any:
        """Return the value that ``code`` stands for.

        Raises
        ------
        ValueError
            If a choice has no such code: the word was not made by this layout.
        """
        if self.kind == "flag":
            return bool(code)
        if self.kind != "choice":
            return code
        member = self._codes.get(code)
        if member is None:
            raise ValueError(
                f"{name!r} holds the code {code}, which none of {', '.join(self.members)} has: the "
                "word was made by another layout, or changed without it"
            )
        return member if self._enum is None else self._enum[member]

    def plain(self, given: Any) -> bool | int | str:
        """Return a decoded value as what JSON has: a member of an enumeration by its name."""
        if isinstance(given, enum.Enum) and self.kind == "choice":
            return given.name
        plain: bool | int | str = given
        return plain

    def __str__(self) -> str:
        """The field's part of a layout's description; `parse_field` reads it."""
        members = ",".join(f"{name}={code}" for name, code in self.members.items())
        return f"{self.kind}{self.bits}" + (f"({members})" if members else "")

    def __repr__(self) -> str:
        return f"<{self}>"

    def __eq__(self, other: object) -> bool:
        """Compare kind, size and members; not what a choice is decoded to."""
        return str(self) == str(other) if isinstance(other, Field) else NotImplemented

    def __hash__(self) -> int:
        return hash(str(self))

    def _code(self, name: str, given: Any) -> int:
        key = given.name if isinstance(given, enum.Enum) else given
        if self._enum is not None and isinstance(given, enum.Enum):
            if not isinstance(given, self._enum):
                raise TypeError(f"{name!r} takes members of {self._enum.__name__}, not {given!r}")
        elif not isinstance(key, str):
            raise TypeError(f"{name!r} is a choice: pass one of its members, not {given!r}")
        if key not in self.members:
            raise ValueError(f"{name!r} is one of {', '.join(self.members)}, not {key!r}")
        return self.members[key]


def flag() -> Field:
    """Return a field of one bit, which is True or False."""
    return Field("flag", 1)


def value(bits: SupportsIndex, *, signed: bool = False) -> Field:
    """Return a field with an integer of up to 64 bits; two's complement if ``signed``."""
    return Field("signed" if signed else "value", bits)


def counter(bits: SupportsIndex) -> Field:
    """Return a field with an unsigned integer that several writers add to.

    Its changes are never merged, and undone only while nothing has changed it since.
    """
    return Field("counter", bits)


def fingerprint(bits: SupportsIndex = 64) -> Field:
    """Return a field with the XOR of keyed hashes; any size."""
    return Field("fingerprint", bits)


def choice(members: type[enum.Enum] | Sequence[str], bits: SupportsIndex | None = None) -> Field:
    """Return a field that is one of several.

    Its changes are never merged, and undone only while it is as the change left it: the bits of two
    codes make a third one.

    Parameters
    ----------
    members : type of enum.Enum, or sequence of str
        An enumeration whose values are non-negative integers, which are the codes; or names, whose
        codes are their positions.
    bits : int or None
        Size; ``None`` is as many as the greatest code needs.

    Raises
    ------
    TypeError, ValueError
        If values are not such integers; if there is no member, or a name is not an identifier.
    """
    if isinstance(members, str):
        raise TypeError(f"Members of a choice are names, not one string: {members!r}")
    enum_type = members if isinstance(members, type) and issubclass(members, enum.Enum) else None
    codes: dict[str, int] = {}
    if enum_type is not None:
        for name, member in enum_type.__members__.items():
            if member.name != name:
                continue
            try:
                codes[name] = index(member.value)
            except TypeError:
                raise TypeError(
                    f"Values of {enum_type.__name__} must be integers, which are the codes in the "
                    f"word, not {member.value!r}"
                ) from None
    else:
        for code, text in enumerate(members):
            if not isinstance(text, str):
                raise TypeError(f"Members of a choice are names, not {text!r}")
            if text in codes:
                raise ValueError(f"{text!r} is a member twice")
            codes[text] = code
    if bits is None:
        bits = max(1, max(codes.values(), default=0).bit_length())
    return Field("choice", bits, codes, enum_type)


def parse_field(text: str) -> Field:
    """Return the field whose ``str`` is ``text``.

    Raises
    ------
    ValueError
        If there is none.
    """
    match = _TEXT.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} describes no field; value16, for example, does")
    members: dict[str, int] | None = None
    if match["names"] is not None:
        members = {}
        for part in match["names"].split(","):
            name, equals, code = part.partition("=")
            if not equals or not code.isdecimal() or name in members:
                raise ValueError(f"{part!r} in {text!r} is no member of a choice, such as open=0")
            members[name] = int(code)
    return Field(match["kind"], int(match["bits"]), members)


def _check_members(members: Mapping[str, int], codes: Mapping[int, str], bits: int) -> None:
    if not members:
        raise ValueError("A choice needs at least one member")
    for name, code in members.items():
        if _NAME.fullmatch(name) is None:
            raise ValueError(f"Members of a choice are identifiers, not {name!r}")
        if not 0 <= code < 1 << bits:
            raise ValueError(f"Code {code} of {name!r} does not fit in {bits} bits")
    if len(codes) != len(members):
        raise ValueError("Two members of a choice have the same code")
