"""Host and device on a line with faults, in virtual time: thousands of trials in seconds."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from atomik_fpga.errors import AtomikError
from atomik_fpga.link import Engine, FrameBuilder, Handshake, Payload, Reply, Session
from atomik_fpga.protocol import SEQ_MODULUS, Op
from atomik_sim.model import DeviceModel

__all__ = ["Faults", "Outcome", "StuckError", "VirtualLine", "run_trial"]

#: Seconds of virtual time after which a trial counts as stuck.
PATIENCE = 600.0


class StuckError(Exception):
    """Nothing will ever happen again, or not within `PATIENCE`."""


@dataclass(frozen=True)
class Faults:
    """Probability of each fault for each chunk that ends in a delimiter, in either direction."""

    lose: float = 0.0
    flip: float = 0.0
    duplicate: float = 0.0
    late: float = 0.0
    truncate: float = 0.0
    insert: float = 0.0
    cut: float = 0.0

    def spoil(self, chunk: bytes, rng: Random) -> list[tuple[float, bytes]]:
        """Return what becomes of a chunk: pieces and how much too late each comes."""
        pieces = [(0.0, chunk)]
        if rng.random() < self.late:
            pieces.append((rng.expovariate(1.0), chunk))
        if rng.random() < self.duplicate:
            pieces.append((0.0, chunk))
        if rng.random() < self.lose:
            del pieces[0]
        elif rng.random() < self.flip:
            bit = rng.randrange(8 * len(chunk))
            spoilt = bytearray(chunk)
            spoilt[bit // 8] ^= 1 << bit % 8
            pieces[0] = (0.0, bytes(spoilt))
        elif rng.random() < self.truncate:
            start = rng.randrange(len(chunk))
            pieces[0] = (0.0, chunk[:start] + chunk[rng.randint(start, len(chunk)) :])
        elif rng.random() < self.insert:
            start = rng.randrange(len(chunk))
            pieces[0] = (0.0, chunk[:start] + rng.randbytes(rng.randint(1, 4)) + chunk[start:])
        elif rng.random() < self.cut:
            start = rng.randrange(len(chunk))
            pieces[0] = (0.0, chunk[:start] + b"\0" + chunk[start:])
        return pieces


_CLEAN = Faults()


class VirtualLine:
    """A device, a host, and a line with delay and faults between them.

    Parameters
    ----------
    device : DeviceModel
        The device.
    rng : Random
        Of all that is random.
    faults : Faults
        Of the line.
    engine : callable
        Makes the engine from a session.
    delay, byte_time : float
        One way, and of each byte, in seconds.
    """

    def __init__(
        self,
        device: DeviceModel,
        rng: Random,
        faults: Faults = _CLEAN,
        *,
        engine: Callable[[Session], Engine] = Engine,
        delay: float = 0.002,
        byte_time: float = 0.0,
    ) -> None:
        self.device = device
        self.rng = rng
        self.faults = faults
        self.delay = delay
        self.byte_time = byte_time
        self._free = {True: 0.0, False: 0.0}
        self.now = 0.0
        self.replies: list[bytes] = []
        self._make_engine = engine
        self._events: list[tuple[float, int, bool, bytes]] = []
        self._order = 0
        self.peer: Handshake | Engine = Handshake(
            self.now, patience=10.0, random_bytes=rng.randbytes
        )

    @property
    def engine(self) -> Engine:
        assert isinstance(self.peer, Engine)
        return self.peer

    def connect(self, *, next_index: int = 0, opcount: int = 0) -> Engine:
        """Open a session; its counters may start just before they wrap."""
        handshake = self.peer
        assert isinstance(handshake, Handshake)
        self.run_until(lambda: handshake.session is not None)
        assert handshake.session is not None
        if next_index:
            self.device.next = next_index % SEQ_MODULUS
            self.device.opcount = opcount
        self.peer = self._make_engine(
            replace(handshake.session, next_index=next_index, opcount=opcount)
        )
        return self.peer

    def put(self, data: bytes, *, to_device: bool) -> None:
        """Send bytes as if they came from the other end, spoilt like all others."""
        for body in data.split(b"\0")[:-1]:
            for extra, piece in self.faults.spoil(body + b"\0", self.rng):
                self._order += 1
                free = max(self._free[to_device], self.now) + len(piece) * self.byte_time
                self._free[to_device] = free
                event = (free + self.delay + extra, self._order, to_device, piece)
                heapq.heappush(self._events, event)

    def step(self) -> None:
        """Go on to the next event; raise the host's error, if it has one."""
        data = self.peer.output(self.now)
        if self.peer.error is not None:
            raise self.peer.error
        if data:
            self.put(data, to_device=True)
        deadline = self.peer.next_deadline
        arrival = self._events[0][0] if self._events else None
        if deadline is None and arrival is None:
            raise StuckError("No event is due")
        if arrival is None or (deadline is not None and deadline < arrival):
            assert deadline is not None
            self.now = max(self.now, deadline)
        else:
            time, _, to_device, piece = heapq.heappop(self._events)
            self.now = max(self.now, time)
            if to_device:
                replies = self.device.receive(piece)
                self.replies.append(replies)
                self.put(replies, to_device=False)
            else:
                self.peer.receive(piece, self.now)
        if self.now > PATIENCE:
            raise StuckError("Too much time has passed")

    def run_until(self, done: Callable[[], bool]) -> None:
        """Go on until ``done()``."""
        while not done():
            self.step()

    def settle(self) -> None:
        """Go on until all that was submitted is done, or raise the engine's error."""
        engine = self.engine
        self.run_until(lambda: engine.idle)
        if engine.error is not None:
            raise engine.error

    def drain(self) -> None:
        """Go on until nothing is on the line any more."""
        while self._events:
            self.step()


