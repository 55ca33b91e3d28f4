"""Go-back-N over an open session, without I/O: bytes, payloads and the time in, bytes out."""

from __future__ import annotations

from collections import deque

from ..errors import AtomikError, DeviceFaultError, LinkLostError, SessionLostError
from ..framing import Deframer, key_mask, seal
from ..protocol import (
    INFO_BYTES,
    SEQ_BYTES,
    SEQ_MODULUS,
    WINDOW_FRAMES,
    DeviceFault,
    Info,
    Kind,
    Request,
)
from .builder import Payload, Reply
from .replies import DeviceReply, parse_reply
from .session import Session
from .stats import LinkStats
from .timing import RetransmitTimer, reply_wire_bytes, wire_bytes

__all__ = ["Engine"]

#: Line time that may be under way, in seconds, where two round trips are less.
_WINDOW_TIME = 0.050
#: Timeouts in a row after which the link is given up.
_GIVE_UP = 8
_OPCOUNT_MODULUS = 1 << 32
_RELOAD = "its state is unknown: connect again and reload it"


class _Frame:
    """A data frame with its number; frames count up for ever, on the wire modulo 2**16."""

    __slots__ = ("due", "index", "opcount", "reply", "sent", "tries", "wire")

    def __init__(self, index: int, wire: bytes, opcount: int, reply: Reply | None) -> None:
        self.index = index
        self.wire = wire
        self.opcount = opcount
        self.reply = reply
        self.tries = 0
        #: When its last byte leaves, and when its answer could be here at the earliest.
        self.sent = 0.0
        self.due = 0.0

    @property
    def unanswered(self) -> bool:
        """Whether values are still to come."""
        return self.reply is not None and self.reply.words is None


