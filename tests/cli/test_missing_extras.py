"""The command where an extra is not installed."""

from __future__ import annotations

import subprocess
import sys

import pytest


def without(package: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command where ``package`` can't be imported."""
    program = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "from atomik_fpga.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True
    )


@pytest.mark.parametrize("package", ["amaranth", "amaranth_boards"])
def test_build_without_its_extra_says_what_to_install(package: str) -> None:
    done = without(package, "build", "icebreaker")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.splitlines()[-2:] == [
        f"atomik: `atomik build` needs {package}, which is not installed:",
        '        pip install "atomik-fpga[build]"   (in a clone: pip install -e ".[build]")',
    ]


def test_the_list_of_boards_without_its_extra_says_what_to_install() -> None:
    done = without("amaranth", "boards")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("atomik: `atomik boards` needs amaranth, which is not installed:")


@pytest.mark.parametrize("arguments", ["sim", "demo", "info --port sim://"])
def test_a_simulated_board_without_its_extra_says_what_to_install(arguments: str) -> None:
    done = without("amaranth", *arguments.split())
    assert (done.returncode, done.stdout) == (3, "")
    assert 'pip install "atomik-fpga[sim]"' in done.stderr
    assert "Traceback" not in done.stderr
