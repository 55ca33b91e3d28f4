"""Lines over a logarithmic axis, as SVG that is readable on light and dark pages alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import ceil, log2

__all__ = ["chart"]

_WIDTH, _HEIGHT = 820, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 258, 46, 56
_MARKS = 6
_LABEL_STEP = 15

#: Colours on white and on black, by number of the line's colour.
_COLOURS = (("#0b57d0", "#79b8ff"), ("#b3261e", "#ff8a80"), ("#1b6e3c", "#6fdd8b"))
_DASHES = ("", "7 4", "2 3")

_STYLE = """
svg{font:12px system-ui,sans-serif}.page{fill:#fff}
.title{fill:#1f2328;font-weight:600;font-size:14px}
.text{fill:#59636e}.grid{stroke:#d1d9e0}.line{fill:none;stroke-width:1.8}
"""


def chart(
    title: str,
    axes: tuple[str, str],
    lines: Mapping[str, Sequence[tuple[int, float]]],
    looks: Mapping[str, tuple[int, int]],
) -> str:
    """Return a document of SVG.

    Parameters
    ----------
    title : str
    axes : tuple of str
        What is counted along, by powers of two, and up, from 0.
    lines : mapping
        By name: points, in order.
    looks : mapping
        By name: number of the colour, 0 to 2, and of the dashes, 0 to 2.

    Raises
    ------
    ValueError
        If there are no points.
    """
    points = [point for line in lines.values() for point in line]
    if not points:
        raise ValueError(f"There is nothing to draw for {title!r}")
    first, last = (log2(edge(x for x, _y in points)) for edge in (min, max))
    top = _round_up(max(y for _x, y in points))

    def place(x: float, y: float) -> tuple[float, float]:
        along = (log2(x) - first) / (last - first or 1)
        return (
            _LEFT + along * (_WIDTH - _LEFT - _RIGHT),
            _HEIGHT - _BOTTOM - y / top * (_HEIGHT - _TOP - _BOTTOM),
        )

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'width="{_WIDTH}" height="{_HEIGHT}" role="img">',
        f"<title>{escape(title)}</title><style>{_STYLE}{_colours()}</style>",
        f'<rect class="page" width="{_WIDTH}" height="{_HEIGHT}" rx="6"/>',
        f'<text class="title" x="14" y="24">{escape(title)}</text>',
    ]
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    for mark in range(_MARKS + 1):
        value = top * mark / _MARKS
        _x, y = place(2**first, value)
        parts.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{right}"/>')
        parts.append(_text(_LEFT - 8, y + 4, f"{value:g}", "end"))
    for x in sorted({x for x, _y in points}):
        across, _y = place(x, 0)
        parts.append(f'<path class="grid" d="M{across:.1f} {_TOP}V{bottom}"/>')
        parts.append(_text(across, bottom + 18, f"{x:,}", "middle"))
    parts.append(_text((_LEFT + right) / 2, bottom + 40, axes[0], "middle"))
    parts.append(_text(_LEFT - 8, _TOP - 8, axes[1], "end"))

    for name, line in lines.items():
        colour, dash = looks[name]
        path = "L".join("{:.1f} {:.1f}".format(*place(*point)) for point in line)
        parts.append(
            f'<path class="line c{colour}" stroke-dasharray="{_DASHES[dash]}" d="M{path}"/>'
        )
        parts += [
            '<circle class="dot c{}" cx="{:.1f}" cy="{:.1f}" r="3"/>'.format(colour, *place(*point))
            for point in line
        ]
    parts += _legend(lines, looks)
    return "\n".join([*parts, "</svg>", ""])


def _legend(
    lines: Mapping[str, Sequence[tuple[int, float]]], looks: Mapping[str, tuple[int, int]]
) -> list[str]:
    parts = []
    left = _WIDTH - _RIGHT + 18
    for number, name in enumerate(lines):
        colour, dash = looks[name]
        y = _TOP + 8 + number * (_LABEL_STEP + 4)
        parts.append(
            f'<path class="line c{colour}" stroke-dasharray="{_DASHES[dash]}" '
            f'd="M{left} {y}H{left + 28}"/>'
        )
        parts.append(_text(left + 36, y + 4, name, "start"))
    return parts


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return (
        f'<text class="text" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
    )


def _colours() -> str:
    light = "".join(
        f".c{number}{{stroke:{on_white}}}.dot.c{number}{{fill:{on_white}}}"
        for number, (on_white, _on_black) in enumerate(_COLOURS)
    )
    dark = "".join(
        f".c{number}{{stroke:{on_black}}}.dot.c{number}{{fill:{on_black}}}"
        for number, (_on_white, on_black) in enumerate(_COLOURS)
    )
    return (
        f"{light}\n@media (prefers-color-scheme:dark){{.page{{fill:#0d1117}}.title{{fill:#e6edf3}}"
        f".text{{fill:#9198a1}}.grid{{stroke:#30363d}}{dark}}}\n"
    )


def _round_up(value: float) -> float:
    """Return a multiple of 60 or more, so that all marks are round numbers."""
    return 60.0 * ceil(value / 60)
