"""The paced lines of the link's benchmark."""

from __future__ import annotations

import pytest

from benchmarks.link import Paced, paced, read_ratio, theory


@pytest.mark.parametrize(
    ("baud", "latency", "accums"),
    [
        # 268 bytes of 10 bits carry 32 accumulates.
        (115_200, 0.001, 115_200 / 2680 * 32),
        (12_000_000, 0.016, 12_000_000 / 2680 * 32),
        # 128 frames, and then a wait of half a second for the first one's acknowledgement.
        (12_000_000, 0.5, 128 * 32 / (0.5 + (268 + 13) * 10 / 12_000_000)),
    ],
)
def test_theory_is_the_line_or_a_window_a_round_trip(
    baud: int, latency: float, accums: float
) -> None:
    assert theory(baud, latency) == pytest.approx(accums)


@pytest.mark.parametrize("latency", [0.001, 0.016])
def test_a_paced_line_is_filled_and_an_idle_one_read_at_once(latency: float) -> None:
    assert 95 < paced(1_000_000, latency, 200) < 101
    assert read_ratio(1_000_000, latency) == pytest.approx(1, abs=0.2)


def test_damage_hits_as_many_frames_as_it_says_both_ways_and_is_repaired() -> None:
    line = Paced(1_000_000, 0.001, damage=0.02)
    assert 0 < line.post(1000) < theory(1_000_000, 0.001)
    assert set(line.hits) == {"cobs@device", "cobs@host"}
    assert 10 <= line.hits["cobs@device"] <= 40
    assert 5 <= line.hits["cobs@host"] <= 40
