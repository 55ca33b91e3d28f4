"""INFO and OPEN, without I/O: from an open port to an open session."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import AtomikError, LinkLostError, ProtocolVersionError, WrongDeviceError
from ..framing import Deframer, key_mask, seal
from ..protocol import (
    CRC_BYTES,
    INFO_BYTES,
    NONCE_BYTES,
    RUN_HEADER,
    SEQ_BYTES,
    SEQ_MODULUS,
    VERSION_MAJOR,
    VERSION_MINOR,
    Info,
    Kind,
    Request,
    operand_bytes,
)
from .replies import DeviceReply, parse_reply
from .session import Session
from .timing import BITS_PER_BYTE, reply_wire_bytes

__all__ = ["Handshake", "plausible"]

#: Seconds until the first INFO, or OPEN, is sent again; doubled each time, up to the longest wait.
_FIRST_WAIT = 0.25
_LONGEST_WAIT = 2.0
_OPEN_TRIES = 12
#: Zeros ahead of a second INFO, which the device ignores: what they add to its round trip is the
#: line's. Asked again where the line seems to be slow, since whatever else adds to it varies.
_PADDING = 256
_PADDED_TRIES = 3


def plausible(info: Info) -> bool:
    """Return whether a device with these limits can work at all."""
    size = operand_bytes(info.width)
    room = info.frame_bytes - SEQ_BYTES - CRC_BYTES - RUN_HEADER.size
    return (
        info.width > 0
        and info.depth > 0
        and info.reply_slots > 0
        and info.baud > 0
        and room >= size
        and info.reply_bytes >= 2 * size
    )


class Handshake:
    """Finds out what answers, then opens a session with a random key.

    Used like `Engine`: the caller sends what `output` returns after each `receive` and whenever
    `next_deadline` has passed, until it is `done`.

    Parameters
    ----------
    now : float
        Time in seconds.
    patience : float
        Seconds to wait for an answer to INFO.
    random_bytes : callable
        Given a count, returns that many random bytes.
    identify_only : bool
        Whether to stop when `info` is known, without a session.
    where : str
        What messages say behind "the device": " at PORT".
    """

    def __init__(
        self,
        now: float,
        *,
        patience: float,
        random_bytes: Callable[[int], bytes],
        identify_only: bool = False,
        where: str = "",
    ) -> None:
        self._where = where
        self._random_bytes = random_bytes
        self._identify_only = identify_only
        self._deframer = Deframer(reply_wire_bytes(INFO_BYTES))
        self._give_up = now + patience
        self._wait = _FIRST_WAIT
        self._next_send = now
        self._tag = int.from_bytes(random_bytes(2), "little")
        self._asked: dict[int, float] = {}
        self._padded = 0
        self._padded_tag: int | None = None
        self._seen_byte_times: list[float] = []
        self._round_trip = 0.0
        self._byte_time = 0.0
        self._key = 0
        self._nonce = b""
        self._opens = 0
        self._seen = 0
        self._patience = patience
        #: What the device says of itself, once it is known.
        self.info: Info | None = None
        #: The session, once it is open.
        self.session: Session | None = None
        #: What stands against it.
        self.error: AtomikError | None = None

    @property
    def done(self) -> bool:
        """Whether there is nothing more to do."""
        return (
            self.error is not None
            or self.session is not None
            or (self._identify_only and self.info is not None)
        )

    @property
    def next_deadline(self) -> float | None:
        """When `output` is to be called next, None once done."""
        if self.done:
            return None
        if self.info is None:
            return min(self._next_send, self._give_up)
        return self._next_send

    def output(self, now: float) -> bytes:
        """Act on a deadline that has passed; return what is to be written."""
        if self.done or now < (self.next_deadline or now):
            return b""
        if self.info is not None:
            if self._padded < _PADDED_TRIES:
                self._padded += 1
                data = self._ask(now, _PADDING)
                self._padded_tag = self._tag
                self._next_send = now + _FIRST_WAIT + 8 * self._round_trip
                return data
            return self._open(now)
        if now >= self._give_up:
            self.error = self._nobody()
            return b""
        self._next_send = now + self._wait
        self._wait = min(2 * self._wait, _LONGEST_WAIT)
        return self._ask(now)

    def _ask(self, now: float, padding: int = 1) -> bytes:
        self._tag = (self._tag + 1) % SEQ_MODULUS
        self._asked[self._tag] = now
        return bytes(padding) + seal(bytes([Request.INFO]) + self._tag.to_bytes(2, "little"))

    def receive(self, data: bytes, now: float) -> None:
        """Take in bytes from the line."""
        self._seen += len(data)
        for body in self._deframer.feed(data):
            reply = parse_reply(body, None)
            if reply is None or self.done:
                continue
            if reply.kind is Kind.INFO and reply.next in self._asked:
                self._on_info(reply, now)
            elif reply.payload == self._nonce and self._nonce:
                if reply.kind is Kind.OPENED:
                    self._opened()
                elif reply.kind is Kind.OPEN_REFUSED:
                    self._nonce = b""
                    self._next_send = now

    def _on_info(self, reply: DeviceReply, now: float) -> None:
        asked = self._asked.pop(reply.next)
        if self.info is not None:
            if reply.next == self._padded_tag:
                self._measure(now - asked)
                self._next_send = now
            return
        try:
            info = Info.unpack(reply.payload)
        except ValueError as error:
            self.error = WrongDeviceError(f"Not an ATOMiK device{self._where}: {error}")
            return
        if info.major != VERSION_MAJOR:
            self.error = ProtocolVersionError(
                f"The device{self._where} speaks protocol {info.major}.{info.minor}, this driver "
                f"{VERSION_MAJOR}.{VERSION_MINOR}: "
                + ("update the driver" if info.major > VERSION_MAJOR else "update the bitstream")
            )
        elif not plausible(info):
            self.error = WrongDeviceError(
                f"The device{self._where} describes itself as what can't be: {info}"
            )
        else:
            self.info = info
            self._round_trip = now - asked
            self._byte_time = BITS_PER_BYTE / info.baud
            self._next_send = now

    def _measure(self, padded_round_trip: float) -> None:
        """Learn the time of a byte: a simulated line can be far slower than its nominal rate."""
        self._seen_byte_times.append((padded_round_trip - self._round_trip) / _PADDING)
        seen = min(self._seen_byte_times)
        # The first answer may have come late, by chance: what took less time is nearer to the
        # line's own, and the timers of the session begin with it.
        self._round_trip = min(self._round_trip, padded_round_trip)
        if seen < 2 * self._byte_time:
            self._padded = _PADDED_TRIES
        if self._padded == _PADDED_TRIES:
            self._byte_time = max(self._byte_time, seen)

    def _open(self, now: float) -> bytes:
        self._padded_tag = None
        if self._opens >= _OPEN_TRIES:
            self.error = LinkLostError(
                f"The device{self._where} answered INFO, but not OPEN, {_OPEN_TRIES} times: check "
                "the cable"
            )
            return b""
        if not self._nonce:
            self._key = 1 + int.from_bytes(self._random_bytes(8), "little") % 0xFFFF_FFFF
            mask = key_mask(self._key).to_bytes(4, "little")
            self._nonce = mask + self._random_bytes(NONCE_BYTES - len(mask))
        first = max(_FIRST_WAIT, 4 * self._round_trip)
        self._next_send = now + min(first * 2**self._opens, max(first, _LONGEST_WAIT))
        self._opens += 1
        return b"\0" + seal(bytes([Request.OPEN]) + self._nonce)

    def _opened(self) -> None:
        if self.info is not None:
            self.session = Session(self.info, self._key, self._round_trip, self._byte_time)

    def _nobody(self) -> WrongDeviceError:
        if self._seen:
            return WrongDeviceError(
                f"{self._seen} bytes came{self._where} within {self._patience:g} s, no answer of "
                "an ATOMiK device among them: check the port, the baud rate and the bitstream"
            )
        return WrongDeviceError(
            f"No answer{self._where} within {self._patience:g} s: check that the board is powered "
            "and holds an ATOMiK bitstream, the port and the baud rate"
        )
