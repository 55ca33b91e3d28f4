"""The line and the far receiver of the UART's benchmark."""

from __future__ import annotations

import pytest

from benchmarks.uart import RATIOS, hear, line


def test_a_line_changes_at_the_fractional_times_of_its_bits() -> None:
    # 0x0F from the start: 0 1111 0000 1, then a second character right behind it.
    assert line([0x0F, 0xFF], 2.5, 10.0).tolist() == [10.0, 12.5, 22.5, 32.5, 35.0, 37.5]


@pytest.mark.parametrize("bit", [1.0, 8.33, 104.17])
def test_the_far_receiver_hears_what_is_on_the_line(bit: float) -> None:
    characters = [0x00, 0xFF, 0x55, 0xAA, 0x80, 0x01]
    assert hear(line(characters, bit, 3.0).tolist(), bit) == characters


@pytest.mark.parametrize(("off", "right"), [(0.0499, True), (0.0501, False)])
def test_the_far_receiver_bears_half_a_bit_in_nine_and_a_half(off: float, right: bool) -> None:
    # A receiver that is slower by this looks at the stop bit when it is just over.
    edges = line([0x00, 0x00, 0x00], 1.0, 0.0).tolist()
    assert (hear(edges, 1 / (1 - off)) == [0x00, 0x00, 0x00]) is right


def test_a_glitch_is_nothing_and_a_break_one_error_to_the_far_receiver() -> None:
    glitch = [0.0, 0.4]
    assert hear([*glitch, *line([0x5A], 1.0, 3.0)], 1.0) == [0x5A]
    a_break = [0.0, 37.0]
    assert hear([*a_break, *line([0x5A], 1.0, 40.0)], 1.0) == [256, 0x5A]


def test_the_demands_are_those_of_8_and_16_clocks_a_bit() -> None:
    demands = {ratio.name: target for ratio, target in RATIOS}
    assert list(demands) == ["4", "5", "8", "8.33", "12", "16", "104.17"]
    assert (demands["8"], demands["8.33"], demands["16"]) == (3.5, 3.5, 4.5)
