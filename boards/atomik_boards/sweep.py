"""The last recorded sweep over all boards, which comes with the package."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import resources
from typing import Any

__all__ = ["RECORD", "Entry", "Sweep", "load_sweep"]

#: Name of the record, in this package.
RECORD = "sweep.json"


@dataclass(frozen=True, slots=True)
class Entry:
    """What became of a board.

    Attributes
    ----------
    built : bool
        Whether it fitted and its clock was met.
    wanted_hz, reached_hz : int
        Of its fabric clock; 0 if it was not built.
    utilization : mapping of str to mapping
        ``used`` and ``available`` cells by place and route's name of the kind.
    seconds : float
        Of the processor that the build took; 0 if it came from the cache.
    problem : str
        Why it was not built.
    build_id : str
        What was built: 16 hexadecimal digits, as in ``manifest.json``. Empty for an earlier state
        of the gateware.
    """

    built: bool
    wanted_hz: int
    reached_hz: int
    utilization: Mapping[str, Mapping[str, int]]
    seconds: float
    problem: str
    build_id: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the entry as JSON has it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Sweep:
    """All boards that can hold the device, built with their defaults.

    Attributes
    ----------
    version : str
        Of this project.
    date : str
        Year and month.
    machine : str
    tools : mapping of str to str
        Versions by distribution.
    boards : mapping of str to Entry
    """

    version: str
    date: str
    machine: str
    tools: Mapping[str, str]
    boards: Mapping[str, Entry]


def load_sweep() -> Sweep:
    """Return the record that came with the package."""
    text = resources.files(__package__ or "atomik_boards").joinpath(RECORD).read_text("utf-8")
    values = json.loads(text)
    entries = {name: Entry(**entry) for name, entry in values.pop("boards").items()}
    return Sweep(**values, boards=entries)
