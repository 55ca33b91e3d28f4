"""Simulators of Verilog that may be installed, and how fast they run a device."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["SIMULATORS", "Simulator"]

_TESTBENCH = """
module testbench;
  reg clk = 0, rst = 0, rx = 1;
  reg levels [0:{bits} - 1];
  integer round, bit, clock;
  device dut(.clk(clk), .rst(rst), .rx(rx));
  initial begin
    $readmemb("levels.txt", levels);
    for (round = 0; round < {rounds}; round = round + 1)
      for (bit = 0; bit < {bits}; bit = bit + 1) begin
        rx = levels[bit];
        for (clock = 0; clock < {clocks}; clock = clock + 1) begin
          #1 clk = 1;
          #1 clk = 0;
        end
      end
    $finish;
  end
endmodule
"""

_MAIN = """
#include "Vdevice.h"
#include <fstream>
#include <vector>

int main() {{
    std::ifstream file("levels.txt");
    std::vector<int> levels;
    for (int level; file >> level;)
        levels.push_back(level);
    Vdevice device;
    for (int round = 0; round < {rounds}; round++)
        for (int level : levels) {{
            device.rx = level;
            for (int clock = 0; clock < {clocks}; clock++) {{
                device.clk = 1;
                device.eval();
                device.clk = 0;
                device.eval();
            }}
        }}
    device.final();
}}
"""


@dataclass(frozen=True)
class Simulator:
    """A simulator of Verilog.

    Attributes
    ----------
    name : str
    programs : tuple of str
        What has to be on the path.
    version : tuple of str
        The command that tells it.
    rounds : int
        How often the levels are driven, for a run of some seconds.
    harness : str
        Name of the file that drives the device.
    text : str
        What is in it, with ``bits``, ``clocks`` (a bit) and ``rounds`` in braces.
    build : tuple of str
        The command that makes the program ``./board`` of it and ``device.v``.
    """

    name: str
    programs: tuple[str, ...]
    version: tuple[str, ...]
    rounds: int
    harness: str
    text: str
    build: tuple[str, ...]

    def installed(self) -> bool:
        """Return whether it can be run here."""
        return all(map(shutil.which, self.programs))

    def rate(
        self, device: str, levels: Sequence[int], clocks: int
    ) -> tuple[float, dict[str, str | int]]:
        """Return the clocks per second of processor time, and under which conditions.

        Parameters
        ----------
        device : str
            Verilog of a module ``device`` with inputs ``clk``, ``rst`` and ``rx``.
        levels : sequence of int
            What to drive on ``rx``, each for ``clocks`` clocks.
        clocks : int
        """
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            text = self.text.format(bits=len(levels), clocks=clocks, rounds=self.rounds)
            (folder / "device.v").write_text(device, encoding="utf-8")
            (folder / self.harness).write_text(text, encoding="utf-8")
            (folder / "levels.txt").write_text("\n".join(map(str, levels)), encoding="utf-8")

            def command(*words: str) -> str:
                return subprocess.run(
                    words, cwd=folder, check=True, capture_output=True, text=True
                ).stdout

            command(*self.build)
            seconds = _user_seconds(lambda: command("./board"))
            conditions = {
                "version": command(*self.version).splitlines()[0],
                "built by": " ".join(self.build),
            }
        return self.rounds * len(levels) * clocks / seconds, conditions


def _user_seconds(work: Callable[[], object]) -> float:
    """Return the processor time of what ``work`` runs; on Windows, which keeps none, wall time."""
    if sys.platform == "win32":
        start = time.perf_counter()
        work()
        return time.perf_counter() - start
    # Which Windows lacks.
    import resource

    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    work()
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


SIMULATORS = (
    Simulator(
        name="Icarus Verilog",
        programs=("iverilog", "vvp"),
        version=("iverilog", "-V"),
        rounds=2,
        harness="testbench.v",
        text=_TESTBENCH,
        build=("iverilog", "-g2005", "-o", "board", "testbench.v", "device.v"),
    ),
    Simulator(
        name="Verilator",
        programs=("verilator", "make", "g++"),
        version=("verilator", "--version"),
        rounds=60,
        harness="main.cpp",
        text=_MAIN,
        build=(
            *("verilator", "--cc", "--exe", "--build", "-O3", "-CFLAGS", "-O2", "-Wno-fatal"),
            *("--Mdir", ".", "-o", "board", "device.v", "main.cpp"),
        ),
    ),
)
