"""The link's gateware: frames that arrive while others are executed or answered."""

import random

import pytest

from . import wire
from .link_bench import Bench, opened
from .wire import Session


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


@pytest.mark.parametrize("sender_cycles", [1, 23])
def test_next_and_opcount_belong_together_also_in_replies_begun_while_a_frame_is_executed(
    sender_cycles,
):
    bench = Bench(seed=sender_cycles, sender_cycles=sender_cycles)

    async def script(ctx):
        counts, frames = [0], []
        for seq in range(10):
            count = bench.random.randint(1, 32)
            counts.append(counts[-1] + count)
            frames.append(bench.session.data(seq, wire.run(wire.ACCUM, 1, *range(count))))
            frames.append(wire.info_frame(0xFF00 + seq))
        replies = await bench.ask(ctx, *frames)
        acks = [reply for reply in replies if reply.kind == wire.ACK]
        assert len(acks) > 1
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


@pytest.mark.parametrize("seed", range(2))
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
        for seq in range(16):
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
