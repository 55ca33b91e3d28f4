"""The end of a ``with`` block."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import AtomikError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["end_block"]


def end_block(close: Callable[[], object], error: BaseException | None) -> None:
    """Call ``close``; if that fails while ``error`` leaves the block, it is a note of that error.

    Raises
    ------
    AtomikError
        What ``close`` raises, if the block ended without an error.
    """
    trace = None if error is None else error.__traceback__
    try:
        close()
    except AtomikError as failure:
        if error is None:
            raise
        if failure is error:
            # The same one once more: where it was raised first is what helps.
            error.__traceback__ = trace
        else:
            error.add_note(f"Closing failed as well: {failure}")
