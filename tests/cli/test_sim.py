"""``atomik sim``: what is offered, and what is refused."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

from atomik_fpga import AtomikContext

from .bench import Run

DEADLINE = 120

#: Nothing is compiled where the board does nothing.
QUICK = ("--engine", "amaranth")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--listen 7000", "'7000' is not HOST:PORT, such as 127.0.0.1:7000."),
        ("--listen ::1:port", "'::1:port' is not HOST:PORT, such as 127.0.0.1:7000."),
        ("--listen 127.0.0.1:70000", "'127.0.0.1:70000' is not HOST:PORT, such as 127.0.0.1:7000."),
        ("--width 257", "Option 'width' must be in 1..256, not 257"),
        ("ulx3s", "Unknown board 'ulx3s': simulated boards know icebreaker or ulx3s-25f"),
        (
            "--faults flip:2",
            "Rate of fault 'flip' must be more than 0 and at most 1, not '2'",
        ),
        (
            "--listen 0.0.0.0:0",
            "0.0.0.0 is not a loopback address, and the board has no authentication: whoever can "
            "reach it could use it. Say --allow-remote if that is wanted.",
        ),
    ],
)
def test_sim_refuses_what_it_can_not_or_should_not_offer(
    run: Run, arguments: str, message: str
) -> None:
    code, out, err = run("sim", *arguments.split())
    assert (code, out) == (2, "")
    assert err.rstrip().endswith(message)


@pytest.mark.parametrize("host", ["0.0.0.0", "no-such-host.invalid"])
def test_sim_looks_at_the_address_before_it_makes_a_board(
    run: Run, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    def made(_: object) -> NoReturn:
        raise AssertionError("a board was made")

    monkeypatch.setattr("atomik_sim.SimBoard", made, raising=False)
    code, out, _ = run("sim", "--listen", f"{host}:0")
    assert (code, out) == (2 if host == "0.0.0.0" else 3, "")


def interrupted(_: object, __: float) -> NoReturn:
    raise KeyboardInterrupt


def test_sim_offers_the_board_that_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("atomik_sim.server.BoardServer.wait", interrupted)
    code, out, err = run("sim", "ulx3s-25f", "--baud", "6250000", "--no-pty", *QUICK)
    assert (code, out.startswith("ATOMIK_PORT=socket://127.0.0.1:")) == (0, True)
    assert "simulated ulx3s-25f: 16 contexts of 64 bits, 6,250,000 baud; Ctrl-C ends it\n" in err


def test_sim_on_a_remote_address_warns_that_there_is_no_authentication(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("atomik_sim.server.BoardServer.wait", interrupted)
    code, out, err = run("sim", "--listen", "0.0.0.0:0", "--allow-remote", "--no-pty", *QUICK)
    assert code == 0
    assert re.fullmatch(r"ATOMIK_PORT=socket://0\.0\.0\.0:\d+\n", out)
    assert "simulated icebreaker: 16 contexts of 64 bits, 3,000,000 baud; Ctrl-C ends it\n" in err
    assert "without authentication" in caplog.text


def test_sim_says_when_waves_can_not_be_written(run: Run, tmp_path: Path) -> None:
    code, out, err = run("sim", *QUICK, "--vcd", str(tmp_path / "missing" / "board.vcd"))
    assert (code, out) == (3, "")
    assert err.splitlines()[-1].startswith("atomik: can't write waves: [Errno 2] ")


@contextmanager
def board_of_a_process(*options: str) -> Iterator[list[str]]:
    """Run ``atomik sim`` until the end of the block, and yield its ports."""
    command = [sys.executable, "-m", "atomik_fpga", "sim", "--contexts=3", "--width=7", *options]
    ports = 2 if os.name == "posix" else 1
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            lines = [process.stdout.readline().strip() for _ in range(ports)]
            yield [line.removeprefix("ATOMIK_PORT=") for line in lines]
        finally:
            process.terminate()
            _, errors = process.communicate(timeout=DEADLINE)
    # Windows has no SIGTERM: it ends the process, with this exit code.
    assert process.returncode == (0 if os.name == "posix" else 1)
    assert "Traceback" not in errors


def state_at(port: str) -> int:
    with AtomikContext.attach(port, 2, width=7) as context:
        return context.read()


def test_each_process_has_a_board_of_its_own_which_keeps_its_state(tmp_path: Path) -> None:
    path = tmp_path / "board.vcd"
    with board_of_a_process("--vcd", str(path)) as one, board_of_a_process() as other:
        for port, delta in ((one[0], 0x55), (other[0], 0x0F), (one[-1], 0x33)):
            with AtomikContext.attach(port, 2, width=7) as context:
                context.accum(delta)
        assert [state_at(port) for port in (*one, *other)] == [
            *[0x66] * len(one),
            *[0x0F] * len(other),
        ]
    assert "sACCUM\\x20x1\\x20@2\\x20seq\\x200 " in path.read_text()
