"""Faults of a serial line, seeded: characters, frames, silence. See ``docs/faults.md``."""

from .cable import FaultyCable
from .line import FaultyLine, Piece, Schedule
from .spec import BOTH, FAULTS, TO_DEVICE, TO_HOST, Fault, FaultSpec, Scope

__all__ = [
    "BOTH",
    "FAULTS",
    "TO_DEVICE",
    "TO_HOST",
    "Fault",
    "FaultSpec",
    "FaultyCable",
    "FaultyLine",
    "Piece",
    "Schedule",
    "Scope",
]
