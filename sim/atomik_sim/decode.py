"""Frames of the serial link as a bystander reads them: what they are called."""

from __future__ import annotations

from dataclasses import dataclass

from atomik_fpga.framing import FramingError, key_mask, unseal
from atomik_fpga.protocol import (
    NONCE_BYTES,
    REPLY_HEADER,
    RUN_HEADER,
    SEQ_BYTES,
    DeviceFault,
    Info,
    Kind,
    Op,
    Request,
    operand_bytes,
)

__all__ = ["LONGEST_FRAME", "DeviceFrame", "HostFrame", "LinkDecoder", "NamedRun"]

#: Bytes without a delimiter that are still collected: no frame has as many.
LONGEST_FRAME = 600

_MASK_BYTES = 4
_OPS_WITH_OPERANDS = frozenset({Op.ACCUM, Op.ACCUM_EACH, Op.LOAD, Op.SWAP_TO})
_SESSIONLESS = frozenset({Kind.OPENED, Kind.INFO, Kind.NO_SESSION, Kind.OPEN_REFUSED})


@dataclass(frozen=True, slots=True)
class NamedRun:
    """One run of a data frame: what it is called, and the bytes of the content it takes."""

    name: str
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class HostFrame:
    """A frame towards the device.

    Attributes
    ----------
    kind : str
        ``DATA``, ``OPEN``, ``INFO``; ``OTHER`` if its check field is that of no session known here;
        ``DAMAGED`` if it is none.
    seq : int or None
        Of a data frame.
    runs : tuple of NamedRun
    """

    kind: str
    seq: int | None = None
    runs: tuple[NamedRun, ...] = ()

    @property
    def name(self) -> str:
        """In words, such as ``ACCUM x32 @3, READ x1 @3 seq 17``."""
        if self.seq is None:
            return self.kind
        return f"{', '.join(run.name for run in self.runs) or 'nothing'} seq {self.seq}"


@dataclass(frozen=True, slots=True)
class DeviceFrame:
    """A frame from the device; ``kind`` is None if it is damaged or of a session unknown here."""

    kind: Kind | None
    next: int = 0
    fault: str = ""
    opcount: int = 0
    payload: bytes = b""

    @property
    def name(self) -> str:
        """In words, such as ``VALUES 8 bytes next 18``."""
        if self.kind is None:
            return "DAMAGED"
        words = [self.kind.name]
        if self.kind is Kind.VALUES:
            words.append(f"{len(self.payload)} bytes")
        if self.kind is Kind.INFO:
            words.append(f"tag {self.next}")
        elif self.kind not in _SESSIONLESS:
            words.append(f"next {self.next}")
        if self.fault:
            words.append(f"fault {self.fault}")
        return " ".join(words)


class LinkDecoder:
    """Reads frames as a bystander, who learns the session from the replies that tell its mask.

    Parameters
    ----------
    width : int
        Bits a context, which says how long operands are.
    """

    def __init__(self, width: int) -> None:
        self._size = operand_bytes(width)
        self._mask = 0

    def from_host(self, body: bytes) -> HostFrame:
        """Read what stood before a delimiter towards the device."""
        try:
            content, key = unseal(body)
        except FramingError:
            return HostFrame("DAMAGED")
        if key == 0:
            return HostFrame(_request_name(content))
        if not self._mask or key_mask(key) != self._mask or len(content) < SEQ_BYTES:
            return HostFrame("OTHER")
        seq = int.from_bytes(content[:SEQ_BYTES], "little")
        return HostFrame("DATA", seq, tuple(self._runs(content)))

    def from_device(self, body: bytes) -> DeviceFrame:
        """Read what stood before a delimiter from the device."""
        try:
            content, mask = unseal(body)
        except FramingError:
            return DeviceFrame(None)
        if len(content) < REPLY_HEADER.size:
            return DeviceFrame(None)
        number, status, opcount = REPLY_HEADER.unpack_from(content)
        try:
            kind, fault = Kind(status & 0xF), DeviceFault(status >> 4)
        except ValueError:
            return DeviceFrame(None)
        if mask != (0 if kind in _SESSIONLESS else self._mask):
            return DeviceFrame(None)
        payload = content[REPLY_HEADER.size :]
        if kind is Kind.OPENED and len(payload) == NONCE_BYTES:
            self._mask = int.from_bytes(payload[:_MASK_BYTES], "little")
        elif kind is Kind.INFO:
            try:
                self._mask = Info.unpack(payload).session
            except ValueError:
                return DeviceFrame(None)
        return DeviceFrame(kind, number, fault.name if fault else "", opcount, payload)

    def _runs(self, content: bytes) -> list[NamedRun]:
        runs: list[NamedRun] = []
        start = SEQ_BYTES
        while start + RUN_HEADER.size <= len(content):
            first, address = RUN_HEADER.unpack_from(content, start)
            op, count = Op(first >> 5), (first & 0x1F) + 1
            operands = count * self._size if op in _OPS_WITH_OPERANDS else 0
            stop = min(start + RUN_HEADER.size + operands, len(content))
            where = "" if op is Op.CLEAR else f" x{count} @{address}"
            runs.append(NamedRun(f"{op.name}{where}", start, stop))
            start = stop
        return runs


def _request_name(content: bytes) -> str:
    try:
        return Request(content[0]).name
    except (IndexError, ValueError):
        return "DAMAGED"
