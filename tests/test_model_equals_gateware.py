"""The device in Python and the gateware's link answer the same bytes with the same bytes."""

from __future__ import annotations

import random

import pytest
from cobs import cobs

from atomik_sim.model import DeviceModel

from . import wire
from .link_bench import BAUD, CLOCK, Bench
from .wire import Session


class Traffic:
    """Frames of every sort, right and wrong, made at random."""

    def __init__(self, seed, width, depth):
        self.random = random.Random(seed)
        self.width, self.depth, self.size = width, depth, (width + 7) // 8
        self.session = Session(key=self.random.getrandbits(32) | 1)
        self.next = 0
        self.faulty = False
        self.sent = []

    def run(self):
        rng = self.random
        op = rng.choice(range(7)) if rng.random() < 0.97 else wire.CLEAR
        count = rng.choice((1, 1, 2, 3, rng.randint(1, 32)))
        address = rng.randrange(self.depth)
        if op != wire.ACCUM and rng.random() < 0.9:
            count = min(count, self.depth - address)
        if rng.random() < 0.02:
            address = rng.randrange(1 << 16)
        if op == wire.CLEAR and rng.random() < 0.8:
            count, address = 1, 0
        if op in (wire.READ, wire.PEEK, wire.SWAP, wire.CLEAR):
            return wire.run(op, address, count=count)
        operands = (rng.getrandbits(8 * self.size) for _ in range(count))
        return wire.run(op, address, *operands, size=self.size)

    def data(self):
        rng = self.random
        runs = [self.run() for _ in range(rng.choice((0, 1, 1, 1, 2, 3)))]
        frame = b"".join(runs)[: 272 - 6]
        return self.session.data(self.next, frame)

    def frame(self):
        rng, pick = self.random, self.random.random()
        if pick < 0.05:
            return wire.info_frame(rng.getrandbits(16))
        if pick < 0.10:
            return self.session.open()
        if pick < 0.14 or (self.faulty and pick > 0.7):
            self.session = Session(key=rng.getrandbits(32) | 1)
            self.sent.clear()
            return self.session.open()
        if pick < 0.24 and self.sent:
            return rng.choice(self.sent[-6:])
        if pick < 0.28:
            return self.session.data((self.next + rng.randint(1, 0xFFFF)) & 0xFFFF, self.run())
        if pick < 0.31:
            return Session(key=99).data(self.next, self.run())
        if pick < 0.33:
            return bytes(rng.randrange(256) for _ in range(rng.randrange(40))) + b"\0"
        if pick < 0.35:
            return wire.stuff(
                wire.checked(bytes(rng.randrange(4) for _ in range(rng.randrange(12))))
            )
        frame = self.data()
        if pick < 0.45:
            damaged = bytearray(frame)
            damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
            return bytes(damaged)
        self.sent.append(frame)
        return frame

    def errors(self, frame):
        """Positions of characters that come without a stop bit, the delimiter's among them."""
        if self.random.random() < 0.9:
            return set()
        return {self.random.randrange(len(frame)) for _ in range(2)}


@pytest.mark.parametrize(
    ("width", "depth", "slots", "seed"),
    [(64, 16, 2, 0), (7, 17, 1, 0), (7, 17, 1, 1), (65, 1, 4, 0)],
)
def test_any_frames_one_after_the_other(width, depth, slots, seed):
    bench = Bench(width, depth, seed=seed, reply_slots=slots)
    model = DeviceModel(
        width,
        depth,
        reply_slots=slots,
        reply_bytes=bench.dut.info.reply_bytes,
        clock_hz=CLOCK,
        baud=BAUD,
        features=1,
    )
    traffic = Traffic(f"{width} {depth} {seed}", width, depth)
    kinds = set()

    async def script(ctx):
        for _ in range(40):
            frame = traffic.frame()
            errors = traffic.errors(frame)
            expected = model.receive(frame, errors)
            await bench.send(ctx, frame, errors=errors)
            await bench.rest(ctx)
            answered = b"".join(reply + b"\0" for reply in bench.replies)
            bench.replies.clear()
            assert answered == expected, frame.hex()
            if expected:
                kinds.add(cobs.decode(expected[:-1])[2] & 15)
            traffic.next, traffic.faulty = model.next, model.fault != 0
        pairs = list(zip(model.references, model.accumulators, strict=True))
        assert bench.table == pairs
        assert {wire.ACK, wire.NAK, wire.VALUES, wire.OPENED} <= kinds

    bench.run(script, deadline=1_000_000)
