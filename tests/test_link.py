"""The link's gateware, characters in and out, against docs/link.md and a plain list of words."""

from __future__ import annotations

import random
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
            b"ATMK", 1, 0, 65, 17, 0, 3, 0, 272, 240, CLOCK, BAUD, 0x0123456789ABCDEF, 1, 0,
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


def test_without_a_session_nothing_is_executed_and_every_frame_is_told_so():
    bench = Bench()

    async def script(ctx):
        frame = bench.session.data(0, wire.run(wire.LOAD, 3, 5))
        replies = await bench.ask(ctx, frame, b"garbage\0")
        assert [reply.kind for reply in replies] == [wire.NO_SESSION] * 2
        assert bench.requests == 0

    bench.run(script)


def test_empty_frames_are_ignored():
    bench = Bench()

    async def script(ctx):
        assert await bench.ask(ctx, b"\0\0\0") == []

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


def test_a_duplicate_is_acknowledged_and_never_executed():
    bench = Bench()

    async def script(ctx):
        frame = bench.session.data(0, wire.run(wire.ACCUM, 4, 9))
        first, again = await bench.one(ctx, frame), await bench.one(ctx, frame)
        assert first == again
        assert (again.kind, again.next, again.opcount) == (wire.ACK, 1, 1)
        assert bench.table[4] == (0, 9)

    opened(bench, script)


@pytest.mark.parametrize("slots", [1, 2, 4])
def test_the_replies_of_the_last_replying_frames_are_kept(slots):
    bench = Bench(reply_slots=slots)

    async def script(ctx):
        frames = [bench.session.data(seq, wire.run(wire.SWAP_TO, 2, 100 + seq)) for seq in range(6)]
        replies = [await bench.one(ctx, frame) for frame in frames]
        assert [reply.values() for reply in replies] == [[0], [100], [101], [102], [103], [104]]
        assert [reply.next for reply in replies] == [1, 2, 3, 4, 5, 6]
        for seq in range(6):
            reply = await bench.one(ctx, frames[seq])
            if seq >= 6 - slots:
                assert reply == replies[seq]
            else:
                assert (reply.kind, reply.next, reply.opcount) == (wire.ACK, 6, 6)
        assert bench.table[2] == (105, 0)

    opened(bench, script)


def test_a_gap_is_refused_once_until_the_missing_frame_comes():
    bench = Bench()

    async def script(ctx):
        frames = [bench.session.data(seq, wire.run(wire.ACCUM, 0, 1 << seq)) for seq in range(4)]
        reply = await bench.one(ctx, frames[1])
        assert (reply.kind, reply.next) == (wire.NAK, 0)
        assert await bench.ask(ctx, frames[2], frames[3]) == []
        replies = await bench.ask(ctx, *frames)
        assert {reply.kind for reply in replies} == {wire.ACK}
        assert replies[-1].next == 4
        assert bench.table[0] == (0, 15)

    opened(bench, script)


