"""The link's gateware: what INFO says, and what each op and each faulty run does."""

import struct

import pytest
from cobs import cobs

from atomik_hdl.link import Link

from . import wire
from .link_bench import BAUD, CLOCK, Bench, opened
from .wire import Session


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 0}, "Width must be in 1..256, not 0"),
        ({"width": 257}, "Width must be in 1..256, not 257"),
        ({"depth": 0}, "Depth must be in 1..65536, not 0"),
        ({"depth": 65537}, "Depth must be in 1..65536, not 65537"),
        ({"reply_slots": 0}, "Reply slots must be in 1..8, not 0"),
        ({"slot_bytes": 100}, "Slot size must be a power of two of at least 64, not 100"),
        ({"build_id": 1 << 64}, f"Build id must have 64 bits, not {1 << 64}"),
    ],
)
def test_wrong_parameters_are_named(options, message):
    parameters = {"width": 64, "depth": 16, **options}
    with pytest.raises(ValueError, match=f"^{message}$"):
        Link(**parameters, clock_frequency=CLOCK, baud=BAUD)


def test_info_has_the_frozen_layout_and_needs_no_session():
    bench = Bench(width=65, depth=17, reply_slots=3, build_id=0x0123456789ABCDEF)

    async def script(ctx):
        reply = await bench.one(ctx, wire.info_frame(0xBEEF))
        assert (reply.kind, reply.next, reply.session) == (wire.INFO, 0xBEEF, False)
        assert reply.payload == struct.pack(
            "<4sBBHIHBBHHIIQII",
            b"ATMK", 1, 1, 65, 17, 0, 3, 0, 272, 240, CLOCK, BAUD, 0x0123456789ABCDEF, 1, 0,
        )  # fmt: skip

    bench.run(script)


def test_info_shows_the_open_session_and_leaves_it_open():
    bench = Bench()

    async def script(ctx):
        reply = await bench.one(ctx, wire.info_frame(7))
        assert reply.payload[15] == 1
        assert reply.payload[40:] == bench.session.mask.to_bytes(4, "little")
        reply = await bench.one(ctx, bench.session.data(0, wire.run(wire.LOAD, 3, 5)))
        assert (reply.kind, reply.next, reply.opcount) == (wire.ACK, 1, 1)

    opened(bench, script)


@pytest.mark.parametrize("width", [1, 7, 8, 64, 65, 256])
def test_every_op_acts_as_the_algebra_says(width):
    bench = Bench(width, depth=5)
    size, mask = bench.size, (1 << width) - 1
    a, b, c, d = (bench.random.getrandbits(width) for _ in range(4))

    async def script(ctx):
        data, run = bench.session.data, wire.run
        await bench.one(ctx, data(0, run(wire.LOAD, 1, a, b, size=size)))
        reply = await bench.one(
            ctx,
            data(
                1,
                run(wire.ACCUM, 1, c, d, c, size=size),
                run(wire.ACCUM_EACH, 2, c, d, a, size=size),
                run(wire.READ, 0, count=5),
            ),
        )
        assert (reply.kind, reply.next, reply.opcount, reply.fault) == (wire.VALUES, 2, 13, 0)
        assert reply.values(size) == [0, a ^ d, b ^ c, d, a]
        reply = await bench.one(ctx, data(2, run(wire.PEEK, 1, count=2)))
        assert reply.values(size) == [a ^ d, d, b ^ c, c]
        reply = await bench.one(ctx, data(3, run(wire.SWAP, 1, count=1)))
        assert reply.values(size) == [a ^ d]
        reply = await bench.one(ctx, data(4, run(wire.SWAP_TO, 2, d, 0, size=size)))
        assert reply.values(size) == [b ^ c, d]
        reply = await bench.one(ctx, data(5, run(wire.PEEK, 1, count=3)))
        assert reply.values(size) == [a ^ d, 0, d, 0, 0, 0]
        reply = await bench.one(
            ctx, data(6, run(wire.CLEAR, 0, count=1), run(wire.READ, 0, count=5))
        )
        assert reply.values(size) == [0] * 5
        assert reply.opcount == 13 + 2 + 1 + 2 + 3 + 6

    assert mask >= a
    opened(bench, script)


