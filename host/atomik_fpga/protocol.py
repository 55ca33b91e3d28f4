"""The serial link's opcodes, frame layout, limits and versions.

The one place where they are written down: the driver, the gateware and the simulated board all
import them from here. ``docs/link.md`` explains them. All integers are little-endian.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

__all__ = [
    "BANK_REGISTERS",
    "CRC_BYTES",
    "CRC_RESIDUE",
    "FEATURE_BANKS",
    "FEATURE_FABRIC_PORT",
    "FLAG_ERROR",
    "FLAG_SESSION",
    "FRAME_BYTES",
    "INFO_BYTES",
    "LANE_STEP",
    "MAGIC",
    "MAX_COUNT",
    "MAX_DEPTH",
    "MAX_LANES",
    "MAX_RUN_CYCLES",
    "MAX_WIDTH",
    "MIN_BANKS_WIDTH",
    "NONCE_BYTES",
    "REPLYING_OPS",
    "REPLY_HEADER",
    "RUN_HEADER",
    "SEED_STEP",
    "SEQ_BYTES",
    "SEQ_MODULUS",
    "VERSION_MAJOR",
    "VERSION_MINOR",
    "WINDOW_FRAMES",
    "BankRegister",
    "DeviceFault",
    "Info",
    "Kind",
    "Op",
    "Request",
    "operand_bytes",
]

#: Hosts and devices whose major versions differ refuse each other; minors add feature bits.
VERSION_MAJOR = 1
VERSION_MINOR = 1

MAGIC = b"ATMK"

#: CRC-32/ISO-HDLC register after an undamaged frame and its check field, before the final XOR.
CRC_RESIDUE = 0xDEBB20E3
CRC_BYTES = 4

SEQ_BYTES = 2
SEQ_MODULUS = 1 << (8 * SEQ_BYTES)
#: Most data frames that a host may have outstanding.
WINDOW_FRAMES = 128

NONCE_BYTES = 8

#: Most bytes of a host frame before COBS, its check field included.
FRAME_BYTES = 272

#: One run: opcode in bits 7:5, count - 1 in bits 4:0 of the first byte; then the first address.
RUN_HEADER = struct.Struct("<BH")
MAX_COUNT = 32
MAX_DEPTH = 1 << 16
#: Widest word of a device, in bits.
MAX_WIDTH = 256

#: Start of every reply: next (or the INFO tag), kind in bits 3:0 and fault in bits 7:4, op count.
REPLY_HEADER = struct.Struct("<HBI")


class Op(IntEnum):
    """Opcode of a run. Every op but ACCUM steps to the next address after each operand."""

    #: XOR each of ``count`` operands into the one context at ``address``.
    ACCUM = 0
    #: XOR one operand into each of ``count`` consecutive contexts.
    ACCUM_EACH = 1
    #: Set the reference of each of ``count`` consecutive contexts and clear its accumulator.
    LOAD = 2
    #: Reply with the state of each of ``count`` consecutive contexts. No operands.
    READ = 3
    #: Reply with state and accumulator, of one instant, of each context. No operands.
    PEEK = 4
    #: Reply with the state, make it the reference, clear the accumulator. No operands.
    SWAP = 5
    #: Reply with the state, set the reference to the operand, clear the accumulator.
    SWAP_TO = 6
    #: Clear every context to zero. Count is 1, address 0. No operands.
    CLEAR = 7


#: Ops that reply with values. A run of one of them is the last of its frame.
REPLYING_OPS = frozenset({Op.READ, Op.PEEK, Op.SWAP, Op.SWAP_TO})


class Request(IntEnum):
    """First byte of a sessionless frame from the host."""

    #: Followed by the nonce: start a session.
    OPEN = 1
    #: Followed by a tag of two bytes: identify. Changes nothing.
    INFO = 2


class Kind(IntEnum):
    """What a reply is: bits 3:0 of its status byte."""

    #: Every frame before ``next`` was executed.
    ACK = 0
    #: As ACK; a frame was damaged, refused or missing: send again from ``next``.
    NAK = 1
    #: Values of the frame ``next - 1``.
    VALUES = 2
    #: Sessionless: the session of the echoed nonce is open.
    OPENED = 3
    #: Sessionless: `Info`; ``next`` holds the tag of the request.
    INFO = 4
    #: Sessionless: a frame came, and no session is open.
    NO_SESSION = 5
    #: Sessionless: the echoed nonce names the open session, which has executed frames already.
    OPEN_REFUSED = 6


class DeviceFault(IntEnum):
    """First error of a session, latched until the next OPEN: bits 7:4 of every status byte.

    While one is latched nothing is executed, and ``next`` is the number of the frame at fault.
    """

    NONE = 0
    #: Bytes missing from, or left over after, the last run; or a CLEAR with a count or address.
    MALFORMED = 1
    #: A run passes the last context, or does to a register what can't be done to it.
    ADDRESS = 2
    #: A replying run is not the last one, or replies with more than ``reply_bytes``.
    REPLY = 3


#: `Info.features`: gateware beside the link may accumulate too.
FEATURE_FABRIC_PORT = 1 << 0

#: `Info.features`: banks of `Info.lanes` lanes, each with a generator; see `BankRegister`.
FEATURE_BANKS = 1 << 1


class BankRegister(IntEnum):
    """Addresses of the banks' registers, where a device has them. LOAD and READ are all they do.

    A device with banks has no contexts here.
    """

    #: The seed of the next run.
    SEED = 0xFFFC
    #: LOAD: start a run of so many cycles, in place of one that is under way. READ: 1 during a run.
    RUN = 0xFFFD
    #: READ: clock cycles from the first delta of a run until its state is there.
    ELAPSED = 0xFFFE
    #: READ: state of the banks after the last run.
    STATE = 0xFFFF


#: First address of the registers.
BANK_REGISTERS = BankRegister.SEED
MAX_LANES = 1024
#: Narrowest words of a device with banks: a count of cycles is one.
MIN_BANKS_WIDTH = 32
#: Longest run that a host asks for; the device counts elapsed cycles in 32 bits.
MAX_RUN_CYCLES = 1 << 31

#: A step of a generator: x ^= x << shift, then x rotated left, as rotation and shift. Each is a
#: bijection for any width, so that no generator which starts at another value comes to 0. A lane's
#: generator takes the first one in every cycle of a run; the second one makes the lanes' seeds.
LANE_STEP = (7, 11)
SEED_STEP = (13, 3)

#: `Info.flags`: a session is open.
FLAG_SESSION = 1 << 0
#: `Info.flags`: a fault is latched.
FLAG_ERROR = 1 << 1

_INFO = struct.Struct("<4sBBHIHBBHHIIQII")
INFO_BYTES = _INFO.size


@dataclass(frozen=True, slots=True)
class Info:
    """What a device says of itself. The layout is frozen for ever.

    Attributes
    ----------
    major, minor : int
        Protocol version.
    width : int
        Bits a context.
    depth : int
        Contexts.
    lanes : int
        Accumulate lanes of the banks; 0 without banks.
    reply_slots : int
        Replying frames that may be outstanding.
    flags : int
        ``FLAG_…``; live.
    frame_bytes : int
        Most bytes of a host frame before COBS, its check field included.
    reply_bytes : int
        Most bytes of values in one reply.
    clock_hz, baud : int
        Frequency of the fabric clock in hertz, and line rate in bit/s.
    build_id : int
        64 bits that identify the bitstream's design; 0 if it was not built by the build command.
    features : int
        ``FEATURE_…``.
    session : int
        Mask of the open session, 0 if none; live.
    """

    major: int
    minor: int
    width: int
    depth: int
    lanes: int
    reply_slots: int
    flags: int
    frame_bytes: int
    reply_bytes: int
    clock_hz: int
    baud: int
    build_id: int
    features: int
    session: int

    def pack(self) -> bytes:
        """Return the `INFO_BYTES` bytes that stand in an INFO reply."""
        return _INFO.pack(
            MAGIC,
            self.major,
            self.minor,
            self.width,
            self.depth,
            self.lanes,
            self.reply_slots,
            self.flags,
            self.frame_bytes,
            self.reply_bytes,
            self.clock_hz,
            self.baud,
            self.build_id,
            self.features,
            self.session,
        )

    @classmethod
    def unpack(cls, payload: bytes) -> Info:
        """Read `INFO_BYTES` bytes.

        Raises
        ------
        ValueError
            If the length or the magic number is another one.
        """
        if len(payload) != INFO_BYTES:
            raise ValueError(f"INFO payload must have {INFO_BYTES} bytes, not {len(payload)}")
        magic, *fields = _INFO.unpack(payload)
        if magic != MAGIC:
            raise ValueError(f"INFO payload must start with {MAGIC!r}, not {magic!r}")
        return cls(*fields)


def operand_bytes(width: int) -> int:
    """Bytes of one operand, or one value, of a device ``width`` bits wide."""
    return (width + 7) // 8
