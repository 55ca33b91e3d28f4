"""An error that leaves a with block comes out as it is, whatever the end of the block finds."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

import pytest

from atomik_fpga import AtomikContext, AtomikTable, SessionLostError, connect
from atomik_fpga.eventsourcing import FieldContext, Layout, SetFingerprint, value

from .backends import model_port

LOST = "The device at {} was reset; its state is unknown: connect again and reload it"

#: Opens an object on a port, for a with block, and uses it.
OPENED: dict[str, tuple[Callable[[str], Any], Callable[[Any], object]]] = {
    "connection": (connect, lambda it: it.read(0)),
    "context": (lambda url: AtomikContext(port=url), lambda it: it.read()),
    "attached context": (lambda url: AtomikContext.attach(url, 0), lambda it: it.read()),
    "table": (lambda url: AtomikTable(4, port=url), lambda it: it.read(0)),
    "attached table": (lambda url: AtomikTable.attach(url, 2), lambda it: it.read(0)),
    "context of a table": (
        lambda url: AtomikTable(4, port=url).context(1),
        lambda it: it.read(),
    ),
    "fields": (
        lambda url: FieldContext(Layout(balance=value(8)), port=url),
        lambda it: it.context.read(),
    ),
    "fingerprint": (
        lambda url: SetFingerprint(bytes(16), buckets=4, port=url),
        lambda it: it.add(b"element"),
    ),
}
EACH = pytest.mark.parametrize(("make", "use"), OPENED.values(), ids=OPENED)


def leave(make: Callable[[str], Any], in_block: Callable[[Any], object]) -> None:
    """Call ``in_block`` in a with block whose session was lost."""
    with model_port() as (url, peer), connect(url) as other, make(url) as opened:
        peer.device.reset()
        with pytest.raises(SessionLostError):
            other.read(0)
        in_block(opened)


def raise_error(error: BaseException) -> None:
    raise error


@EACH
@pytest.mark.parametrize("kind", [ZeroDivisionError, KeyboardInterrupt])
def test_an_error_of_the_block_has_that_of_its_end_as_a_note(
    make: Callable[[str], Any], use: Callable[[Any], object], kind: type[BaseException]
) -> None:
    error = kind("mine")
    with pytest.raises(kind) as caught:
        leave(make, lambda _: raise_error(error))
    assert caught.value is error
    assert error.__notes__ == [f"Closing failed as well: {LOST.format('model://64x16')}"]


@EACH
def test_an_error_of_the_link_is_the_one_that_the_block_met(
    make: Callable[[str], Any], use: Callable[[Any], object]
) -> None:
    with pytest.raises(SessionLostError) as caught:
        leave(make, use)
    assert not hasattr(caught.value, "__notes__")
    assert "in_block(opened)" in "".join(traceback.format_tb(caught.value.__traceback__))


@EACH
def test_a_block_that_ends_well_ends_with_the_error_of_its_end(
    make: Callable[[str], Any], use: Callable[[Any], object]
) -> None:
    with pytest.raises(SessionLostError, match=r"^The device at model://64x16 was reset; "):
        leave(make, lambda _: None)
