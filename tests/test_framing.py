"""COBS and the check field, against the ``cobs`` package and ``zlib``."""

from __future__ import annotations

import zlib

import pytest
from cobs import cobs
from hypothesis import example, given, settings
from hypothesis import strategies as st

from atomik_fpga.framing import (
    Deframer,
    FramingError,
    cobs_decode,
    cobs_encode,
    key_mask,
    seal,
    unseal,
)
from atomik_fpga.protocol import CRC_RESIDUE

keys = st.integers(1, 2**32 - 1)
#: Data with many zeros and long stretches without.
mixed = st.lists(
    st.one_of(st.binary(max_size=8), st.integers(1, 600).map(lambda n: b"\x01" * n)), max_size=6
).map(b"".join)


def shift_zeros(register: int, bits: int = 32) -> int:
    """Shift zeros through the reflected CRC-32 register, a bit at a time."""
    for _ in range(bits):
        register = register >> 1 ^ (0xEDB88320 if register & 1 else 0)
    return register


@settings(deadline=None)
@given(st.one_of(st.binary(max_size=700), mixed))
@example(b"")
@example(b"\0")
@example(b"\x01" * 253)
@example(b"\x01" * 254)
@example(b"\x01" * 254 + b"\0")
@example(b"\x01" * 255)
@example(b"\x01" * 508)
def test_encoding_is_that_of_the_cobs_package(data):
    assert cobs_encode(data) == cobs.encode(data)


@settings(deadline=None)
@given(st.one_of(st.binary(max_size=700), mixed))
def test_decoding_undoes_encoding(data):
    assert cobs_decode(cobs_encode(data)) == data


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_decoding_refuses_what_the_cobs_package_refuses(data):
    try:
        expected = cobs.decode(data) if data else None
    except cobs.DecodeError:
        expected = None
    if expected is None:
        with pytest.raises(FramingError):
            cobs_decode(data)
    else:
        assert cobs_decode(data) == expected


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "COBS data must hold at least one byte, none of them zero"),
        (b"\x02\0", "COBS data must hold at least one byte, none of them zero"),
        (b"\x05\x01\x02", "COBS data ends 2 bytes before its last block"),
    ],
)
def test_decoding_says_what_is_wrong(data, message):
    with pytest.raises(FramingError) as caught:
        cobs_decode(data)
    assert str(caught.value) == message


@settings(deadline=None)
@given(keys)
def test_mask_is_the_crc_register_after_32_zero_bits(key):
    assert key_mask(key) == shift_zeros(key)


@settings(deadline=None)
@given(st.binary(max_size=272), st.one_of(st.just(0), keys))
def test_one_crc_over_a_whole_frame_leaves_the_residue_xor_the_mask(content, key):
    whole = cobs.decode(seal(content, key)[:-1])
    register = zlib.crc32(whole) ^ 0xFFFFFFFF
    assert register ^ CRC_RESIDUE == shift_zeros(key)


@settings(deadline=None)
@given(st.binary(max_size=272), st.one_of(st.just(0), keys))
def test_unsealing_gives_content_and_key(content, key):
    frame = seal(content, key)
    assert frame.endswith(b"\0")
    assert 0 not in frame[:-1]
    assert unseal(frame[:-1]) == (content, key)


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=100), keys, st.data())
def test_a_flipped_bit_is_not_taken_for_the_same_session(content, key, data):
    body = bytearray(seal(content, key)[:-1])
    bit = data.draw(st.integers(0, 8 * len(body) - 1))
    body[bit // 8] ^= 1 << bit % 8
    try:
        _, difference = unseal(bytes(body))
    except FramingError:
        return
    assert difference != key


def test_a_frame_without_room_for_a_check_field_is_refused():
    with pytest.raises(FramingError) as caught:
        unseal(cobs.encode(b"abc"))
    assert str(caught.value) == "Frame must have at least 4 bytes, not 3"


@settings(deadline=None)
@given(st.lists(st.binary(max_size=20).map(lambda b: b.replace(b"\0", b"")), max_size=8), st.data())
def test_deframer_gives_the_frames_however_the_bytes_are_cut(bodies, data):
    line = b"".join(body + b"\0" for body in bodies)
    deframer = Deframer(20)
    frames = []
    while line:
        size = data.draw(st.integers(1, len(line)))
        frames += deframer.feed(line[:size])
        line = line[size:]
    assert frames == [body for body in bodies if body]


@pytest.mark.parametrize("cut", [1, 7, 1000])
def test_deframer_never_keeps_more_than_the_limit(cut):
    deframer = Deframer(10)
    for start in range(0, 1000, cut):
        assert deframer.feed(b"\x01" * min(cut, 1000 - start)) == []
    assert deframer.feed(b"\0\x02\x03\0") == [b"\x01" * 11, b"\x02\x03"]
