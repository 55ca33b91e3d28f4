"""The self-test of a device: the same steps for `atomik selftest`, for boards under test, for CI.

Every step compares what the device answers with plain integers. It clears all contexts: `find_held`
says before which ones hold something, and `put_back` restores them.
"""

from __future__ import annotations

from .bench import Bench, Difference
from .held import Held, find_held, put_back
from .run import STEPS, Step, StepResult, run_selftest, run_step
from .sweep import LineRate, Sweep, can_sweep, sweep_baud

__all__ = [
    "STEPS",
    "Bench",
    "Difference",
    "Held",
    "LineRate",
    "Step",
    "StepResult",
    "Sweep",
    "can_sweep",
    "find_held",
    "put_back",
    "run_selftest",
    "run_step",
    "sweep_baud",
]
