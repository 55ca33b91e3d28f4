"""Builds boards twice, in two folders: ``python -m tests.reproduce BOARD …``.

The device is small, because place and route takes its time; nothing comes from the cache. The exit
code is 1 unless bitstream, manifest and report are the same byte for byte.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from atomik_boards.build import build_board

__all__ = ["differing", "main"]

_CONTEXTS, _WIDTH = 4, 8


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.reproduce", description=__doc__)
    parser.add_argument("boards", nargs="+", metavar="BOARD")
    options = parser.parse_args(arguments)
    same = True
    for board in options.boards:
        files = differing(board)
        same = same and not files
        verdict = f"DIFFERENT: {', '.join(files)}" if files else "bitstream, manifest, report same"
        print(f"{board}: {verdict}", flush=True)
    return 0 if same else 1


def differing(board: str) -> list[str]:
    """Return the names of those results of two builds that are not the same."""
    with tempfile.TemporaryDirectory() as folder:
        places = (Path(folder, "a"), Path(folder, "b", "c"))
        for place in places:
            made = build_board(board, out=place, contexts=_CONTEXTS, width=_WIDTH, cached=False)
        names = (made.bitstream.name, "manifest.json", made.report.name)
        return [
            name for name in names if len({(place / name).read_bytes() for place in places}) > 1
        ]


if __name__ == "__main__":
    sys.exit(main())
