"""What the benchmark of the simulated board simulates."""

from __future__ import annotations

from atomik_sim import BoardOptions
from atomik_sim.amaranth_engine import AmaranthEngine
from atomik_sim.pins import IDLE
from benchmarks.sim import FRAMES, stimulus

from .wire import OPENED, VALUES, Session

#: COBS of an OPENED's first bytes: its next is 0.
OPENED_START = bytes([1, 1, 2, OPENED])


def test_each_round_of_the_stimulus_is_executed_in_full() -> None:
    engine = AmaranthEngine(BoardOptions(contexts=256, width=64))
    while not engine.idle:
        engine.transfer([IDLE])
    for _ in range(2):
        received = engine.transfer(stimulus())
        assert received.endswith(b"\0")
        sessions = iter([Session(), Session(key=0x5EED_5EED)])
        opened, counts = 0, []
        for frame in received[:-1].split(b"\0"):
            if frame.startswith(OPENED_START):
                session = next(sessions)
                opened += 1
            reply = session.decode(frame)
            if reply.kind == VALUES:
                counts.append(reply.opcount)
        assert opened == 2
        assert counts == [*range(4, 2 * FRAMES + 1, 4)] * 2
