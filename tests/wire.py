"""Frames as docs/link.md has them, made with the cobs package and zlib, for tests of the link."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from cobs import cobs

ACK, NAK, VALUES, OPENED, INFO, NO_SESSION, OPEN_REFUSED = range(7)
ACCUM, ACCUM_EACH, LOAD, READ, PEEK, SWAP, SWAP_TO, CLEAR = range(8)
SESSION_KINDS = {ACK, NAK, VALUES}


def advance(register: int) -> int:
    """T(x) of docs/link.md, bit by bit."""
    for _ in range(32):
        register = register >> 1 ^ (0xEDB88320 if register & 1 else 0)
    return register


def stuff(content: bytes) -> bytes:
    return cobs.encode(content) + b"\0"


def checked(content: bytes, key: int = 0) -> bytes:
    return content + struct.pack("<I", zlib.crc32(content) ^ key)


def info_frame(tag: int) -> bytes:
    return stuff(checked(struct.pack("<BH", 2, tag)))


def run(op: int, address: int, *operands: int, count: int | None = None, size: int = 8) -> bytes:
    """One run, `count` of it where the op has no operands."""
    count = len(operands) if count is None else count
    head = struct.pack("<BH", op << 5 | count - 1, address)
    return head + b"".join(operand.to_bytes(size, "little") for operand in operands)


@dataclass(frozen=True)
class Reply:
    """A reply whose check was right for ``session`` (True) or without a session (False)."""

    next: int
    kind: int
    fault: int
    opcount: int
    payload: bytes
    session: bool

    def values(self, size: int = 8) -> list[int]:
        return [
            int.from_bytes(self.payload[n : n + size], "little")
            for n in range(0, len(self.payload), size)
        ]


@dataclass(frozen=True)
class Session:
    """One host session's frames."""

    key: int = 0x1BADB002
    extra: int = 0x55AA00FF

    @property
    def mask(self) -> int:
        return advance(self.key)

    @property
    def nonce(self) -> bytes:
        return struct.pack("<II", self.mask, self.extra)

    def open(self) -> bytes:
        return stuff(checked(b"\x01" + self.nonce))

    def data(self, seq: int, *runs: bytes) -> bytes:
        return stuff(checked(struct.pack("<H", seq) + b"".join(runs), self.key))

    def decode(self, frame: bytes) -> Reply:
        """Read a reply, without its ``00``.

        Raises ``ValueError`` where its check is neither this session's nor sessionless.
        """
        content = cobs.decode(frame)
        body, check = content[:-4], struct.unpack("<I", content[-4:])[0] ^ zlib.crc32(content[:-4])
        next_, status, opcount = struct.unpack("<HBI", body[:7])
        kind = status & 15
        if check not in (0, self.mask) or (check == self.mask) != (kind in SESSION_KINDS):
            raise ValueError(f"reply of kind {kind} with a check off by {check:#010x}")
        return Reply(next_, kind, status >> 4, opcount, body[7:], check != 0)
