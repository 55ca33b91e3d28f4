"""The examples' scripts print what their texts say, on every kind of port."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .processes import complaints, prepare

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"

#: Seconds after which a process counts as stuck.
DEADLINE = 120

QUICKSTART = """\
0x1fff
0x10ff
0x10ff
True
0x10ff 0x0
"""

TWO_ACCOUNTS = """\
                                 alice       bob
opened                          100.00     25.00
alice pays bob 12.50             87.50     37.50
bob is charged 30.00             87.50      7.50
which is reversed                87.50     37.50
changes since opened                 1         3
all of them as one delta         0x53e     0x762
closing balances                 87.50     37.50
nothing open                      True      True
"""


def environment(port: str | None) -> dict[str, str]:
    """Return this process's environment with ATOMIK_PORT as given."""
    variables = {name: value for name, value in os.environ.items() if name != "ATOMIK_PORT"}
    return variables if port is None else {**variables, "ATOMIK_PORT": port}


def output_of(script: str, port: str | None) -> str:
    """Run an example in a process of its own and return what it printed."""
    prepare(port)
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / script)],
        env=environment(port),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert (done.returncode, complaints(done.stderr)) == (0, [])
    return done.stdout


@contextmanager
def simulated_board(*options: str) -> Iterator[tuple[str, str]]:
    """Run ``atomik sim``, and yield the two ports that it prints; it must end by Ctrl-C."""
    with subprocess.Popen(
        [sys.executable, "-m", "atomik_fpga", "sim", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            lines = [process.stdout.readline().strip().partition("=") for _ in range(2)]
            assert {name for name, _, _ in lines} == {"ATOMIK_PORT"}
            tcp, pty = (port for _, _, port in lines)
            yield tcp, pty
        finally:
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0
    assert "stopped after " in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("port", [None, "sim://"])
def test_quickstart_prints_what_its_comments_say(port: str | None) -> None:
    assert output_of("quickstart.py", port) == QUICKSTART


@pytest.mark.parametrize("port", [None, "sim://"])
def test_two_accounts_have_the_same_output_on_no_board_and_on_the_simulated_one(
    port: str | None,
) -> None:
    assert output_of("two_accounts.py", port) == TWO_ACCOUNTS


if os.name == "posix":

    def test_two_accounts_have_the_same_output_over_the_pseudo_terminal_of_atomik_sim() -> None:
        with simulated_board() as (_, port):
            assert port.startswith("/dev/")
            assert output_of("two_accounts.py", port) == TWO_ACCOUNTS

    def test_two_accounts_have_the_same_output_over_the_tcp_port_of_atomik_sim() -> None:
        with simulated_board("--listen", "127.0.0.1:0") as (port, _):
            assert port.startswith("socket://127.0.0.1:")
            assert output_of("two_accounts.py", port) == TWO_ACCOUNTS

    def test_contexts_of_atomik_sim_outlive_the_commands_that_change_them() -> None:
        def atomik(*arguments: str) -> str:
            command = [sys.executable, "-m", "atomik_fpga", *arguments]
            done = subprocess.run(
                command, env=environment(port), capture_output=True, text=True, timeout=DEADLINE
            )
            assert (done.returncode, done.stderr) == (0, "")
            return done.stdout

        with simulated_board("--contexts", "3", "--width", "7") as (_, port):
            assert "  contexts  3 of 7 bits\n" in atomik("info")
            atomik("ctx", "load", "2", "0x55")
            atomik("ctx", "accum", "2", "0x0f", "0x30")
            assert atomik("ctx", "read", "2") == (
                "context 2  state 0x6a  reference 0x55  accumulator 0x3f\n"
            )
            assert atomik("ctx", "swap", "2", "0") == "context 2  old state 0x6a  reference 0x00\n"
            assert atomik("ctx", "read", "2") == (
                "context 2  state 0x00  reference 0x00  accumulator 0x00\n"
            )
