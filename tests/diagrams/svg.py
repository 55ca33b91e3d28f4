"""Draws WaveJSON as SVG that is readable on light and dark pages alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

__all__ = ["draw"]

_CYCLE, _ROW, _GAP, _TOP, _NAMES, _MARGIN = 52, 30, 12, 58, 258, 14
_HIGH, _LOW, _EDGE = 4, 22, 4

_STYLE = """
svg{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:12px}
.page{fill:#fff}.title{fill:#1f2328;font:600 14px system-ui,sans-serif}
.name{fill:#1f2328;text-anchor:end}
.tick{fill:#59636e;text-anchor:middle;font-size:11px}.grid{stroke:#d1d9e0;stroke-dasharray:2 3}
.line{fill:none;stroke:#0b57d0;stroke-width:1.6}.clock{stroke:#59636e}
.box{fill:#dbe9ff;stroke:#0b57d0;stroke-width:1.4}
.text{fill:#0a2a5e;text-anchor:middle}.none{stroke:#afb8c1;stroke-width:1.4}
@media (prefers-color-scheme:dark){
.page{fill:#0d1117}.title,.name{fill:#e6edf3}.tick{fill:#9198a1}.grid{stroke:#30363d}.line{stroke:#79b8ff}
.clock{stroke:#9198a1}.box{fill:#12325c;stroke:#79b8ff}.text{fill:#e6edf3}.none{stroke:#484f58}}
"""


def draw(wave: Mapping[str, Any]) -> str:
    """Return the diagram as a document of SVG.

    Parameters
    ----------
    wave : mapping
        WaveJSON with lanes of ``p`` (the clock), ``0``, ``1``, ``=``, ``x`` and ``.``, and ``{}``
        for a gap.

    Raises
    ------
    ValueError
        If a lane has another character.
    """
    lanes: Sequence[Mapping[str, Any]] = wave["signal"]
    cycles = max(len(lane["wave"]) for lane in lanes if lane)
    height = _TOP + sum(_ROW if lane else _GAP for lane in lanes) + _MARGIN
    width = _NAMES + cycles * _CYCLE + 2 * _MARGIN
    title = escape(wave["head"]["text"])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img">',
        f"<title>{title}</title><style>{_STYLE}</style>",
        f'<rect class="page" width="{width}" height="{height}" rx="6"/>',
        f'<text class="title" x="{_MARGIN}" y="24">{title}</text>',
    ]
    left = _NAMES + _MARGIN
    for cycle in range(cycles + 1):
        x = left + cycle * _CYCLE
        parts.append(f'<path class="grid" d="M{x} {_TOP - 8}V{height - _MARGIN}"/>')
        if cycle < cycles:
            middle = x + _CYCLE // 2
            parts.append(f'<text class="tick" x="{middle}" y="{_TOP - 12}">{cycle}</text>')
    y = _TOP
    for lane in lanes:
        if not lane:
            y += _GAP
            continue
        name = escape(lane["name"])
        parts.append(f'<text class="name" x="{left - 12}" y="{y + 17}">{name}</text>')
        parts += _lane(lane["wave"], lane.get("data", ()), left, y)
        y += _ROW
    return "\n".join([*parts, "</svg>", ""])


def _lane(wave: str, data: Sequence[str], left: int, top: int) -> list[str]:
    high, low, middle = top + _HIGH, top + _LOW, top + (_HIGH + _LOW) // 2
    parts: list[str] = []
    texts = iter(data)
    path = ""
    kind = level = ""
    for cycle, character in enumerate(wave):
        kind = kind if character == "." else character
        x, right = left + cycle * _CYCLE, left + (cycle + 1) * _CYCLE
        if kind == "p":
            path += f"M{x} {low}V{high}H{x + _CYCLE // 2}V{low}H{right}"
        elif kind in ("0", "1"):
            y = high if kind == "1" else low
            path += f"L{x + _EDGE} {y}H{right}" if level in ("0", "1") else f"M{x} {y}H{right}"
        elif kind == "=" and character == "=":
            follow = wave[cycle + 1 :]
            right += _CYCLE * (len(follow) - len(follow.lstrip(".")))
            parts.append(
                f'<path class="box" d="M{x} {middle}L{x + _EDGE} {high}H{right - _EDGE}'
                f'L{right} {middle}L{right - _EDGE} {low}H{x + _EDGE}Z"/>'
                f'<text class="text" x="{(x + right) // 2}" y="{middle + 4}">'
                f"{escape(next(texts))}</text>"
            )
        elif kind == "x":
            parts.append(f'<path class="none" d="M{x} {middle}H{right}"/>')
        elif kind != "=":
            raise ValueError(f"{character!r} is no state that is drawn: give one of p01=x.")
        level = kind
    if path:
        parts.append(f'<path class="{"line clock" if "p" in wave else "line"}" d="{path}"/>')
    return parts
