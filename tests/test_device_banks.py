"""Banks of a device: their registers over the link, bit by bit, and byte for byte as the model."""

from __future__ import annotations

import random

import pytest

from atomik_fpga.protocol import Info
from atomik_hdl.device import DeltaDevice
from atomik_hdl.link.run import RunDecoder
from atomik_sim.model import DeviceModel

from . import wire
from .test_banks_engine import state_after
from .test_device import CLOCK, Bench

SEED, RUN, ELAPSED, STATE = 0xFFFC, 0xFFFD, 0xFFFE, 0xFFFF
ADDRESS = 2


def model_of(bench, **options):
    return DeviceModel(clock_hz=CLOCK, baud=CLOCK // bench.clocks, features=1, **options)


def test_a_run_is_started_and_its_state_read_over_the_pins():
    bench = Bench(lanes=7, depth=4)

    async def script(ctx):
        await ctx.tick().repeat(4)
        reply = await bench.ask(ctx, wire.info_frame(1))
        info = Info.unpack(reply.payload)
        assert (info.minor, info.lanes, info.features, info.depth) == (1, 7, 3, 4)
        await bench.open(ctx)
        start = wire.run(wire.LOAD, SEED, 0xABCD, 500)
        reply = await bench.ask(ctx, bench.session.data(0, start))
        assert (reply.kind, reply.opcount) == (wire.ACK, 2)
        # Sent once more, it is not executed once more.
        reply = await bench.ask(ctx, bench.session.data(0, start))
        assert (reply.kind, reply.opcount) == (wire.ACK, 2)
        reply = await bench.ask(ctx, bench.session.data(1, wire.run(wire.READ, RUN, count=3)))
        running, elapsed, state = reply.values()
        assert (running, state) == (0, state_after(64, 7, 0xABCD, 500))
        assert elapsed == 500 + 7 + 2 + 5
        # The table is as ever, and so is a run that is read while another is under way.
        reply = await bench.ask(
            ctx,
            bench.session.data(
                2,
                wire.run(wire.LOAD, 3, 5),
                wire.run(wire.LOAD, RUN, 20_000),
                wire.run(wire.ACCUM, 3, 6),
                wire.run(wire.READ, 0, count=4),
            ),
        )
        assert reply.values() == [0, 0, 0, 3]
        assert ctx.get(bench.dut.busy) == 1
        reply = await bench.ask(ctx, bench.session.data(3, wire.run(wire.READ, RUN, count=3)))
        running, elapsed, before = reply.values()
        assert running == 1
        assert 0 < elapsed < 20_000
        assert before == state

    bench.run(script, deadline=100_000)


def test_any_runs_of_the_link_give_the_bytes_of_the_model():
    bench = Bench(width=33, depth=3, lanes=4)
    model = model_of(bench, width=33, depth=3, lanes=4)
    rng = random.Random(5)
    kinds = set()

    def run():
        if rng.random() < 0.8:
            op, address, count = rng.choice(
                ((wire.LOAD, SEED, 2), (wire.READ, RUN, 3), (wire.LOAD, RUN, 1), (wire.ACCUM, 2, 4))
            )
        else:
            op = rng.randrange(8)
            address = rng.choice((0, 2, 3, *range(SEED - 1, STATE + 1)))
            count = 1 if op == wire.CLEAR else rng.choice((1, 2, 4))
        if op in (wire.READ, wire.PEEK, wire.SWAP, wire.CLEAR):
            return wire.run(op, address, count=count)
        words = (rng.choice((rng.getrandbits(40), rng.randrange(30))) for _ in range(count))
        if address <= RUN < address + count:
            words = (rng.randrange(30) for _ in range(count))
        return wire.run(op, address, *words, size=5)

    async def script(ctx):
        await ctx.tick().repeat(4)
        executed = 0
        for number in range(22):
            if number == 0 or model.fault:
                bench.session = wire.Session(key=rng.getrandbits(32) | 1)
                frame = bench.session.open()
            else:
                frame = bench.session.data(model.next, run())
            expected = model.receive(frame)
            await bench.send(ctx, frame)
            while not bench.replies:
                await ctx.tick()
            (answered,) = bench.replies
            bench.replies.clear()
            assert answered + b"\0" == expected, frame.hex()
            reply = bench.session.decode(answered)
            kinds.add((reply.kind, reply.fault))
            executed += model.next > 0
            # The model's runs take no time: let those of the gateware end.
            await ctx.tick().repeat(64)
        assert executed > 15
        assert {(wire.VALUES, 0), (wire.ACK, 0), (wire.ACK, ADDRESS)} <= kinds

    bench.run(script, deadline=400_000)


@pytest.mark.parametrize("registers", [False, True])
@pytest.mark.parametrize("op", range(8))
def test_registers_can_be_loaded_and_read_and_nothing_else(op, registers):
    model = DeviceModel(64, 4, lanes=3 if registers else 0)
    session = wire.Session()
    model.receive(session.open())
    words = () if op in (wire.READ, wire.PEEK, wire.SWAP, wire.CLEAR) else (1,)
    line = model.receive(session.data(0, wire.run(op, SEED, *words, count=1)))
    allowed = registers and op in (wire.LOAD, wire.READ)
    assert session.decode(line[:-1]).fault == (0 if allowed else 1 if op == wire.CLEAR else ADDRESS)


def test_a_device_without_banks_has_no_registers():
    model = DeviceModel(64, 4)
    assert (model.info.lanes, model.info.features) == (0, 0)
    assert DeltaDevice(CLOCK, 1_000_000).info.features == 1
    assert DeltaDevice(CLOCK, 1_000_000, lanes=5).info.features == 3
    assert RunDecoder(64, 4, slot_bytes=256).signature == (
        RunDecoder(64, 4, slot_bytes=256, registers=True).signature
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lanes": 2, "width": 31}, "Width must be at least 32 on a device with banks, not 31"),
        (
            {"lanes": 2, "depth": 65533},
            "Depth must be at most 65532 on a device with banks, not 65533",
        ),
        ({"lanes": 1025}, "Banks must be between 1 and 1024, not 1025"),
    ],
)
def test_a_device_that_can_not_have_banks_is_refused(options, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        DeltaDevice(CLOCK, 1_000_000, **options)
