"""The charts of the benchmarks: points where their values belong, labels that don't overlap."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from itertools import pairwise

import pytest

from benchmarks.plot import Panel, draw

SVG = "{http://www.w3.org/2000/svg}"


def circles(text: str) -> list[tuple[float, float]]:
    root = ElementTree.fromstring(text)
    return [(float(it.get("cx", "")), float(it.get("cy", ""))) for it in root.iter(f"{SVG}circle")]


def test_equal_factors_are_equal_distances_on_both_axes() -> None:
    line = [(10.0, 1.0), (100.0, 10.0), (10_000.0, 1_000.0)]
    first, second, third = circles(draw([Panel("t", "x", "y", {"a": line})], "Title"))
    assert third[0] - second[0] == pytest.approx(2 * (second[0] - first[0]), abs=0.2)
    assert second[1] - third[1] == pytest.approx(2 * (first[1] - second[1]), abs=0.2)
    assert first[0] < second[0]
    assert first[1] > second[1]


def test_labels_of_lines_that_end_together_are_apart_and_have_units() -> None:
    lines = {f"line {n}": [(1.0, 1.0), (10.0, 2e-6 + n * 1e-9)] for n in range(8)}
    units = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))
    text = draw([Panel("t", "x", "y", lines, units=units)], "<Title>")
    places = [float(it) for it in re.findall(r'class="label f\d" x="[\d.]+" y="([\d.]+)"', text)]
    assert len(places) == 8
    gaps = sorted(places)
    assert min(b - a for a, b in pairwise(gaps)) >= 14.9
    assert "line 7: 2.01 µs" in text
    assert "&lt;Title&gt;" in text


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ({}, "A panel has 1 to 8 lines, not 0"),
        ({str(n): [(1.0, 1.0)] for n in range(9)}, "A panel has 1 to 8 lines, not 9"),
        ({"a": [(0.0, 1.0)]}, "A logarithmic axis has positive values only"),
    ],
)
def test_what_can_not_be_drawn_is_refused(
    lines: dict[str, list[tuple[float, float]]], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        draw([Panel("t", "x", "y", lines)], "Title")
