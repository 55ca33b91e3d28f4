"""What the handshake hands over: an open session."""

from __future__ import annotations

from dataclasses import dataclass

from ..protocol import Info

__all__ = ["Session"]


@dataclass(frozen=True, slots=True)
class Session:
    """An open session.

    Attributes
    ----------
    info : Info
        Of the device.
    key : int
        Not 0.
    round_trip : float
        Of a short exchange, in seconds.
    byte_time : float
        Of one byte on the line, in seconds.
    next_index, opcount : int
        Frames and ops that the session has executed; 0 just after OPEN.
    """

    info: Info
    key: int
    round_trip: float
    byte_time: float
    next_index: int = 0
    opcount: int = 0
