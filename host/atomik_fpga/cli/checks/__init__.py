"""What `atomik doctor` looks at. Nothing here changes anything, nor opens a port or a device."""

from __future__ import annotations

from .check import JOBS, Check, Job, State

__all__ = ["JOBS", "Check", "Job", "State"]