def test_operand_bits_above_the_width_are_ignored_and_values_carry_zeros():
    bench = Bench(width=12)

    async def script(ctx):
        reply = await bench.one(
            ctx,
            bench.session.data(
                0, wire.run(wire.LOAD, 0, 0xF123, size=2), wire.run(wire.READ, 0, count=1)
            ),
        )
        assert reply.values(2) == [0x123]

    opened(bench, script)


FAULTY_RUNS = [
    (1, wire.run(wire.LOAD, 0, 1)[:-1]),
    (1, wire.run(wire.LOAD, 0, 1) + b"\x20"),
    (1, wire.run(wire.LOAD, 0, 1) + b"\x20\x00"),
    (1, wire.run(wire.CLEAR, 1, count=1)),
    (1, wire.run(wire.CLEAR, 0, count=2)),
    (2, wire.run(wire.LOAD, 16, 1)),
    (2, wire.run(wire.READ, 9, count=8)),
    (2, wire.run(wire.ACCUM_EACH, 15, 1, 2)),
    (2, wire.run(wire.PEEK, 0xFFFF, count=2)),
    (3, wire.run(wire.READ, 0, count=1) + wire.run(wire.LOAD, 0, 1)),
    (3, wire.run(wire.PEEK, 0, count=16)),
]


@pytest.mark.parametrize(("fault", "bad"), FAULTY_RUNS)
def test_a_faulty_run_stops_its_whole_frame_and_is_latched_until_the_next_open(fault, bad):
    bench = Bench()

    async def script(ctx):
        data = bench.session.data
        await bench.one(ctx, data(0, wire.run(wire.LOAD, 0, 42)))
        reply = await bench.one(ctx, data(1, wire.run(wire.LOAD, 1, 7), bad))
        assert (reply.kind, reply.fault, reply.next, reply.opcount) == (wire.ACK, fault, 1, 1)
        reply = await bench.one(ctx, data(1, wire.run(wire.LOAD, 1, 7)))
        assert (reply.kind, reply.fault, reply.next, reply.opcount) == (wire.ACK, fault, 1, 1)
        assert bench.requests == 1
        reply = await bench.one(ctx, wire.info_frame(1))
        assert (reply.fault, reply.payload[15]) == (fault, 3)
        bench.session = Session(key=99)
        reply = await bench.one(ctx, bench.session.open())
        assert (reply.kind, reply.fault, reply.next, reply.opcount) == (wire.OPENED, 0, 0, 0)
        reply = await bench.one(ctx, bench.session.data(0, wire.run(wire.READ, 0, count=2)))
        assert (reply.fault, reply.values()) == (0, [42, 0])

    opened(bench, script)


def test_an_accumulate_run_on_the_last_context_may_have_any_count():
    bench = Bench()

    async def script(ctx):
        reply = await bench.one(ctx, bench.session.data(0, wire.run(wire.ACCUM, 15, *range(32))))
        assert (reply.kind, reply.fault, reply.opcount) == (wire.ACK, 0, 32)

    opened(bench, script)


def test_replies_hold_no_zero_and_every_block_length_decodes():
    bench = Bench(slot_bytes=512)

    async def script(ctx):
        for seq, value in enumerate((0, 2**64 - 1, 0x0100010001000100, 1)):
            words = [value] * 16
            await bench.ask(ctx, bench.session.data(2 * seq, wire.run(wire.LOAD, 0, *words)))
            reply = await bench.one(
                ctx, bench.session.data(2 * seq + 1, wire.run(wire.PEEK, 0, count=16))
            )
            assert reply.values()[::2] == words

    opened(bench, script)


def test_cobs_package_and_wire_helper_agree_on_the_delimiter():
    assert cobs.decode(wire.stuff(b"a\0b")[:-1]) == b"a\0b"
