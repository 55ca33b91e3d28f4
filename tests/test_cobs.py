"""The COBS decoder against the cobs package."""

from __future__ import annotations

import random

import pytest
from cobs import cobs

from atomik_hdl.link.cobs import CobsDecoder

from .simulate import simulate


def decode(characters, *, errors=(), gaps=0):
    """What the decoder makes of `characters`: (content, good, empty) a frame."""
    dut = CobsDecoder()
    rng = random.Random(len(characters))
    frames, content = [], bytearray()

    async def bench(ctx):
        for position, byte in enumerate(characters):
            ctx.set(dut.i.payload, {"data": byte, "error": position in errors})
            ctx.set(dut.i.valid, 1)
            _, _, valid, token = await ctx.tick().sample(dut.o.valid, dut.o.payload)
            ctx.set(dut.i.valid, 0)
            for _ in range(rng.randint(0, gaps)):
                assert not ctx.get(dut.o.valid)
                await ctx.tick()
            if valid and token.end:
                frames.append((bytes(content), token.good, token.empty))
                content.clear()
            elif valid:
                content.append(token.data)

    simulate(dut, bench, deadline=40_000)
    return frames


def contents():
    rng = random.Random(1)
    yield from (b"", b"\0", b"\0\0", b"a", b"a\0", b"\0a", bytes(range(256)), b"\0" * 300)
    for length in (253, 254, 255, 508, 509):
        yield b"x" * length
        yield b"x" * length + b"\0"
    for _ in range(20):
        yield bytes(
            rng.choice((0, 0, 1, 255, rng.randrange(256))) for _ in range(rng.randrange(40))
        )


def test_every_frame_decodes_as_the_cobs_package_encoded_it():
    sent = list(contents())
    frames = decode(b"".join(cobs.encode(content) + b"\0" for content in sent))
    assert frames == [(content, 1, 0) for content in sent]


def test_frames_may_come_with_any_gap():
    sent = [b"one\0two", b"", b"three"]
    frames = decode(b"".join(cobs.encode(content) + b"\0" for content in sent), gaps=5)
    assert frames == [(content, 1, 0) for content in sent]


def test_nothing_between_two_delimiters_is_an_empty_frame():
    assert decode(b"\0\0\x01\0") == [(b"", 1, 1), (b"", 1, 1), (b"", 1, 0)]


@pytest.mark.parametrize("characters", [b"\x03a\0", b"\x02\0", b"\xffabc\0"])
def test_a_code_past_the_end_of_its_frame_is_not_good(characters):
    frames = decode(characters + cobs.encode(b"next") + b"\0")
    assert [good for _, good, _ in frames] == [0, 1]
    assert frames[1][0] == b"next"


@pytest.mark.parametrize("position", range(6))
def test_a_faulty_character_spoils_its_own_frame_only(position):
    frame = cobs.encode(b"abcde") + b"\0"
    frames = decode(frame + frame, errors={position})
    assert [good for _, good, _ in frames] == [0, 1]
    assert frames[1] == (b"abcde", 1, 0)
