"""The serial line of a simulated board, a level at a time."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from atomik_sim.pins import (
    BREAK,
    CHARACTER_BITS,
    IDLE,
    LineError,
    LineReceiver,
    LineTiming,
    character,
)

RATES = [
    (12_000_000, 3_000_000),
    (12_000_000, 1_000_000),
    (12_000_000, 115_200),
    (25_000_000, 3_000_000),
]


def levels_of(characters: Iterable[int], clock_frequency: int, baud: int) -> list[int]:
    timing = LineTiming(clock_frequency, baud)
    return [
        levels >> bit & 1
        for levels in characters
        for bit in range(CHARACTER_BITS)
        for _ in range(timing.next_bit())
    ]


def received(receiver: LineReceiver, levels: Iterable[int]) -> bytes:
    return bytes(byte for level in levels if (byte := receiver.clock(level)) is not None)


def test_a_character_is_start_bit_data_from_the_least_bit_up_and_stop_bit() -> None:
    levels = character(0b0100_1101)
    assert [levels >> bit & 1 for bit in range(CHARACTER_BITS)] == [0, 1, 0, 1, 1, 0, 0, 1, 0, 1]


@pytest.mark.parametrize(("clock_frequency", "baud"), RATES)
def test_driven_bits_are_as_long_as_the_rate_says_in_the_long_run(
    clock_frequency: int, baud: int
) -> None:
    timing = LineTiming(clock_frequency, baud)
    bits = [timing.next_bit() for _ in range(baud // 100)]
    assert sum(bits) == clock_frequency // 100
    assert max(bits) - min(bits) <= 1


@pytest.mark.parametrize(("clock_frequency", "baud"), RATES)
def test_each_byte_that_is_driven_is_received(clock_frequency: int, baud: int) -> None:
    data = bytes(range(0, 256, 5)) + b"\x00\xff\x55\xaa"
    receiver = LineReceiver(clock_frequency, baud)
    levels = levels_of([*map(character, data), IDLE], clock_frequency, baud)
    assert received(receiver, levels) == data
    assert receiver.bits == CHARACTER_BITS * len(data)
    assert not receiver.receiving


def test_a_line_at_rest_gives_nothing() -> None:
    receiver = LineReceiver(12_000_000, 3_000_000)
    assert received(receiver, [1] * 1000) == b""
    assert receiver.bits == 0


def test_a_low_line_that_is_high_again_at_the_centre_of_the_bit_is_no_start() -> None:
    receiver = LineReceiver(12_000_000, 1_000_000)
    glitch = [1] * 5 + [0] * 5 + [1] * 30
    after = levels_of([character(0x3C), IDLE], 12_000_000, 1_000_000)
    assert received(receiver, glitch + after) == b"\x3c"


def test_a_character_without_a_stop_bit_is_an_error() -> None:
    receiver = LineReceiver(12_000_000, 3_000_000)
    with pytest.raises(LineError) as raised:
        received(receiver, levels_of([character(0x81) & ~(1 << 9)], 12_000_000, 3_000_000))
    assert str(raised.value) == (
        "The simulated device sent a character without a stop bit: 0100000010, stop bit first; "
        "its transmitter is broken"
    )


def test_a_break_is_an_error() -> None:
    receiver = LineReceiver(12_000_000, 3_000_000)
    with pytest.raises(LineError):
        received(receiver, levels_of([IDLE, BREAK], 12_000_000, 3_000_000))
