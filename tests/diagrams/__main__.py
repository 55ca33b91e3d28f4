"""Draws the timing diagrams of ``docs/timing.md``: ``python -m tests.diagrams [--check]``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from .scenarios import SCENARIOS
from .svg import draw

__all__ = ["FOLDER", "main", "render"]

#: Where the diagrams are.
FOLDER = Path(__file__).parents[2] / "docs" / "images"


def render() -> dict[str, str]:
    """Simulate everything and return the files of all diagrams, by name: WaveJSON and SVG."""
    files = {}
    for name, scenario in SCENARIOS.items():
        wave = scenario()
        lines = ",\n    ".join(json.dumps(lane) for lane in wave["signal"])
        head = json.dumps(wave["head"])
        files[f"{name}.json"] = f'{{\n  "signal": [\n    {lines}\n  ],\n  "head": {head}\n}}\n'
        files[f"{name}.svg"] = draw(wave)
    return files


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.diagrams",
        description="Simulate the gateware and draw the timing diagrams in docs/images.",
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit code 1 if one is out of date"
    )
    check = parser.parse_args(arguments).check
    files = render()
    stale = [
        name
        for name, text in files.items()
        if not (FOLDER / name).exists() or (FOLDER / name).read_text(encoding="utf-8") != text
    ]
    if not check:
        for name, text in files.items():
            (FOLDER / name).write_text(text, encoding="utf-8", newline="\n")
    for name in stale:
        print(f"{name} {'is out of date' if check else 'written'}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
