"""Replies of a device, checked and taken apart."""

from __future__ import annotations

from dataclasses import dataclass

from ..framing import FramingError, unseal
from ..protocol import REPLY_HEADER, Kind

__all__ = ["DeviceReply", "parse_reply"]

_KINDS = {int(kind): kind for kind in Kind}
_SESSIONLESS = frozenset({Kind.OPENED, Kind.INFO, Kind.NO_SESSION, Kind.OPEN_REFUSED})


@dataclass(slots=True)
class DeviceReply:
    """An undamaged reply of the session, or a sessionless one.

    Attributes
    ----------
    kind : Kind
        What it is.
    next : int
        Sequence number of the next frame to be executed, or what the kind says.
    fault : int
        Latched fault, 0 if none.
    opcount : int
        Ops executed in the session, modulo 2**32.
    payload : bytes
        What follows the header.
    """

    kind: Kind
    next: int
    fault: int
    opcount: int
    payload: bytes


def parse_reply(body: bytes, mask: int | None) -> DeviceReply | None:
    """Take apart what stood before a delimiter.

    Parameters
    ----------
    body : bytes
        As encoded.
    mask : int or None
        Of the session, None before there is one.

    Returns
    -------
    DeviceReply or None
        None if it is damaged, of another session, or unknown.
    """
    try:
        content, difference = unseal(body)
    except FramingError:
        return None
    if len(content) < REPLY_HEADER.size:
        return None
    number, status, opcount = REPLY_HEADER.unpack_from(content)
    kind = _KINDS.get(status & 0xF)
    if kind is None or difference != (0 if kind in _SESSIONLESS else mask):
        return None
    return DeviceReply(kind, number, status >> 4, opcount, content[REPLY_HEADER.size :])
