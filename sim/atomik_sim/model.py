"""The device in Python, byte for byte: ``docs/link.md``, executed at once and answered at once.

It shares the protocol's constants and the framing with the driver and nothing else, so that a
mistake in the driver's engine can't hide in it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, replace

from atomik_fpga.framing import FramingError, key_mask, seal, unseal
from atomik_fpga.protocol import (
    BANK_REGISTERS,
    CRC_BYTES,
    FEATURE_BANKS,
    FLAG_ERROR,
    FLAG_SESSION,
    FRAME_BYTES,
    MAX_COUNT,
    NONCE_BYTES,
    REPLY_HEADER,
    REPLYING_OPS,
    RUN_HEADER,
    SEQ_BYTES,
    SEQ_MODULUS,
    VERSION_MAJOR,
    VERSION_MINOR,
    BankRegister,
    DeviceFault,
    Info,
    Kind,
    Op,
    Request,
    operand_bytes,
)

from .banks_model import BanksModel

__all__ = ["DeviceModel"]

_OPCOUNT_MODULUS = 1 << 32
_MASK_BYTES = 4
#: Longest content on the line: one COBS code for each 254 bytes and one more.
_MAX_BODY = FRAME_BYTES + FRAME_BYTES // 254 + 1


@dataclass(frozen=True, slots=True)
class _Run:
    op: Op
    address: int
    count: int
    operands: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Kept:
    """A reply that may be asked for again."""

    seq: int
    opcount: int
    values: bytes


class DeviceModel:
    """A device that takes no time.

    Parameters
    ----------
    width, depth : int
        Bits a context, contexts.
    reply_slots : int
        Replies that are kept.
    reply_bytes : int
        Most bytes of values in a reply.
    clock_hz, baud, build_id, features : int
        For INFO only.
    lanes : int
        Of the banks behind registers; 0 for none. A run of them takes no time either.

    Attributes
    ----------
    references, accumulators : list of int
        The table.
    opcount : int
        Ops executed in the session, modulo 2**32.
    next : int
        Number of the next frame to be executed.
    """

    def __init__(
        self,
        width: int = 64,
        depth: int = 16,
        *,
        reply_slots: int = 2,
        reply_bytes: int = 240,
        clock_hz: int = 12_000_000,
        baud: int = 1_000_000,
        build_id: int = 0,
        features: int = 0,
        lanes: int = 0,
    ) -> None:
        self._info = Info(
            major=VERSION_MAJOR,
            minor=VERSION_MINOR,
            width=width,
            depth=depth,
            lanes=lanes,
            reply_slots=reply_slots,
            flags=0,
            frame_bytes=FRAME_BYTES,
            reply_bytes=reply_bytes,
            clock_hz=clock_hz,
            baud=baud,
            build_id=build_id,
            features=features | (FEATURE_BANKS if lanes else 0),
            session=0,
        )
        self._size = operand_bytes(width)
        self._word = (1 << width) - 1
        self.reset()

    def reset(self) -> None:
        """As after configuration: no session, every context zero, a frame in flight forgotten."""
        self.references = [0] * self._info.depth
        self.accumulators = [0] * self._info.depth
        self._banks = BanksModel(self._info.width, self._info.lanes) if self._info.lanes else None
        self._line = bytearray()
        self._faulty = False
        self._mask: int | None = None
        self._start_session(None)

    @property
    def info(self) -> Info:
        """What an INFO reply would say now."""
        flags = FLAG_SESSION if self._mask is not None else 0
        if self.fault:
            flags |= FLAG_ERROR
        return replace(self._info, flags=flags, session=self._mask or 0)

    def state(self, address: int) -> int:
        """Return R ^ A of a context."""
        return self.references[address] ^ self.accumulators[address]

    def receive(self, data: bytes, errors: Collection[int] = ()) -> bytes:
        """Take in bytes from the line and return the bytes that answer them.

        Parameters
        ----------
        data : bytes
        errors : collection of int
            Positions of bytes that came without a stop bit.
        """
        replies = bytearray()
        for position, byte in enumerate(data):
            if position in errors:
                self._faulty = True
            elif byte:
                # One byte more than fits tells that it was too long.
                if len(self._line) <= _MAX_BODY:
                    self._line.append(byte)
            elif self._line or self._faulty:
                # No frame is empty, so that this one is damaged whatever stands in it.
                body = b"" if self._faulty else bytes(self._line)
                self._line.clear()
                self._faulty = False
                replies += self._on_frame(body)
        return bytes(replies)

    def _start_session(self, mask: int | None) -> None:
        self._mask = mask
        self.next = 0
        self.opcount = 0
        self.fault = DeviceFault.NONE
        self._touched = False
        self._refused = False
        self._kept: deque[_Kept] = deque(maxlen=self._info.reply_slots)

    # Frames.

    def _on_frame(self, body: bytes) -> bytes:
        content, difference = self._check(body)
        if difference == 0 and content:
            return self._on_request(content)
        if difference is not None and len(content) >= SEQ_BYTES:
            return self._on_data(int.from_bytes(content[:SEQ_BYTES], "little"), content[SEQ_BYTES:])
        return self._refuse()

    def _check(self, body: bytes) -> tuple[bytes, int | None]:
        """Return content and 0 or the session's key; None in its place if it is damaged."""
        try:
            content, difference = unseal(body)
        except FramingError:
            return b"", None
        if len(content) + CRC_BYTES > FRAME_BYTES:
            return b"", None
        if difference == 0:
            return content, 0
        if self._mask is not None and key_mask(difference) == self._mask:
            return content, difference
        return b"", None

    def _refuse(self) -> bytes:
        """Answer a damaged frame, or one behind a gap."""
        if self._mask is None:
            return self._reply(Kind.NO_SESSION, 0)
        if self._refused:
            return b""
        self._refused = True
        return self._reply(Kind.NAK, self.next)

    def _on_request(self, content: bytes) -> bytes:
        request, fields = content[0], content[1:]
        if request == Request.INFO and len(fields) == 2:
            tag = int.from_bytes(fields, "little")
            return self._reply(Kind.INFO, tag, self.info.pack())
        if request == Request.OPEN and len(fields) == NONCE_BYTES:
            mask = int.from_bytes(fields[:_MASK_BYTES], "little")
            if mask == self._mask and self._touched:
                return self._reply(Kind.OPEN_REFUSED, self.next, fields)
            self._start_session(mask)
            return self._reply(Kind.OPENED, 0, fields)
        return self._refuse()

    def _on_data(self, seq: int, runs: bytes) -> bytes:
        behind = (self.next - seq) % SEQ_MODULUS
        if 1 <= behind <= SEQ_MODULUS // 2:
            for kept in self._kept:
                if kept.seq == seq:
                    return self._values(kept)
            return self._reply(Kind.ACK, self.next)
        if self.fault:
            return self._reply(Kind.ACK, self.next)
        if behind:
            return self._refuse()
        fault, parsed = self._parse(runs)
        self._touched = True
        if fault:
            self.fault = fault
            return self._reply(Kind.ACK, self.next)
        return self._execute(seq, parsed)

    # Runs.

    def _parse(self, runs: bytes) -> tuple[DeviceFault, list[_Run]]:
        """Return the first fault, in the order of the bytes, and the runs before it."""
        parsed: list[_Run] = []
        position = 0
        while position < len(runs):
            if len(runs) - position < RUN_HEADER.size:
                return DeviceFault.MALFORMED, parsed
            code, address = RUN_HEADER.unpack_from(runs, position)
            op, count = Op(code >> 5), (code & MAX_COUNT - 1) + 1
            position += RUN_HEADER.size
            operands: list[int] = []
            if op in (Op.ACCUM, Op.ACCUM_EACH, Op.LOAD, Op.SWAP_TO):
                end = position + count * self._size
                if end > len(runs):
                    return DeviceFault.MALFORMED, parsed
                operands = [
                    int.from_bytes(runs[start : start + self._size], "little") & self._word
                    for start in range(position, end, self._size)
                ]
                position = end
            if op is Op.CLEAR and (count != 1 or address != 0):
                return DeviceFault.MALFORMED, parsed
            last = address if op is Op.ACCUM else address + count - 1
            if last >= self._info.depth and not self._are_registers(op, address, last):
                return DeviceFault.ADDRESS, parsed
            words = 2 * count if op is Op.PEEK else count
            if op in REPLYING_OPS and (
                position < len(runs) or words * self._size > self._info.reply_bytes
            ):
                return DeviceFault.REPLY, parsed
            parsed.append(_Run(op, address, count, tuple(operands)))
        return DeviceFault.NONE, parsed

    def _are_registers(self, op: Op, first: int, last: int) -> bool:
        """Return whether a run is of registers, and of an op that these do."""
        within = first >= BANK_REGISTERS and last <= max(BankRegister)
        return self._banks is not None and within and op in (Op.LOAD, Op.READ)

    def _execute(self, seq: int, runs: list[_Run]) -> bytes:
        values: bytes | None = None
        for run in runs:
            words = self._act(run)
            self.opcount = (self.opcount + run.count) % _OPCOUNT_MODULUS
            if run.op in REPLYING_OPS:
                values = b"".join(word.to_bytes(self._size, "little") for word in words)
        self.next = (self.next + 1) % SEQ_MODULUS
        self._refused = False
        if self._kept and self._kept[0].seq == seq:
            # Of the frame 65,536 before.
            self._kept.popleft()
        if values is None:
            return self._reply(Kind.ACK, self.next)
        self._kept.append(_Kept(seq, self.opcount, values))
        return self._values(self._kept[-1])

    def _act(self, run: _Run) -> list[int]:
        """Execute a run and return the words that it replies with."""
        words: list[int] = []
        if run.op is Op.CLEAR:
            self.references = [0] * self._info.depth
            self.accumulators = [0] * self._info.depth
            return words
        if self._banks is not None and run.address >= BANK_REGISTERS:
            for number, register in enumerate(range(run.address, run.address + run.count)):
                if run.op is Op.LOAD:
                    self._banks.load(register, run.operands[number])
                else:
                    words.append(self._banks.read(register))
            return words
        for number in range(run.count):
            address = run.address if run.op is Op.ACCUM else run.address + number
            before, accumulator = self.state(address), self.accumulators[address]
            match run.op:
                case Op.ACCUM | Op.ACCUM_EACH:
                    self.accumulators[address] ^= run.operands[number]
                case Op.LOAD | Op.SWAP_TO:
                    self.references[address] = run.operands[number]
                    self.accumulators[address] = 0
                case Op.SWAP:
                    self.references[address] = before
                    self.accumulators[address] = 0
            if run.op in REPLYING_OPS:
                words.append(before)
            if run.op is Op.PEEK:
                words.append(accumulator)
        return words

    # Replies.

    def _values(self, kept: _Kept) -> bytes:
        number = (kept.seq + 1) % SEQ_MODULUS
        return self._reply(Kind.VALUES, number, kept.values, opcount=kept.opcount)

    def _reply(
        self, kind: Kind, number: int, payload: bytes = b"", *, opcount: int | None = None
    ) -> bytes:
        if kind in (Kind.OPENED, Kind.NO_SESSION):
            opcount = 0
        elif opcount is None:
            opcount = self.opcount
        key = self._mask if kind in (Kind.ACK, Kind.NAK, Kind.VALUES) and self._mask else 0
        return seal(REPLY_HEADER.pack(number, kind | self.fault << 4, opcount) + payload, key)
