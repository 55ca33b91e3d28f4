"""Where in the source a part of a netlist comes from, without the paths of this machine."""

from __future__ import annotations

import re
from pathlib import PurePosixPath, PureWindowsPath

__all__ = ["portable_locations", "readable_sources"]

_ATTRIBUTE = re.compile(r'(attribute \\src ")([^"\n]*)(")')
_LINE = re.compile(r"(.*):(\d+)(?:\.\d+)?(?:-\d+(?:\.\d+)?)?$")

#: Packages whose files are named from the package on; of all others the file's name has to do.
_PACKAGES = ("atomik_hdl", "atomik_boards", "amaranth", "amaranth_boards")
#: Where the tools keep the netlists of their own cells: those lines tell nothing of the design.
_TOOLS = "/share/"


def portable_locations(rtlil: str) -> str:
    """Return a netlist in which each source location is the same on every machine.

    Parameters
    ----------
    rtlil : str
        As Amaranth writes it: locations are absolute paths and a line.
    """

    def shorten(match: re.Match[str]) -> str:
        before, places, after = match.groups()
        return before + "|".join(_shortened(place) for place in places.split("|")) + after

    return _ATTRIBUTE.sub(shorten, rtlil)


def _shortened(place: str) -> str:
    match = _LINE.match(place)
    path, line = match.groups() if match else (place, "")
    parts = PureWindowsPath(path).parts if "\\" in path else PurePosixPath(path).parts
    for depth in range(len(parts) - 1, -1, -1):
        if parts[depth] in _PACKAGES:
            short = "/".join(parts[depth:])
            break
    else:
        short = parts[-1] if parts else path
    return f"{short}:{line}" if line else short


def readable_sources(sources: list[str]) -> list[str]:
    """Return the design's own lines among what place and route names, each once, in order."""
    own = [place for place in sources if not place.startswith(_TOOLS)]
    return list(dict.fromkeys(_shortened(place) for place in own))
