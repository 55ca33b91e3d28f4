"""Which C++ compiler there is."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from importlib.util import find_spec

from atomik_fpga.errors import AtomikError

__all__ = ["Compiler", "NoCompilerError", "find_compiler"]

#: Names that are looked for on the path, in this order.
_NAMES = ("c++", "g++", "clang++")


class NoCompilerError(AtomikError, OSError):
    """There is no C++ compiler here."""


@dataclass(frozen=True, slots=True)
class Compiler:
    """A C++ compiler with the command line of GCC and Clang.

    Attributes
    ----------
    command : tuple of str
        Program, and arguments that come first.
    identity : str
        What tells it from other compilers: its own words, version included.
    linker : tuple of str
        Likewise, for a compiler that comes without a C++ library to link with and would have to
        build it, which takes minutes: links C alone. Empty where ``command`` links.
    """

    command: tuple[str, ...]
    identity: str
    linker: tuple[str, ...] = ()

    @property
    def version(self) -> str:
        """The first line of its own words."""
        return self.identity.partition("\n")[0]


def find_compiler() -> Compiler:
    """Return the compiler to use.

    That is ``CXX`` if it is set, else the first of c++, g++ and clang++ on the path that runs, else
    the one of the package ziglang, if that is installed.

    Raises
    ------
    NoCompilerError
        If there is none, or ``CXX`` is no command line or names one that does not run.
    """
    named = os.environ.get("CXX", "").strip()
    if named:
        try:
            words = shlex.split(named, posix=os.name == "posix")
        except ValueError as error:
            raise NoCompilerError(f"CXX={named!r} is no command line: {error}") from error
        program = shutil.which(words[0])
        if program is None:
            raise NoCompilerError(f"CXX={named!r} names no program on the path")
        return _asked(program, *words[1:])
    failure: NoCompilerError | None = None
    for name in _NAMES:
        program = shutil.which(name)
        if program is not None:
            try:
                return _asked(program)
            except NoCompilerError as error:
                # macOS has programs of these names that only say how to install a compiler.
                failure = failure or error
    if find_spec("ziglang") is not None:
        return _of_ziglang()
    if failure is not None:
        raise failure
    raise NoCompilerError(
        "there is no C++ compiler. CXX is not set, c++, g++ and clang++ are not on the path, and "
        "the package ziglang is not installed: pip install ziglang"
    )


def _of_ziglang() -> Compiler:
    """Return the compiler of the package ziglang, which is not asked: that takes longer than all
    else there is to do.
    """
    # It builds for this very processor unless told, and a cache may move to another one.
    program, options = (sys.executable, "-m", "ziglang"), ("-mcpu=baseline",)
    return Compiler(
        (*program, "c++", *options),
        f"ziglang {metadata.version('ziglang')}",
        (*program, "cc", *options),
    )


@cache
def _asked(*command: str) -> Compiler:
    try:
        answer = subprocess.run(
            [*command, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=True,
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise NoCompilerError(f"the C++ compiler {shlex.join(command)} fails: {error}") from error
    return Compiler(command, f"{answer.stdout.strip()}\n{shlex.join(command)}")
