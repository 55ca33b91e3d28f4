"""Hosts and a device on a line with faults, in virtual time: thousands of trials in seconds."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from random import Random
from typing import Any, Protocol

from atomik_fpga.link import Engine, Handshake, Session
from atomik_fpga.protocol import SEQ_MODULUS
from atomik_sim.decode import LinkDecoder
from atomik_sim.faults import FaultSpec, FaultyLine, Piece, Schedule
from atomik_sim.model import DeviceModel
from atomik_sim.pins import IDLE, CharacterReceiver

__all__ = ["GatewareDevice", "Journal", "ModelDevice", "StuckError", "VirtualLine"]

#: Seconds of virtual time without any progress after which a trial counts as stuck: a host gives up
#: long before.
PATIENCE = 600.0
#: Characters that the gateware takes before hosts may act again.
_CHARACTERS_A_STEP = 8


class StuckError(Exception):
    """Nothing will ever happen again, or not within `PATIENCE`."""


class Device(Protocol):
    """What is at the other end of the line."""

    @property
    def busy(self) -> bool:
        """It may send something though it is sent nothing."""
        ...

    def take(self, characters: Sequence[int]) -> tuple[bytes, float]:
        """Take in characters; return what it sends meanwhile, and the seconds that this takes."""
        ...

    def reset(self) -> None:
        """Reset it."""
        ...


class ModelDevice:
    """A `DeviceModel` behind a UART."""

    busy = False

    def __init__(self, model: DeviceModel) -> None:
        self.model = model
        self._receiver = CharacterReceiver()

    @property
    def at_rest(self) -> bool:
        """Bytes that come now are what they are."""
        return self._receiver.at_rest

    def take(self, characters: Sequence[int]) -> tuple[bytes, float]:
        data, errors = self._receiver.feed(characters)
        return (self.model.receive(data, errors) if errors else self.model.receive(data)), 0.0

    def reset(self) -> None:
        self.model.reset()


class GatewareDevice:
    """The gateware on an engine of the simulated board, driven at its pins.

    Parameters
    ----------
    engine : CxxrtlEngine
    clock_frequency : int
        Of the device, in hertz.
    """

    def __init__(self, engine: Any, clock_frequency: int) -> None:
        self._engine = engine
        self._period = 1 / clock_frequency
        # The line is at rest when a device comes up; a receiver waits for that.
        while not engine.idle:
            engine.transfer([IDLE])

    @property
    def busy(self) -> bool:
        return not self._engine.idle

    def take(self, characters: Sequence[int]) -> tuple[bytes, float]:
        before = self._engine.clocks
        sent = self._engine.transfer(characters)
        return sent, (self._engine.clocks - before) * self._period

    def rest(self, clocks: int) -> None:
        """Let some clocks pass in which nobody listens."""
        self._engine.trace(b"\1" * clocks)

    def reset(self) -> None:
        self._engine.reset()


class Journal:
    """What went over the line, frame by frame, in words.

    Parameters
    ----------
    width : int
        Bits a context.
    """

    def __init__(self, width: int) -> None:
        self._decoder = LinkDecoder(width)
        self._begun = {True: b"", False: b""}
        self.lines: list[str] = []

    def sent(self, now: float, data: bytes, to_device: bool, hits: Iterable[str]) -> None:
        """Note bytes that an end has sent, and which faults hit them."""
        *bodies, self._begun[to_device] = (self._begun[to_device] + data).split(b"\0")
        read = self._decoder.from_host if to_device else self._decoder.from_device
        names = [read(body).name for body in bodies if body]
        faults = ", ".join(hits)
        if names or faults:
            arrow = ">" if to_device else "<"
            what = "; ".join(names) or "…"
            self.note(now, f"{arrow} {what}" + (f"    [{faults}]" if faults else ""))

    def note(self, now: float, text: str) -> None:
        """Note anything else."""
        self.lines.append(f"{now:11.6f} s  {text}")


class VirtualLine:
    """A device, one or more hosts, and a line with delay and faults between them.

    Parameters
    ----------
    device : DeviceModel or Device
        The device.
    rng : Random
        Of all that is random.
    faults : str
        Of the line, as `FaultSpec` reads it.
    engine : callable
        Makes the engine from a session.
    delay, byte_time : float
        One way, and of each byte, in seconds. The gateware has a byte time of its own.
    journal : Journal
        Where to note what happens.
    """

    def __init__(
        self,
        device: Any,
        rng: Random,
        faults: str = "",
        *,
        engine: Callable[[Session], Engine] = Engine,
        delay: float = 0.002,
        byte_time: float = 0.0,
        journal: Journal | None = None,
        width: int | None = None,
    ) -> None:
        self.device = device
        self.end: Device = ModelDevice(device) if isinstance(device, DeviceModel) else device
        self._width = device.info.width if width is None else width
        self.rng = rng
        self.delay = delay
        self.now = 0.0
        self.journal = journal
        self.replies: list[bytes] = []
        self.hits: Counter[str] = Counter()
        self._make_engine = engine
        own_pace = isinstance(device, DeviceModel)
        self._to_device = Schedule(byte_time, whole=own_pace)
        self._to_host = Schedule(byte_time if own_pace else 0.0, whole=True)
        self._driving: deque[int] = deque()
        self._host_uart = CharacterReceiver()
        self._decoder = LinkDecoder(self._width)
        #: What happens to the next piece that reaches the device, once.
        self.ambush: Callable[[Sequence[int]], None] | None = None
        #: The host's system takes bytes for it, up to so many, until it reads again.
        self._reads_from, self._room, self._unread = 0.0, 0, b""
        self.unplugged = False
        #: The latest progress of the host, and since when it is the latest.
        self._reached: tuple[object, object] | None = None
        self._since = 0.0
        self.inject(faults)
        self.peer: Handshake | Engine = self.greet()
        #: Others who talk to the device, and hear all that it says.
        self.others: list[Handshake | Engine] = []

    @property
    def engine(self) -> Engine:
        assert isinstance(self.peer, Engine)
        return self.peer

    def inject(self, faults: str) -> None:
        """Give the line other faults; empty for none."""
        spec = FaultSpec.parse(faults) if faults else FaultSpec()
        spec = replace(spec, seed=self.rng.getrandbits(32))
        self._line = FaultyLine(spec, self._width, self._decoder)
        self.note(f"the line has {faults or 'no faults'}")

    def note(self, text: str) -> None:
        """Note what happens besides frames."""
        if self.journal is not None:
            self.journal.note(self.now, text)

    def greet(self, **options: bool) -> Handshake:
        """Return the handshake of somebody new."""
        return Handshake(self.now, patience=10.0, random_bytes=self.rng.randbytes, **options)

    def connect(self, *, next_index: int = 0, opcount: int = 0) -> Engine:
        """Open a session; its counters may start just before they wrap."""
        handshake = self.peer
        assert isinstance(handshake, Handshake)
        self.run_until(lambda: handshake.session is not None)
        assert handshake.session is not None
        if next_index and isinstance(self.device, DeviceModel):
            self.device.next = next_index % SEQ_MODULUS
            self.device.opcount = opcount
        self.peer = self._make_engine(
            replace(handshake.session, next_index=next_index, opcount=opcount)
        )
        return self.peer

    def put(self, data: bytes, *, to_device: bool) -> None:
        """Send bytes as if they came from the other end, spoilt like all others."""
        if self.unplugged:
            return
        schedule = self._to_device if to_device else self._to_host
        earlier = self._line.hits.copy()
        pieces = (self._line.to_device if to_device else self._line.from_device)(data)
        hits = self._line.hits - earlier
        self.hits += hits
        schedule.put(pieces, self.now, self.delay)
        if self.journal is not None:
            self.journal.sent(self.now, data, to_device, hits.elements())

    def step(self) -> None:
        """Go on to the next event; raise the host's error, if it has one."""
        for peer in [self.peer, *self.others]:
            data = peer.output(self.now)
            if peer is self.peer and self.peer.error is not None:
                raise self.peer.error
            if data:
                self.put(data, to_device=True)
        times = [self._to_device.due, self._to_host.due]
        times += [peer.next_deadline for peer in [self.peer, *self.others]]
        if self._unread:
            times.append(self._reads_from)
        if self._driving or self.end.busy:
            times.append(self.now)
        due = [time for time in times if time is not None]
        if not due:
            raise StuckError("No event is due")
        self.now = max(self.now, min(due))
        self._listen()
        if not self._driving and (piece := self._to_device.take(self.now)) is not None:
            self._arrive(piece)
        elif self._driving or self.end.busy:
            count = min(_CHARACTERS_A_STEP, len(self._driving))
            self.drive([self._driving.popleft() for _ in range(count)] or [IDLE])
        self._watch()

    def _watch(self) -> None:
        """Raise `StuckError` if nothing has been achieved for too long."""
        peer = self.peer
        reached = (
            (peer.submitted, peer.acknowledged, len(peer._replying))
            if isinstance(peer, Engine)
            else (peer.info, peer.session)
        )
        if (peer, reached) != self._reached:
            self._reached, self._since = (peer, reached), self.now
        if self.now - self._since > PATIENCE:
            raise StuckError(f"Nothing was achieved for {PATIENCE:g} seconds")

    def _arrive(self, piece: Piece) -> None:
        if self.ambush is not None:
            act, self.ambush = self.ambush, None
            act(piece.characters)
        elif not isinstance(self.end, ModelDevice):
            self._driving += piece.characters
        elif piece.spoilt is None and self.end.at_rest:
            self._answer(self.end.model.receive(piece.data))
        else:
            self.drive(piece.characters)

    def drive(self, characters: Sequence[int]) -> None:
        """Let the device take characters, and send what it answers."""
        sent, seconds = self.end.take(characters)
        self.now += seconds
        self._answer(sent)

    def _answer(self, sent: bytes) -> None:
        self.replies.append(sent)
        if sent:
            self.put(sent, to_device=False)

    def _listen(self) -> None:
        """Let the hosts hear what has come for them."""
        while (piece := self._to_host.take(self.now)) is not None:
            # A host's port hands on bytes without a stop bit like all others.
            plain = piece.spoilt is None and self._host_uart.at_rest
            heard = piece.data if plain else self._host_uart.feed(piece.characters)[0]
            if self.now < self._reads_from:
                self._unread = (self._unread + heard)[: self._room]
            else:
                self._tell(heard)
        if self._unread and self.now >= self._reads_from:
            heard, self._unread = self._unread, b""
            self._tell(heard)

    def _tell(self, heard: bytes) -> None:
        for peer in [self.peer, *self.others]:
            peer.receive(heard, self.now)

    def stop_reading(self, seconds: float, room: int) -> None:
        """Let the hosts read nothing for a while; of what comes meanwhile, ``room`` bytes stay."""
        self._reads_from, self._room = self.now + seconds, room

    def reset(self) -> None:
        """Reset the device."""
        self.note("the device is reset")
        self.end.reset()

    def forget(self) -> None:
        """Lose all that is on the line."""
        self._to_device.clear()
        self._to_host.clear()

    def run_until(self, done: Callable[[], bool]) -> None:
        """Go on until ``done()``."""
        while not done():
            self.step()

    def run_for(self, seconds: float) -> None:
        """Go on for some time, or until nothing more is due."""
        end = self.now + seconds
        while self.now < end:
            try:
                self.step()
            except StuckError:
                self.now = end

    def settle(self) -> None:
        """Go on until all that was submitted is done, or raise the engine's error."""
        engine = self.engine
        self.run_until(lambda: engine.idle)
        if engine.error is not None:
            raise engine.error

    def drain(self) -> None:
        """Go on until nothing is on the line any more."""
        while (
            self._to_device.due is not None
            or self._to_host.due is not None
            or self._driving
            or self.end.busy
        ):
            self.step()
