"""Where in the source a part of a netlist comes from, without the paths of this machine."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

__all__ = ["Locator", "portable_locations"]

_ATTRIBUTE = re.compile(r'(attribute \\src ")([^"\n]*)(")')
_LINE = re.compile(r"(.*):(\d+)(?:\.\d+)?(?:-\d+(?:\.\d+)?)?$")

#: Packages whose files are named from the package on; of all others the file's name has to do.
_PACKAGES = ("atomik_hdl", "atomik_boards", "amaranth", "amaranth_boards")
#: Lines that tell nothing of the design: of the tools' own cells, and of Python's ``with``.
_NOT_OWN = ("/share/", "contextlib.py")
#: How synthesis goes on behind the name of a signal where it names the signal's register.
_REGISTER = re.compile(r"_(?:SB_DFF|TRELLIS_FF).*")


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


class Locator:
    """Which line of the source a net or a cell of a netlist is from.

    What synthesis makes has no line of its own, but the name of the signal that it came upon first:
    ``device.table.word_SB_LUT4_I1_O`` is at the line of ``device.table.word``.

    Parameters
    ----------
    netlist : mapping
        What yosys wrote: its module ``top``.
    """

    def __init__(self, netlist: Mapping[str, Any]) -> None:
        top = netlist["modules"]["top"]
        self._places: dict[str, tuple[str, ...]] = {}
        files: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for entries in (top.get("netnames", {}), top["cells"]):
            for name, entry in entries.items():
                attributes = entry.get("attributes", {})
                own = _own(attributes.get("src", ""))
                if own:
                    # A register's line stands in for that of a signal that has none.
                    for known in (name, _REGISTER.sub("", name)):
                        self._places.setdefault(known, own)
                    # Names that synthesis made up are of a component in name only.
                    if "hdlname" in attributes:
                        files[name.rpartition(".")[0]][own[0].partition(":")[0]] += 1
        self._files = {scope: counts.most_common(1)[0][0] for scope, counts in files.items()}

    def find(self, name: str) -> tuple[str, ...]:
        """Return ``file:line`` of what ``name`` is, or is named after.

        The file alone of the component that it is in, if there is no such line; nothing, if there
        is no such file.
        """
        known = re.sub(r"\[\d+\]$", "", name)
        while known:
            places = self._places.get(known)
            if places is not None:
                return places
            cut = max(known.rfind("_"), known.rfind("."))
            known = known[:cut] if cut > 0 else ""
        scope = name
        while scope:
            scope = scope.rpartition(".")[0]
            if scope in self._files:
                return (self._files[scope],)
        return ()


def _own(source: str) -> tuple[str, ...]:
    """Return the design's own lines among those that a netlist names."""
    places = [place for place in source.split("|") if place and not place.startswith(_NOT_OWN)]
    return tuple(dict.fromkeys(map(_shortened, places)))
