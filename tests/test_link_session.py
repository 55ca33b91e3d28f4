"""The link's gateware: which frame of which session is executed, and what is answered."""

import pytest

from . import wire
from .link_bench import Bench, opened
from .wire import Session


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


@pytest.mark.parametrize("replies", [False, True])
def test_a_kept_reply_is_forgotten_when_a_frame_with_its_number_is_executed(replies):
    bench = Bench()

    async def script(ctx):
        read = bench.session.data(0, wire.run(wire.READ, 3, count=1))
        first = await bench.one(ctx, read)
        assert await bench.one(ctx, read) == first
        # As after 65,535 frames that did not reply.
        ctx.set(bench.dut._executor.next, 0)
        op = wire.run(wire.SWAP_TO, 3, 7) if replies else wire.run(wire.LOAD, 3, 7)
        frame = bench.session.data(0, op)
        done = await bench.one(ctx, frame)
        assert (done.kind, done.opcount) == (wire.VALUES if replies else wire.ACK, 2)
        assert await bench.ask(ctx, frame) == [done]

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
