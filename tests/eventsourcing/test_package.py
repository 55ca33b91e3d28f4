"""The subpackage's names: imported when asked for, and a clear error without the extra."""

from __future__ import annotations

import subprocess
import sys

import pytest

import atomik_fpga.eventsourcing as tools


def test_every_public_name_is_there() -> None:
    assert [name for name in tools.__all__ if getattr(tools, name).__name__ != name] == []
    assert set(tools.__all__) <= set(dir(tools))


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Leyout'"):
        _ = tools.Leyout


def test_without_the_extra_the_message_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['bitstruct'] = None\n"
        "import atomik_fpga.eventsourcing as tools\n"
        "print(tools.OverlapError.__name__)\n"
        "try: tools.Layout\n"
        "except ModuleNotFoundError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stderr, done.stdout.splitlines()) == (
        "",
        [
            "OverlapError",
            "Layout needs bitstruct, which is not installed: "
            'pip install "atomik-fpga[eventsourcing]"',
        ],
    )


def test_importing_the_package_imports_none_of_the_tools() -> None:
    program = (
        "import sys, atomik_fpga, atomik_fpga.eventsourcing\n"
        "heavy = 'bitstruct duckdb eventsourcing psycopg numpy'.split()\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stderr, done.stdout) == ("", "[]\n")
