"""The floorplan as a drawing: which part of the design is where, and the slowest path."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from html import escape

from .placement import PARTS, Placement

__all__ = ["COLOURS", "draw"]

#: Colours of the parts, told apart by those who see no red or green, by Okabe and Ito.
COLOURS = dict(
    zip(
        PARTS,
        ("#0072b2", "#56b4e9", "#009e73", "#e69f00", "#d55e00", "#cc79a7", "#f0e442", "#8c8c8c"),
        strict=True,
    )
)
#: How full a tile has to be for each strength of its colour, as a part of the fullest.
_STRENGTHS = ((2 / 3, 1.0), (1 / 3, 0.7), (0.0, 0.45))


def draw(placement: Placement, path: Sequence[tuple[int, int]]) -> str:
    """Return an SVG element.

    Parameters
    ----------
    placement : Placement
    path : sequence of tuple
        Tiles of the slowest path, in order.
    """
    columns, rows = placement.size
    fullest = max((sum(parts.values()) for parts in placement.tiles.values()), default=1)
    squares: defaultdict[tuple[str, float], list[str]] = defaultdict(list)
    frames = []
    for (column, row), parts in sorted(placement.tiles.items()):
        part = max(parts, key=lambda name: parts[name])
        share = sum(parts.values()) / fullest
        is_ram = (column, row) in placement.rams
        strength = 1.0 if is_ram else next(it for least, it in _STRENGTHS if share >= least)
        corner = f"M{column} {_height(placement, row)}"
        squares[part, strength].append(f"{corner}h.9v.9h-.9z")
        if is_ram:
            frames.append(f"{corner}h.9v.9h-.9z")
    lines = [
        f'<svg class="floorplan" viewBox="-1 -1 {columns + 2} {rows + 2}" role="img" '
        f'aria-label="{escape(_words(placement))}">',
        f'<rect class="die" x="-.5" y="-.5" width="{columns + 0.9}" height="{rows + 0.9}"/>',
    ]
    lines += [
        f'<path fill="{COLOURS[part]}" fill-opacity="{strength:g}" d="{"".join(corners)}"/>'
        for (part, strength), corners in sorted(squares.items())
    ]
    if frames:
        lines.append(f'<path class="ram" d="{"".join(frames)}"/>')
    if path:
        points = " ".join(
            f"{column + 0.45:g},{_height(placement, row) + 0.45:g}" for column, row in path
        )
        lines.append(f'<polyline class="path" points="{points}"/>')
    lines.append("</svg>")
    return "\n".join(lines)


def _height(placement: Placement, row: int) -> int:
    """Return how far from the top a row is drawn: the die as it is seen from above."""
    return row if placement.from_top else placement.size[1] - 1 - row


def _words(placement: Placement) -> str:
    columns, rows = placement.size
    return f"Floorplan: {len(placement.tiles)} tiles in use, of {columns} columns and {rows} rows"
