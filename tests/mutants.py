"""Wrong devices and a wrong driver, each of which the fault campaign must notice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from atomik_fpga.framing import FramingError, cobs_decode, unseal
from atomik_fpga.link import Engine, Payload
from atomik_fpga.protocol import CRC_BYTES, SEQ_BYTES, DeviceFault
from atomik_sim.model import DeviceModel

__all__ = ["DRIVERS", "MODELS", "narrow_sequence"]


class NoDuplicateCheck(DeviceModel):
    """Executes whatever number comes."""

    def _on_data(self, seq: int, runs: bytes) -> bytes:
        self.next = seq
        return super()._on_data(seq, runs)


class NoSession(DeviceModel):
    """Believes the first session's frames for ever, and lets its numbers go on."""

    def _start_session(self, mask: int | None) -> None:
        number, opcount = getattr(self, "next", 0), getattr(self, "opcount", 0)
        super()._start_session(mask)
        if mask is not None:
            self._mask = self._first = getattr(self, "_first", mask)
            self.next, self.opcount = number, opcount


class NoCrc(DeviceModel):
    """Believes every frame, once there is a session."""

    def _check(self, body: bytes) -> tuple[bytes, int | None]:
        content, difference = super()._check(body)
        if difference is None and self._mask is not None:
            try:
                return cobs_decode(body)[:-CRC_BYTES], 1
            except FramingError:
                return b"", None
        return content, difference


class Crc8(DeviceModel):
    """Looks at eight bits of the check field."""

    def _check(self, body: bytes) -> tuple[bytes, int | None]:
        content, difference = super()._check(body)
        if difference is None and self._mask is not None:
            try:
                content, damage = unseal(body)
            except FramingError:
                return b"", None
            if not (damage ^ self._key) & 0xFF:
                return content, self._key
            return b"", None
        if difference:
            self._key = difference
        return content, difference

    _key = 0


class NoReplyCache(DeviceModel):
    """Forgets each reply as soon as it is sent."""

    def _on_frame(self, body: bytes) -> bytes:
        replies = super()._on_frame(body)
        self._kept.clear()
        return replies


class ApplyBeforeCrc(DeviceModel):
    """Executes a frame as it comes, and looks at the check field then."""

    def _on_frame(self, body: bytes) -> bytes:
        if self._check(body)[1] is None and self._mask is not None:
            try:
                whole = cobs_decode(body)
            except FramingError:
                return super()._on_frame(body)
            seq, runs = whole[:SEQ_BYTES], whole[SEQ_BYTES:-CRC_BYTES]
            if int.from_bytes(seq, "little") == self.next and not self.fault:
                for run in self._parse(runs)[1]:
                    self._act(run)
        return super()._on_frame(body)


class ErrorNotLatched(DeviceModel):
    """Tells of a fault once, and passes the frame over."""

    def _on_data(self, seq: int, runs: bytes) -> bytes:
        reply = super()._on_data(seq, runs)
        if self.fault:
            self.fault = DeviceFault.NONE
            self.next += 1
        return reply


class AckReleasesReply(Engine):
    """Takes an acknowledgement for an answer."""

    def _release(self, count: int, now: float) -> None:
        super()._release(count, now)
        while self._replying and self._replying[0].index < self._acked:
            self._replying.popleft()


class NewNumbers(Engine):
    """Gives what it sends again new numbers, so that it is executed again."""

    def _expire(self, now: float) -> None:
        deadline = self.next_deadline
        super()._expire(now)
        if deadline is not None and now >= deadline:
            for frame in self._window:
                content = cobs_decode(frame.wire[:-1])
                self._backlog.append(Payload(content[SEQ_BYTES:-CRC_BYTES], 0))


class NeverAsks(Engine):
    """Does not ask by INFO why nothing is answered, so that a reset is a lost link to it."""

    def output(self, now: float, *, deaf: bool = False) -> bytes:
        self._expire(now)
        self._probe_wanted = False
        return super().output(now, deaf=True)


@contextmanager
def narrow_sequence(modulus: int) -> Iterator[None]:
    """Let sequence numbers of driver and model wrap early, for a window of 128 frames."""
    with (
        patch("atomik_fpga.link.engine.SEQ_MODULUS", modulus),
        patch("atomik_sim.model.SEQ_MODULUS", modulus),
    ):
        yield


MODELS: dict[str, type[DeviceModel]] = {
    "no duplicate check": NoDuplicateCheck,
    "no session": NoSession,
    "no CRC": NoCrc,
    "CRC-8": Crc8,
    "no reply cache": NoReplyCache,
    "apply before CRC": ApplyBeforeCrc,
    "error not latched": ErrorNotLatched,
}
DRIVERS: dict[str, type[Engine]] = {
    "ack releases the reply frame": AckReleasesReply,
    "what is sent again has new numbers": NewNumbers,
    "never asks by INFO": NeverAsks,
}
