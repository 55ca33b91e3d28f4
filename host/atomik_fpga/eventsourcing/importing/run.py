"""Takes sources in, a chunk at a time, and checks what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from ..errors import ImportFailedError
from .state import ImportState, SourceRecord

__all__ = ["Progress", "Source", "import_log", "verify_import"]

#: Called with how far it came, and of how much.
Progress = Callable[[int, int], None]


class Source(Protocol):
    """What an import reads: `RowSource`, `EventSource`."""

    #: What the state calls it.
    name: str
    #: ``deltas``, ``states`` or ``events``.
    kind: str
    #: Positions that are taken in and committed at a time, unless told.
    portion: int

    @property
    def total(self) -> int:
        """Its last position."""

    def identity(self) -> str:
        """Return by what it is known again; of what was seen so far."""

    def had_identity(self, identity: str) -> bool:
        """Return whether it had this identity once, under whatever name."""

    def check_identity(self, identity: str) -> None:
        """Raise unless it had this identity once, and can be gone on with."""

    def chunk(self, start: int, stop: int) -> dict[str, int]:
        """Return what a part of it comes to, by key."""

    def recompute(self, stop: int) -> dict[str, int]:
        """Return what all of it up to a position comes to, by key, another way than by chunks."""


def import_log(
    sources: Sequence[Source],
    state: ImportState,
    *,
    most_keys: int | None = None,
    chunk: int | None = None,
    progress: Progress | None = None,
) -> int:
    """Take in what ``state`` does not yet have of each source; return how many positions that was.

    Each chunk is committed with the position behind it: an import that was interrupted goes on
    there, and nothing is ever taken in twice.

    Parameters
    ----------
    sources : sequence of Source
        In their order.
    state : ImportState
        Where the words are.
    most_keys : int or None
        How many keys there may be.
    chunk : int or None
        Positions at a time; ``None`` is what suits each source.
    progress : callable or None
        Called after each chunk with positions done and in all.

    Raises
    ------
    ImportFailedError
        If a source is not what it was, was imported under another name, can't be read, or has too
        many keys. What was committed before stays.
    """
    total = sum(source.total for source in sources)
    done = taken = 0
    keys = set(state.words())
    for source in sources:
        record = state.source(source.name)
        position = 0
        if record is not None:
            source.check_identity(record.identity)
            position = record.position
        elif source.total:
            _refuse_another_name(source, state)
        if position > source.total:
            raise ImportFailedError(
                f"{source.name} has {source.total} rows, and {position} of it were imported before"
            )
        done += position
        while position < source.total:
            stop = min(position + (chunk or source.portion), source.total)
            words = source.chunk(position, stop)
            keys.update(words)
            if most_keys is not None and len(keys) > most_keys:
                raise ImportFailedError(
                    f"{source.name} has more keys than there are contexts: {len(keys)} of its first"
                    f" {stop} rows, and {most_keys} contexts. Choose keys with a map (--map), or "
                    "use a device with more contexts"
                )
            state.commit(source.name, position, SourceRecord(stop, source.identity()), words)
            done, taken, position = done + stop - position, taken + stop - position, stop
            if progress is not None:
                progress(done, total)
    return taken


def _refuse_another_name(source: Source, state: ImportState) -> None:
    """Raise if a source was taken in under another name: all of it would count twice."""
    for name in state.sources():
        record = state.source(name)
        if record is not None and source.had_identity(record.identity):
            raise ImportFailedError(
                f"{source.name} is {name}, which was imported into this state already: put it back "
                "there to go on, or import it into another state. Two logs with the same rows that "
                "both count have to be one file"
            )


def verify_import(sources: Sequence[Source], state: ImportState) -> int:
    """Compute all words again from the sources, without chunks, and compare; return how many.

    Raises
    ------
    ImportFailedError
        If a word differs, or the state has other sources than these.
    """
    ordered = state.sources()
    # Nothing is known of a source without a row.
    names = {each.name: each for each in sources if each.total or each.name in ordered}
    if set(ordered) != set(names):
        raise ImportFailedError(
            "The state holds other sources too, and can be verified only with all of them: "
            f"{', '.join(sorted(set(ordered) ^ set(names)))}"
        )
    expected: dict[str, int] = {}
    for name in ordered:
        record = state.source(name)
        stop = 0 if record is None else record.position
        for key, word in names[name].recompute(stop).items():
            expected[key] = word ^ expected.get(key, 0) if state.kind == "deltas" else word
    words = state.words()
    for key in sorted({*words, *expected}):
        if words.get(key) != expected.get(key):
            raise ImportFailedError(
                f"Key {key!r} has the word {words.get(key)}, and its source gives "
                f"{expected.get(key)}: the state is wrong, import into a new one"
            )
    return len(words)
