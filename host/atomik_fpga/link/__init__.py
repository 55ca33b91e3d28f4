"""The host's end of the serial link, without I/O. See ``docs/link.md``."""

from __future__ import annotations

from .arrays import accum_frames
from .builder import FrameBuilder, Payload, Reply, plan_reads, values_per_word
from .engine import Engine
from .handshake import Handshake
from .session import Session
from .stats import LinkStats

__all__ = [
    "Engine",
    "FrameBuilder",
    "Handshake",
    "LinkStats",
    "Payload",
    "Reply",
    "Session",
    "accum_frames",
    "plan_reads",
    "values_per_word",
]
