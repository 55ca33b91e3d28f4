"""What the benchmark of the simulated board simulates."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from atomik_sim import BoardOptions
from atomik_sim.amaranth_engine import AmaranthEngine
from atomik_sim.pins import IDLE
from benchmarks.sim import FRAMES, stimulus
from benchmarks.verilog import SIMULATORS, Simulator

from .wire import OPENED, VALUES, Session

ROOT = Path(__file__).resolve().parents[1]

#: COBS of an OPENED's first bytes: its next is 0.
OPENED_START = bytes([1, 1, 2, OPENED])


def test_each_round_of_the_stimulus_is_executed_in_full() -> None:
    engine = AmaranthEngine(BoardOptions(contexts=256, width=64))
    while not engine.idle:
        engine.transfer([IDLE])
    for _ in range(2):
        received = engine.transfer(stimulus())
        assert received.endswith(b"\0")
        sessions = iter([Session(), Session(key=0x5EED_5EED)])
        opened, counts = 0, []
        for frame in received[:-1].split(b"\0"):
            if frame.startswith(OPENED_START):
                session = next(sessions)
                opened += 1
            reply = session.decode(frame)
            if reply.kind == VALUES:
                counts.append(reply.opcount)
        assert opened == 2
        assert counts == [*range(4, 2 * FRAMES + 1, 4)] * 2


def test_a_simulator_of_verilog_that_is_not_installed_has_no_row() -> None:
    simulators = {simulator.name: simulator for simulator in SIMULATORS}
    assert set(simulators) == {"Icarus Verilog", "Verilator"}
    missing = replace(simulators["Verilator"], programs=("sh", "no-such-program"))
    assert not missing.installed()


def test_the_simulators_of_verilog_are_known_where_python_has_no_module_resource() -> None:
    program = "import sys; sys.modules['resource'] = None; import benchmarks.verilog"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(sys.platform == "win32", reason="builds a shell script")
def test_a_simulator_of_verilog_gets_the_device_and_all_levels(tmp_path: Path) -> None:
    log = tmp_path / "log"
    simulator = Simulator(
        name="stand-in",
        programs=("sh",),
        version=("echo", "1.0\nand more"),
        rounds=3,
        harness="main",
        text=f"cat device.v levels.txt > {log}\n"
        "n=0; while [ $n -lt 20000 ]; do n=$((n + 1)); done\n"
        f"echo; echo {{bits}} {{clocks}} {{rounds}} >> {log}\n",
        build=("sh", "-c", "(echo '#!/bin/sh'; cat main) > board && chmod +x board"),
    )
    assert simulator.installed()
    rate, conditions = simulator.rate("module device;", [1, 0, 1], clocks=4)
    assert 0 < rate < 1e6
    assert conditions["version"] == "1.0"
    assert log.read_text() == "module device;1\n0\n13 4 3\n"