@dataclass
class Outcome:
    """How a trial ended: ``right``, ``error``, ``wrong`` or ``stuck``."""

    verdict: str
    detail: str
    line: VirtualLine


class Plain:
    """Contexts as two integers each, the oracle of the trials."""

    def __init__(self, depth: int) -> None:
        self.references = [0] * depth
        self.accumulators = [0] * depth

    def state(self, address: int) -> int:
        return self.references[address] ^ self.accumulators[address]

    def set(self, address: int, reference: int) -> None:
        self.references[address] = reference
        self.accumulators[address] = 0


def random_op(
    builder: FrameBuilder, plain: Plain, rng: Random, width: int, depth: int
) -> tuple[list[Payload | None], tuple[Reply | None, list[int]] | None]:
    """Give one random op to the builder and the oracle; return frames, and the reply expected."""
    address, word = rng.randrange(depth), rng.getrandbits(width)
    kind = rng.choices(
        ["accum", "load", "clear", "seal", "read", "peek", "swap", "swap_to", "read_many"],
        [12, 2, 0.2, 2, 2, 1, 1.5, 1.5, 0.5],
    )[0]
    if kind == "accum":
        plain.accumulators[address] ^= word
        return [builder.accum(address, word)], None
    if kind == "load":
        plain.set(address, word)
        return [builder.load(address, word)], None
    if kind == "clear":
        for each in range(depth):
            plain.set(each, 0)
        return [builder.clear()], None
    if kind == "seal":
        return [builder.seal()], None
    if kind == "read_many":
        expected = [plain.state(each) for each in range(depth)]
        frames = builder.reply(Op.READ, 0, depth)
    elif kind == "peek":
        expected = [plain.state(address), plain.accumulators[address]]
        frames = builder.reply(Op.PEEK, address, 1)
    else:
        expected = [plain.state(address)]
        op = {"read": Op.READ, "swap": Op.SWAP, "swap_to": Op.SWAP_TO}[kind]
        frames = builder.reply(op, address, 1, [word] if kind == "swap_to" else [])
        if kind == "swap":
            plain.set(address, expected[0])
        elif kind == "swap_to":
            plain.set(address, word)
    return list(frames), (frames[-1].reply, expected)


def run_trial(
    seed: int,
    faults: Faults,
    *,
    width: int = 16,
    depth: int = 4,
    ops: int = 60,
    model: Callable[..., DeviceModel] = DeviceModel,
    engine: Callable[[Session], Engine] = Engine,
    disturb: Callable[[VirtualLine], None] | None = None,
    next_index: int = 0,
    opcount: int = 0,
) -> Outcome:
    """Run random ops against an oracle; ``disturb`` is called once, at a random moment."""
    rng = Random(seed)
    device = model(width, depth)
    line = VirtualLine(device, rng, faults, engine=engine, delay=rng.choice([0.0, 0.001, 0.02]))
    plain = Plain(depth)
    awaited: list[tuple[Reply | None, list[int]]] = []
    disturbance = rng.randrange(ops) if disturb else None
    try:
        running = line.connect(next_index=next_index, opcount=opcount)
        builder = FrameBuilder(device.info)
        for number in range(ops):
            frames, answer = random_op(builder, plain, rng, width, depth)
            if answer is not None:
                awaited.append(answer)
            for frame in frames:
                if frame is not None:
                    running.submit(frame)
            if number == disturbance and disturb is not None:
                disturb(line)
            for _ in range(rng.choice([0, 0, 1, 3])):
                if not running.idle:
                    line.step()
            if rng.random() < 0.1:
                line.settle()
        # The last barrier also finds what happened when nothing was under way.
        for frame in builder.reply(Op.READ, 0, depth):
            running.submit(frame)
        awaited.append((frame.reply, [plain.state(each) for each in range(depth)]))
        line.settle()
        verdict, detail = "right", ""
    except AtomikError as error:
        verdict, detail = "error", f"{type(error).__name__}: {error}"
    except StuckError as error:
        verdict, detail = "stuck", str(error)
    if verdict == "right":
        if any(reply is None or reply.words is None for reply, _ in awaited):
            verdict, detail = "stuck", "A reply never came"
        elif [device.state(each) for each in range(depth)] != [
            plain.state(each) for each in range(depth)
        ]:
            verdict, detail = "wrong", "The contexts differ"
    for reply, expected in awaited:
        if reply is not None and reply.words not in (None, expected):
            verdict, detail = "wrong", f"A reply was {reply.words} instead of {expected}"
    return Outcome(verdict, f"seed {seed}: {detail}", line)
