"""Words of one layout as words of another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, SupportsIndex

from .errors import FieldOverflowError
from .layout import Layout

__all__ = ["Migration", "migrate"]


class Migration:
    """Maps words of ``old`` to words of ``new``; made by `migrate`, called with a word."""

    __slots__ = ("_added", "_sources", "new", "old")

    def __init__(
        self, old: Layout, new: Layout, sources: Mapping[str, str], added: Mapping[str, Any]
    ) -> None:
        self.old = old
        self.new = new
        self._sources = dict(sources)
        self._added = dict(added)

    def __call__(self, word: SupportsIndex) -> int:
        """Return the word of the new layout with the values that ``word`` has in the old one.

        Raises
        ------
        FieldOverflowError, TypeError, ValueError
            If a value does not fit in its new field; is of another type, or no member.
        """
        values = self.old.unpack(word)
        taken = dict(self._added)
        for name, source in self._sources.items():
            plain = self.old.places[source].field.plain(values[source])
            try:
                # Checked here for a message that names both fields.
                self.new.places[name].field.encode(name, plain)
            except FieldOverflowError as error:
                raise FieldOverflowError(f"{source!r} can't become {name!r}: {error}") from None
            taken[name] = plain
        return self.new.pack(**taken)


def migrate(
    old: Layout,
    new: Layout,
    *,
    renamed: Mapping[str, str] | None = None,
    added: Mapping[str, Any] | None = None,
    dropped: Iterable[str] = (),
) -> Migration:
    """Return what maps words of ``old`` to words of ``new``.

    Fields keep their values by name, wherever they are and whatever size they have now. Whatever is
    not so simple has to be said: nothing is dropped or made up silently.

    Parameters
    ----------
    old, new : Layout
        Where words come from, and what they become.
    renamed : mapping of str to str
        Old name: new name.
    added : mapping of str to value
        What fields that are new hold.
    dropped : iterable of str
        Fields of ``old`` whose values may go.

    Raises
    ------
    ValueError
        If a field of either layout is left over, or named in vain.
    TypeError, FieldOverflowError
        If a value in ``added`` does not suit its field.
    """
    names = dict(renamed or {})
    extra = dict(added or {})
    gone = set(dropped)
    for name in [*names, *gone]:
        if name not in old.places:
            raise ValueError(f"The old layout has no field {name!r}; it has {', '.join(old)}")
    for name in [*names.values(), *extra]:
        if name not in new.places:
            raise ValueError(f"The new layout has no field {name!r}; it has {', '.join(new)}")
    for name, given in extra.items():
        new.places[name].field.encode(name, given)
    sources: dict[str, str] = {}
    for name in old:
        if name in gone:
            continue
        target = names.get(name, name)
        if target not in new.places:
            raise ValueError(f"{name!r} has no place in the new layout: rename it or drop it")
        if target in sources or target in extra:
            raise ValueError(f"{target!r} of the new layout would get two values")
        sources[target] = name
    left = [name for name in new if name not in sources and name not in extra]
    if left:
        raise ValueError(f"New fields need a value: pass added={{{left[0]!r}: ...}}")
    return Migration(old, new, sources, extra)
