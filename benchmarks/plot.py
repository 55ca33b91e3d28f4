"""Line charts on logarithmic axes as SVG, readable on light and dark pages alike."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Panel", "draw"]

_WIDTH, _PLOT, _LEFT, _TOP, _BOTTOM, _GAP = 860, 500, 74, 46, 44, 26
_LABEL = 15
_COLOURS = 8

_STYLE = """
svg{font:12px system-ui,sans-serif}
.page{fill:#fff}.title{fill:#1f2328;font-weight:600;font-size:14px}
.tick{fill:#59636e}.grid{stroke:#d1d9e0}.line{fill:none;stroke-width:2}
.label{font-size:12px}
.c0{stroke:#b3261e}.c1{stroke:#9a6700}.c2{stroke:#6e40c9}.c3{stroke:#0b57d0}
.c4{stroke:#0f7b6c}.c5{stroke:#1a7f37}.c6{stroke:#bf3989}.c7{stroke:#57606a}
.f0{fill:#b3261e}.f1{fill:#9a6700}.f2{fill:#6e40c9}.f3{fill:#0b57d0}
.f4{fill:#0f7b6c}.f5{fill:#1a7f37}.f6{fill:#bf3989}.f7{fill:#57606a}
@media (prefers-color-scheme:dark){
.page{fill:#0d1117}.title{fill:#e6edf3}.tick{fill:#9198a1}.grid{stroke:#30363d}
.c0{stroke:#ff8a80}.c1{stroke:#e3b341}.c2{stroke:#bc8cff}.c3{stroke:#79b8ff}
.c4{stroke:#56d4c0}.c5{stroke:#7ee787}.c6{stroke:#ff9bce}.c7{stroke:#afb8c1}
.f0{fill:#ff8a80}.f1{fill:#e3b341}.f2{fill:#bc8cff}.f3{fill:#79b8ff}
.f4{fill:#56d4c0}.f5{fill:#7ee787}.f6{fill:#ff9bce}.f7{fill:#afb8c1}}
"""


@dataclass(frozen=True)
class Panel:
    """One chart: its title, the axes' names, its height, and points by the name of their line.

    All values are positive. There are up to eight lines, and as many colours, which go by the order
    of the lines unless `colours` has their numbers.
    """

    title: str
    across: str
    up: str
    lines: Mapping[str, Sequence[tuple[float, float]]]
    height: int = 330
    #: Writes a value of the vertical axis.
    units: tuple[tuple[float, str], ...] = ((1.0, ""),)
    colours: tuple[int, ...] = tuple(range(_COLOURS))


def draw(panels: Sequence[Panel], title: str) -> str:
    """Return panels, one below the other, as a document of SVG.

    Raises
    ------
    ValueError
        If a panel has no line or more than eight, or a value that has no logarithm.
    """
    height = sum(panel.height + _TOP + _BOTTOM + _GAP for panel in panels)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'width="{_WIDTH}" height="{height}" role="img">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style>",
        f'<rect class="page" width="{_WIDTH}" height="{height}" rx="6"/>',
    ]
    top = 0
    for panel in panels:
        parts += _panel(panel, top)
        top += panel.height + _TOP + _BOTTOM + _GAP
    return "\n".join([*parts, "</svg>", ""])


def _panel(panel: Panel, top: int) -> list[str]:
    if not 0 < len(panel.lines) <= _COLOURS:
        raise ValueError(f"A panel has 1 to {_COLOURS} lines, not {len(panel.lines)}")
    points = [point for line in panel.lines.values() for point in line]
    if any(value <= 0 for point in points for value in point):
        raise ValueError("A logarithmic axis has positive values only")
    first, last = _decades([x for x, _ in points])
    low, high = _decades([y for _, y in points])

    def across(x: float) -> float:
        return _LEFT + _PLOT * (math.log10(x) - first) / (last - first)

    def up(y: float) -> float:
        return top + _TOP + panel.height * (high - math.log10(y)) / (high - low)

    parts = [f'<text class="title" x="14" y="{top + 24}">{escape(panel.title)}</text>']
    for decade in range(low, high + 1):
        y = up(10.0**decade)
        parts.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{_LEFT + _PLOT}"/>')
        text = escape(_value(10.0**decade, panel.units))
        parts.append(
            f'<text class="tick" x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{text}</text>'
        )
    bottom = top + _TOP + panel.height
    for decade in range(first, last + 1):
        x = across(10.0**decade)
        parts.append(f'<path class="grid" d="M{x:.1f} {top + _TOP}V{bottom}"/>')
        parts.append(
            f'<text class="tick" x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">'
            f"{10**decade:,}</text>"
        )
    parts.append(
        f'<text class="tick" x="{_LEFT + _PLOT / 2}" y="{bottom + 36}" text-anchor="middle">'
        f"{escape(panel.across)}</text>"
    )
    parts.append(f'<text class="tick" x="14" y="{top + _TOP - 8}">{escape(panel.up)}</text>')
    ends = {name: up(line[-1][1]) for name, line in panel.lines.items()}
    places = _apart(ends)
    for number, (name, line) in zip(panel.colours, panel.lines.items(), strict=False):
        path = "L".join(f"{across(x):.1f} {up(y):.1f}" for x, y in line)
        parts.append(f'<path class="line c{number}" d="M{path}"/>')
        parts += [
            f'<circle class="f{number}" cx="{across(x):.1f}" cy="{up(y):.1f}" r="2.5"/>'
            for x, y in line
        ]
        end, place = ends[name], places[name]
        edge = across(line[-1][0])
        parts.append(
            f'<path class="c{number}" fill="none" d="M{edge + 5:.1f} {end:.1f}'
            f'L{_LEFT + _PLOT + 18} {place:.1f}"/>'
        )
        text = f"{name}: {_value(line[-1][1], panel.units)}"
        parts.append(
            f'<text class="label f{number}" x="{_LEFT + _PLOT + 22}" y="{place + 4:.1f}">'
            f"{escape(text)}</text>"
        )
    return parts


def _decades(values: Sequence[float]) -> tuple[int, int]:
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def _apart(ends: Mapping[str, float]) -> dict[str, float]:
    """Return where labels go: near their lines' ends, and not on each other."""
    places: dict[str, float] = {}
    ordered = sorted(ends, key=lambda name: ends[name])
    for name in ordered:
        before = max(places.values(), default=-math.inf)
        places[name] = max(ends[name], before + _LABEL)
    # Back up where the last ones were pushed further than the first ones have room above them.
    below = math.inf
    for name in reversed(ordered):
        places[name] = min(places[name], below - _LABEL, max(ends[name], places[name] - _LABEL))
        below = places[name]
    return places


def _value(value: float, units: tuple[tuple[float, str], ...]) -> str:
    for scale, unit in units:
        if value >= scale:
            return f"{value / scale:.3g} {unit}".rstrip()
    scale, unit = units[-1]
    return f"{value / scale:.3g} {unit}".rstrip()
