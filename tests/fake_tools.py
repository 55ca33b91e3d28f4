"""What the tools of a build would write, without running them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

__all__ = ["FakeTools", "timing_report"]

#: Cells as place and route writes them.
_PLACED = {
    "device.table.state_1_DFFLC": {"attributes": {"NEXTPNR_BEL": "X4/Y7/lc3"}},
    "device.table.ram.bank0_bit0": {"attributes": {"NEXTPNR_BEL": "X6/Y3/ram"}},
    "$nextpnr_obuf": {"attributes": {}},
}


def timing_report(achieved: float) -> str:
    """Return what place and route reports of a clock of 12 MHz, in MHz."""
    return json.dumps(
        {
            "fmax": {"clk": {"constraint": 12.0, "achieved": achieved}},
            "utilization": {"ICESTORM_LC": {"used": 1, "available": 5280}},
            "critical_paths": [],
        }
    )


class FakeTools:
    """Stands in for `atomik_boards.run.run_steps`, with the tools of iCE40.

    Attributes
    ----------
    report : str, callable or None
        What place and route reports; a function is called with its seed. None for nothing.
    cells : dict
        What synthesis makes.
    ran : list of str
        The tools that were run.
    constraints : str
        What place and route was given.
    """

    def __init__(self) -> None:
        self.report: str | Callable[[int], str] | None = timing_report(15.0)
        self.cells: dict[str, Any] = {}
        self.ran: list[str] = []
        self.constraints = ""

    def __call__(
        self, commands: Sequence[Sequence[str]], _tools: Any, folder: Path, _progress: Any
    ) -> None:
        for name, *arguments in commands:
            self.ran.append(name)
            if name == "yosys":
                _write(folder / "top.json", self.cells)
            elif name == "nextpnr-ice40":
                self._place(folder, int(arguments[arguments.index("--seed") + 1]))
            else:
                (folder / "top.bin").write_bytes((folder / "top.asc").read_bytes())

    def _place(self, folder: Path, seed: int) -> None:
        self.constraints = (folder / "top.pcf").read_text(encoding="utf-8")
        report = self.report(seed) if callable(self.report) else self.report
        if report is not None:
            (folder / "top.report.json").write_text(report, encoding="utf-8")
        _write(folder / "top.placed.json", _PLACED)
        (folder / "top.asc").write_text(f"seed {seed}", encoding="utf-8")


def _write(path: Path, cells: dict[str, Any]) -> None:
    path.write_text(json.dumps({"modules": {"top": {"cells": cells}}}), encoding="utf-8")