def damaged(frame):
    """Frames that one fault on the way has made of `frame`, each with the error positions."""
    flipped = bytearray(frame)
    flipped[len(frame) // 2] ^= 0x10
    yield bytes(flipped), ()
    yield frame, (3,)
    yield frame[:5] + frame[6:], ()
    yield frame[:5] + b"\x55" + frame[5:], ()
    yield b"\xff" + frame[1:], ()
    yield b"\x01" * 300 + b"\0", ()


@pytest.mark.parametrize("fault", range(6))
def test_a_damaged_frame_is_refused_and_not_executed(fault):
    bench = Bench()

    async def script(ctx):
        frame = bench.session.data(0, wire.run(wire.ACCUM, 4, 0x1122334455667788))
        characters, errors = list(damaged(frame))[fault]
        await bench.send(ctx, characters, errors=errors)
        (reply,) = await bench.settle(ctx)
        assert (reply.kind, reply.next, reply.opcount) == (wire.NAK, 0, 0)
        assert bench.requests == 0
        reply = await bench.one(ctx, frame)
        assert (reply.kind, reply.next, reply.opcount) == (wire.ACK, 1, 1)

    opened(bench, script)


def test_a_false_delimiter_ends_the_frame_and_nothing_of_it_is_executed():
    bench = Bench()

    async def script(ctx):
        frame = bench.session.data(0, wire.run(wire.ACCUM, 4, 0x1122334455667788))
        replies = await bench.ask(ctx, frame[:9] + b"\0" + frame[9:])
        assert [reply.kind for reply in replies] == [wire.NAK]
        assert bench.requests == 0

    opened(bench, script)


def test_a_frame_of_another_session_is_not_executed():
    bench = Bench()

    async def script(ctx):
        reply = await bench.one(ctx, Session(key=77).data(0, wire.run(wire.LOAD, 0, 1)))
        assert (reply.kind, reply.next) == (wire.NAK, 0)
        assert bench.requests == 0

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


def test_a_kept_reply_outlives_a_latched_fault_and_shows_it():
    bench = Bench()

    async def script(ctx):
        swap = bench.session.data(1, wire.run(wire.SWAP_TO, 0, 1))
        await bench.one(ctx, bench.session.data(0, wire.run(wire.LOAD, 0, 42)))
        await bench.one(ctx, swap)
        await bench.one(ctx, bench.session.data(2, wire.run(wire.LOAD, 99, 1)))
        reply = await bench.one(ctx, swap)
        assert (reply.kind, reply.fault, reply.next, reply.values()) == (wire.VALUES, 2, 2, [42])

    opened(bench, script)


def test_open_again_is_harmless_until_a_frame_was_executed_and_refused_after():
    bench = Bench()

    async def script(ctx):
        reply = await bench.one(ctx, bench.session.open())
        assert (reply.kind, reply.payload) == (wire.OPENED, bench.session.nonce)
        await bench.one(ctx, bench.session.data(0))
        reply = await bench.one(ctx, bench.session.open())
        assert (reply.kind, reply.next, reply.session) == (wire.OPEN_REFUSED, 1, False)
        assert reply.payload == bench.session.nonce
        reply = await bench.one(ctx, bench.session.data(1, wire.run(wire.LOAD, 0, 1)))
        assert (reply.kind, reply.next, reply.opcount) == (wire.ACK, 2, 1)

    opened(bench, script)


def test_a_new_session_keeps_the_contexts_and_forgets_the_replies():
    bench = Bench()

    async def script(ctx):
        old = bench.session.data(0, wire.run(wire.SWAP_TO, 3, 5))
        await bench.one(ctx, old)
        bench.session = Session(key=5)
        await bench.one(ctx, bench.session.open())
        reply = await bench.one(ctx, old)
        assert (reply.kind, reply.next) == (wire.NAK, 0)
        reply = await bench.one(ctx, bench.session.data(0, wire.run(wire.READ, 3, count=1)))
        assert reply.values() == [5]

    opened(bench, script)


def test_a_session_runs_on_over_the_wrap_of_its_sequence_numbers():
    bench = Bench()

    async def script(ctx):
        ctx.set(bench.dut._executor.next, 0xFFFE)
        for seq in (0xFFFE, 0xFFFF, 0, 1):
            frame = bench.session.data(seq, wire.run(wire.ACCUM, 0, seq + 1))
            for _ in range(2):
                reply = await bench.one(ctx, frame)
                assert (reply.kind, reply.next) == (wire.ACK, seq + 1 & 0xFFFF)
        assert bench.table[0] == (0, 0xFFFF ^ 0x10000 ^ 1 ^ 2)

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


def test_frames_that_arrive_at_once_are_stored_and_executed_in_order():
    bench = Bench(seed=3)

    async def script(ctx):
        expected, frames = 0, []
        for seq in range(12):
            deltas = [bench.random.getrandbits(64) for _ in range(bench.random.randrange(1, 8))]
            for delta in deltas:
                expected ^= delta
            frames.append(bench.session.data(seq, wire.run(wire.ACCUM, 1, *deltas)))
        replies = await bench.ask(ctx, *frames)
        assert replies[-1].next == 12
        assert bench.table[1] == (0, expected)

    opened(bench, script)


@pytest.mark.parametrize("sender_cycles", [1, 5, 23])
def test_next_and_opcount_belong_together_also_in_replies_begun_while_a_frame_is_executed(
    sender_cycles,
):
    bench = Bench(seed=sender_cycles, sender_cycles=sender_cycles)

    async def script(ctx):
        counts, frames = [0], []
        for seq in range(20):
            count = bench.random.randint(1, 32)
            counts.append(counts[-1] + count)
            frames.append(bench.session.data(seq, wire.run(wire.ACCUM, 1, *range(count))))
            frames.append(wire.info_frame(0xFF00 + seq))
        replies = await bench.ask(ctx, *frames)
        acks = [reply for reply in replies if reply.kind == wire.ACK]
        assert len(acks) > 3
        assert [reply.opcount for reply in acks] == [counts[reply.next] for reply in acks]
        assert {reply.opcount for reply in replies} <= set(counts)

    opened(bench, script)


def test_what_arrives_while_the_table_is_cleared_is_stored_or_refused_but_never_half_done():
    bench = Bench()

    async def script(ctx):
        frames = [
            bench.session.data(0, wire.run(wire.CLEAR, 0, count=1)),
            *(
                bench.session.data(seq, wire.run(wire.ACCUM, 0, *[1 << seq] * 9))
                for seq in range(1, 9)
            ),
        ]
        bench.stalled = True
        for frame in frames:
            await bench.send(ctx, frame)
        assert bench.requests == 0
        bench.stalled = False
        last = (await bench.settle(ctx))[-1]
        assert 1 < last.next < 9
        replies = await bench.ask(ctx, *frames[last.next :])
        assert replies[-1].next == 9
        assert bench.table[0] == (0, sum(1 << seq for seq in range(1, 9)))

    opened(bench, script)


def test_a_frame_waits_while_the_slot_of_its_reply_is_being_sent():
    bench = Bench(reply_slots=1, sender_cycles=40)

    async def script(ctx):
        await bench.ask(ctx, bench.session.data(0, wire.run(wire.LOAD, 0, *range(16))))
        replies = await bench.ask(
            ctx, *(bench.session.data(seq, wire.run(wire.READ, 0, count=16)) for seq in (1, 2))
        )
        assert [reply.next for reply in replies] == [2, 3]
        assert all(reply.values() == list(range(16)) for reply in replies)

    opened(bench, script)


def test_an_open_waits_until_the_replies_of_the_session_before_are_sent():
    bench = Bench(sender_cycles=40)

    async def script(ctx):
        old, new = bench.session, Session(key=1234)
        await bench.send(ctx, old.data(0, wire.run(wire.READ, 0, count=16)))
        await bench.send(ctx, new.open())
        await ctx.tick().repeat(8)
        bench.session = old
        frames = []
        while len(frames) < 2:
            await ctx.tick()
            frames, keep = bench.replies[:2], bench.replies
            bench.replies = keep
        assert old.decode(frames[0]).values() == [0] * 16
        assert new.decode(frames[1]).kind == wire.OPENED

    opened(bench, script)


@pytest.mark.parametrize("seed", range(3))
def test_random_traffic_with_losses_ends_as_the_model_does(seed):
    bench = Bench(depth=4, seed=seed, gap=8, sender_cycles=1 + 3 * seed)
    rng = random.Random(1000 + seed)
    model = [[0, 0] for _ in range(4)]

    def random_run(last):
        ops = [wire.ACCUM, wire.LOAD, wire.ACCUM_EACH]
        if last:
            ops += [wire.READ, wire.PEEK, wire.SWAP, wire.SWAP_TO]
        op = rng.choice(ops)
        address = rng.randrange(4)
        count = rng.randint(1, 4 - address)
        values = []
        operands = [rng.getrandbits(64) for _ in range(count)]
        for n in range(count):
            word = model[address + (n if op != wire.ACCUM else 0)]
            state = word[0] ^ word[1]
            if op in (wire.ACCUM, wire.ACCUM_EACH):
                word[1] ^= operands[n]
            elif op in (wire.LOAD, wire.SWAP_TO):
                word[:] = operands[n], 0
            elif op == wire.SWAP:
                word[:] = state, 0
            if op == wire.PEEK:
                values += [state, word[1]]
            elif op in (wire.READ, wire.SWAP, wire.SWAP_TO):
                values.append(state)
        if op in (wire.READ, wire.PEEK, wire.SWAP):
            return wire.run(op, address, count=count), values
        return wire.run(op, address, *operands), values

    async def script(ctx):
        for seq in range(40):
            runs, values = [], []
            for n in range(rng.randint(1, 3)):
                if not values:
                    made, values = random_run(n == 2)
                    runs.append(made)
            frame = bench.session.data(seq, *runs)
            while True:
                sent = bytearray(frame)
                if rng.random() < 0.3:
                    sent[rng.randrange(len(sent))] ^= 1 << rng.randrange(8)
                await bench.send(ctx, b"\0" + sent)
                replies = await bench.settle(ctx)
                if rng.random() < 0.3:
                    continue
                done = [reply for reply in replies if reply.next == seq + 1 & 0xFFFF]
                if values:
                    done = [reply for reply in done if reply.kind == wire.VALUES]
                if done:
                    assert done[-1].values() == values
                    break
        assert bench.table == [tuple(word) for word in model]

    opened(bench, script, deadline=400_000)


def test_cobs_package_and_wire_helper_agree_on_the_delimiter():
    assert cobs.decode(wire.stuff(b"a\0b")[:-1]) == b"a\0b"
