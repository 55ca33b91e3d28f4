"""Import of a log that exists: rows of deltas, rows of states, or domain events.

`import_log` takes sources one after the other into an `ImportState`, a file that holds the words by
key together with how far each source was read; `load_table` puts the words on a table's contexts.
"""

from __future__ import annotations

from .events import EventSource, is_application
from .place import choose_addresses, load_table, read_map
from .rows import Kind, RowSource
from .run import Progress, Source, import_log, verify_import
from .state import ImportState

__all__ = [
    "EventSource",
    "ImportState",
    "Kind",
    "Progress",
    "RowSource",
    "Source",
    "choose_addresses",
    "import_log",
    "is_application",
    "load_table",
    "read_map",
    "verify_import",
]
