"""For those who come from event sourcing: state in O(1), undo that is checked, audit that stays.

`Layout` gives the bits of a word names, `undo` and `merge` refuse what XOR can't do,
`HybridApplication` keeps an event log and the state beside it in one transaction, `SetFingerprint`
compares sets. What each name needs is imported when it is first asked for, and comes with
``pip install "atomik-fpga[eventsourcing]"``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .aggregate import HybridAggregate
    from .application import HybridApplication, HybridProcessApplication
    from .checks import merge, undo
    from .errors import (
        CounterError,
        DriftError,
        FieldOverflowError,
        ImportFailedError,
        LayoutChangedError,
        MembershipError,
        NoStateError,
        OverlapError,
    )
    from .field_context import Change, FieldContext
    from .fields import Field, choice, counter, fingerprint, flag, value
    from .layout import Layout, SavedWord
    from .migration import Migration, migrate
    from .rows import StateRow
    from .set_fingerprint import SetFingerprint

__all__ = [
    "Change",
    "CounterError",
    "DriftError",
    "Field",
    "FieldContext",
    "FieldOverflowError",
    "HybridAggregate",
    "HybridApplication",
    "HybridProcessApplication",
    "ImportFailedError",
    "Layout",
    "LayoutChangedError",
    "MembershipError",
    "Migration",
    "NoStateError",
    "OverlapError",
    "SavedWord",
    "SetFingerprint",
    "StateRow",
    "choice",
    "counter",
    "fingerprint",
    "flag",
    "merge",
    "migrate",
    "undo",
    "value",
]

#: Where the public names that are no errors are defined.
_HOMES = {
    "Change": ".field_context",
    "Field": ".fields",
    "FieldContext": ".field_context",
    "HybridAggregate": ".aggregate",
    "HybridApplication": ".application",
    "HybridProcessApplication": ".application",
    "Layout": ".layout",
    "Migration": ".migration",
    "SavedWord": ".layout",
    "SetFingerprint": ".set_fingerprint",
    "StateRow": ".rows",
    "choice": ".fields",
    "counter": ".fields",
    "fingerprint": ".fields",
    "flag": ".fields",
    "merge": ".checks",
    "migrate": ".migration",
    "undo": ".checks",
    "value": ".fields",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        home = ".errors"
    try:
        module = importlib.import_module(home, __name__)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package == "atomik_fpga":
            raise
        raise ModuleNotFoundError(
            f"{name} needs {package}, which is not installed: "
            'pip install "atomik-fpga[eventsourcing]"',
            name=error.name,
        ) from error
    found: object = getattr(module, name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