class Engine:
    """The host's end of the link, from OPENED until an error.

    All times are seconds on one clock that never goes back. The caller sends what `output` returns
    after each other call and whenever `next_deadline` has passed.

    Parameters
    ----------
    session : Session
        As the handshake left it.
    tag : int
        16 random bits, the first tag of INFO requests.
    where : str
        What messages say behind "the device": " at PORT".
    """

    def __init__(self, session: Session, tag: int = 0, where: str = "") -> None:
        self._where = where
        self._info = session.info
        self._key = session.key
        self._mask = key_mask(session.key)
        self._byte_time = session.byte_time
        longest = wire_bytes(session.info.frame_bytes) * session.byte_time
        self._timer = RetransmitTimer(session.round_trip, longest)
        self._deframer = Deframer(reply_wire_bytes(session.info.reply_bytes + INFO_BYTES))
        # Frames not yet numbered; numbered ones from `_acked` to `_end`; replying ones from the
        # oldest unanswered one on, be they acknowledged or answered themselves.
        self._backlog: deque[Payload] = deque()
        self._window: deque[_Frame] = deque()
        self._replying: deque[_Frame] = deque()
        self._acked = self._end = self._cursor = session.next_index
        self._opcount_acked = self._opcount_end = session.opcount
        self._under_way = 0
        self._allowance = WINDOW_FRAMES
        self._again: _Frame | None = None
        self._nak_handled: int | None = None
        # Timers.
        self._line_free = 0.0
        self._progress = 0.0
        self._expired = 0
        #: Frames before this one may have been acknowledged because another one was sent again:
        #: how long that took says nothing of the line, but of the timer.
        self._untimed = session.next_index
        # INFO in the midst of the session.
        self._tag = tag % SEQ_MODULUS
        self._probe_wanted = False
        self._probing = False
        self._count = dict.fromkeys(LinkStats.__dataclass_fields__, 0)
        del self._count["round_trip"]
        #: The first error, which stands for ever.
        self.error: AtomikError | None = None

    @property
    def backlog(self) -> int:
        """Frames submitted and not yet sent once."""
        return len(self._backlog)

    @property
    def idle(self) -> bool:
        """Whether all that was submitted is acknowledged and answered."""
        return not (self._backlog or self._window or self._replying)

    @property
    def pending(self) -> bool:
        """Whether `output` could return something before the next deadline, if the window allows.

        A few comparisons where `output` is much more.
        """
        return bool(
            self._backlog
            or self._cursor < self._end
            or self._probe_wanted
            or self._again is not None
        )

    @property
    def submitted(self) -> int:
        """Index behind the last submitted frame."""
        return self._end + len(self._backlog)

    @property
    def acknowledged(self) -> int:
        """Index behind the last frame known to be executed."""
        return self._acked

    @property
    def stats(self) -> LinkStats:
        """What went over the link until now."""
        return LinkStats(**self._count, round_trip=self._timer.round_trip)

    @property
    def next_deadline(self) -> float | None:
        """When `output` is to be called next, None if nothing is awaited."""
        if self.error is not None:
            return None
        oldest = self._oldest()
        if oldest is None:
            return None
        return max(oldest.due, self._progress) + self._timer.timeout

    def submit(self, payload: Payload) -> None:
        """Queue a frame behind all others."""
        self._backlog.append(payload)

    def output(self, now: float, *, deaf: bool = False) -> bytes:
        """Act on a deadline that has passed; return what is to be written, in full and at once.

        No deadline counts for who is ``deaf``: bytes may have come that `receive` has not got.
        """
        if not deaf:
            self._expire(now)
        if self.error is not None:
            return b""
        chunks: list[bytes] = []
        if self._probe_wanted:
            self._probe_wanted = False
            self._probing = True
            self._tag = (self._tag + 1) % SEQ_MODULUS
            request = bytes([Request.INFO]) + self._tag.to_bytes(2, "little")
            self._put(chunks, b"\0" + seal(request), now)
        if self._again is not None:
            if self._again.unanswered:
                self._transmit(chunks, self._again, now)
            self._again = None
        while self._cursor < self._end and self._cursor - self._acked < self._allowance:
            self._transmit(chunks, self._window[self._cursor - self._acked], now)
            self._cursor += 1
        if self._cursor == self._end:
            while self._backlog and self._may_send(self._backlog[0]):
                frame = self._number(self._backlog.popleft())
                self._cursor = self._end
                self._transmit(chunks, frame, now)
        data = b"".join(chunks)
        self._count["bytes_sent"] += len(data)
        return data

    def receive(self, data: bytes, now: float) -> None:
        """Take in bytes from the line."""
        self._count["bytes_received"] += len(data)
        for body in self._deframer.feed(data):
            reply = parse_reply(body, self._mask)
            if reply is None:
                self._count["damaged"] += 1
                continue
            self._count["frames_received"] += 1
            if self.error is not None:
                continue
            if reply.kind is Kind.INFO:
                self._on_info(reply)
            elif reply.kind is Kind.NO_SESSION:
                # Nothing binds it to this session, it may be of the time before: ask.
                self._probe_wanted = self._probe_wanted or not self._probing
            elif reply.kind is Kind.VALUES:
                self._on_values(reply, now)
            elif reply.kind is Kind.ACK or reply.kind is Kind.NAK:
                self._on_ack(reply, now)
            else:
                self._count["stale"] += 1

    # Sending.

    def _expire(self, now: float) -> None:
        """Act on the deadline, if it has passed."""
        deadline = self.next_deadline
        if deadline is None or now < deadline:
            return
        self._expired += 1
        self._timer.expire()
        self._count["timeouts"] += 1
        if self._expired > _GIVE_UP:
            self.error = LinkLostError(
                f"The device{self._where} did not answer, {_GIVE_UP} retransmissions included: "
                f"check cable and power; {_RELOAD}"
            )
            return
        self._progress = now
        self._untimed = self._end
        # One frame is enough to find out: a whole window would choke a line that is only slow.
        self._cursor = self._acked
        self._allowance = 1
        self._ask_again()
        self._probe_wanted = self._probe_wanted or self._expired >= 2

    def _number(self, payload: Payload) -> _Frame:
        self._opcount_end = (self._opcount_end + payload.ops) % _OPCOUNT_MODULUS
        seq = (self._end % SEQ_MODULUS).to_bytes(SEQ_BYTES, "little")
        wire = seal(seq + payload.runs, self._key)
        frame = _Frame(self._end, wire, self._opcount_end, payload.reply)
        self._end += 1
        self._window.append(frame)
        self._under_way += len(wire)
        if frame.reply is not None:
            self._replying.append(frame)
        return frame

    def _may_send(self, payload: Payload) -> bool:
        if payload.reply is not None and len(self._replying) >= self._info.reply_slots:
            # One more could push a reply out of its slot that is still to be asked for.
            return False
        if not self._window:
            return True
        limit = max(_WINDOW_TIME, 2 * self._timer.least)
        return len(self._window) < self._allowance and self._under_way * self._byte_time < limit

    def _transmit(self, chunks: list[bytes], frame: _Frame, now: float) -> None:
        frame.tries += 1
        wire = frame.wire
        if frame.tries > 1:
            self._count["retransmissions"] += 1
            wire = b"\0" + wire
        self._put(chunks, wire, now)
        frame.sent = frame.due = self._line_free
        if frame.reply is not None:
            frame.due += reply_wire_bytes(frame.reply.payload_bytes) * self._byte_time

    def _put(self, chunks: list[bytes], wire: bytes, now: float) -> None:
        chunks.append(wire)
        self._count["frames_sent"] += 1
        self._line_free = max(self._line_free, now) + len(wire) * self._byte_time

    def _oldest(self) -> _Frame | None:
        """Return the frame whose answer is awaited for the longest time."""
        if self._replying and self._replying[0].index < self._acked:
            return self._replying[0]
        return self._window[0] if self._window else None

    def _ask_again(self) -> None:
        """Send the oldest replying frame once more, if only its reply is missing."""
        if self._replying and self._replying[0].index < self._acked:
            self._again = self._replying[0]

    # Receiving.

    def _on_ack(self, reply: DeviceReply, now: float) -> None:
        ahead = (reply.next - self._acked) % SEQ_MODULUS
        if ahead > len(self._window):
            self._count["stale"] += 1
            return
        expected = self._window[ahead - 1].opcount if ahead else self._opcount_acked
        if not self._check_opcount(reply, expected):
            return
        self._release(ahead, now)
        self._check_fault(reply.fault)
        if reply.kind is Kind.NAK:
            self._count["naks"] += 1
            # The device says it once until it executes something: a second one is an echo.
            if self._window and self._nak_handled != self._acked:
                self._nak_handled = self._cursor = self._acked

    def _on_values(self, reply: DeviceReply, now: float) -> None:
        frame = next(
            (
                frame
                for frame in self._replying
                if frame.unanswered and (frame.index + 1 - reply.next) % SEQ_MODULUS == 0
            ),
            None,
        )
        if frame is None or frame.reply is None:
            self._count["stale"] += 1
            return
        if not self._check_opcount(reply, frame.opcount):
            return
        if len(reply.payload) != frame.reply.payload_bytes:
            self.error = SessionLostError(
                f"The device{self._where} answered a frame with {len(reply.payload)} bytes of "
                f"values instead of {frame.reply.payload_bytes}; {_RELOAD}"
            )
            return
        frame.reply.fill(reply.payload)
        self._progressed(now)
        self._release(max(0, frame.index + 1 - self._acked), now)
        while self._replying and not self._replying[0].unanswered:
            self._replying.popleft()
        self._check_fault(reply.fault)

    def _on_info(self, reply: DeviceReply) -> None:
        if not self._probing or reply.next != self._tag or len(reply.payload) != INFO_BYTES:
            self._count["stale"] += 1
            return
        self._probing = False
        session = Info.unpack(reply.payload).session
        if session == self._mask:
            self._check_fault(reply.fault)
        elif session == 0:
            self.error = SessionLostError(f"The device{self._where} was reset; {_RELOAD}")
        else:
            self.error = SessionLostError(
                f"Another host took the device{self._where} over; {_RELOAD}"
            )

    def _release(self, count: int, now: float) -> None:
        if not count:
            return
        for _ in range(count):
            frame = self._window.popleft()
            self._under_way -= len(frame.wire)
        if frame.tries == 1 and frame.index >= self._untimed:
            self._timer.sample(max(0.0, now - (frame.sent if frame.unanswered else frame.due)))
        self._count["ops"] += (frame.opcount - self._opcount_acked) % _OPCOUNT_MODULUS
        self._acked += count
        self._opcount_acked = frame.opcount
        self._cursor = max(self._cursor, self._acked)
        self._progressed(now)

    def _progressed(self, now: float) -> None:
        self._progress = now
        self._expired = 0
        self._allowance = min(WINDOW_FRAMES, 2 * self._allowance)

    def _check_opcount(self, reply: DeviceReply, expected: int) -> bool:
        if reply.opcount == expected:
            return True
        self.error = SessionLostError(
            f"The device{self._where} counts {reply.opcount} ops before frame {reply.next} of the "
            f"session, this host {expected}; {_RELOAD}"
        )
        return False

    def _check_fault(self, fault: int) -> None:
        if not fault:
            return
        try:
            name = DeviceFault(fault).name
        except ValueError:
            name = "unknown"
        self.error = DeviceFaultError(
            f"The device{self._where} refused a frame: fault {fault} ({name}). It executes nothing "
            "more; connect again"
        )
