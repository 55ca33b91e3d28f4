"""What a build says of itself: for programs, and of its serial line for people."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import atomik_fpga
from atomik_fpga.protocol import VERSION_MAJOR, VERSION_MINOR
from atomik_hdl.uart import BaudPlan

from .board import Board, UartPins
from .design import Design
from .timing import ClockResult
from .tools import Tool, tool_versions

__all__ = ["line_plan", "make_manifest"]

_OVERRIDE = "AMARANTH_"


def make_manifest(
    design: Design,
    build_id: int,
    clocks: Mapping[str, ClockResult],
    timing: Mapping[str, Any],
    tools: Mapping[str, Tool],
    bitstream: Path,
) -> dict[str, Any]:
    """Return what ``manifest.json`` holds: the same for the same bitstream, in any folder.

    Parameters
    ----------
    design : Design
    build_id : int
    clocks : mapping of str to ClockResult
    timing : mapping
        What ``nextpnr --report`` wrote.
    tools : mapping of str to Tool
    bitstream : Path
    """
    board = design.board
    return {
        "board": board.name,
        "title": board.title,
        "part": board.part,
        "bitstream": bitstream.name,
        "sha256": hashlib.sha256(bitstream.read_bytes()).hexdigest(),
        "build_id": f"{build_id:016x}",
        "version": atomik_fpga.__version__,
        "protocol": f"{VERSION_MAJOR}.{VERSION_MINOR}",
        "contexts": design.contexts,
        "width": design.width,
        "lanes": design.lanes,
        "reply_slots": board.reply_slots,
        "baud": design.baud,
        "baud_error": design.baud_error,
        "uart": _pins(board),
        "clocks": {
            name: {"wanted_hz": clock.wanted_hz, "reached_hz": clock.reached_hz}
            for name, clock in clocks.items()
        },
        "pll": design.clock.pll is not None,
        "utilization": {
            cell: figures
            for cell, figures in sorted(timing["utilization"].items())
            # Of what place and route makes of other cells, Gowin's parts have none.
            if figures["used"] and figures["available"]
        },
        "seed": design.seed,
        "notes": list(board.notes),
        # Amaranth takes options of the tools from these: whoever sets them builds another thing.
        "overrides": {
            name: value for name, value in sorted(os.environ.items()) if name.startswith(_OVERRIDE)
        },
        "tools": tool_versions(tools.values()),
    }


def line_plan(design: Design) -> dict[str, str]:
    """Return the serial line of ``design`` in words, by what each is called."""
    board, clock = design.board, design.clock
    plan = BaudPlan(clock.hz, design.baud)
    pins = _pins(board)
    source = board.clock or "the board's oscillator"
    how = "through the PLL" if clock.pll is not None else "divided" if clock.divider else "as it is"
    return {
        "wanted": f"{design.baud:,} bit/s",
        "reached": f"{plan.reached_baud:,.1f} bit/s, {plan.baud_error:+.3%} off; 2 % is the limit",
        "clock": f"{clock.hz:,} Hz from {source} at {board.clock_hz:,} Hz, {how}",
        "clocks a bit": f"{clock.hz / design.baud:.4g}",
        "bit clock": f"adds {plan.step} to {plan.phase_bits} bits a clock",
        "bridge": f"{board.bridge}, up to {board.max_baud:,} bit/s",
        "pins": f"rx {pins['rx']}, tx {pins['tx']}",
    }


def _pins(board: Board) -> dict[str, str]:
    if isinstance(board.uart, UartPins):
        return {"rx": board.uart.rx, "tx": board.uart.tx}
    name, number = board.uart
    return {end: f"{name} {number}, {end}" for end in ("rx", "tx")}
