"""The picture of a report in the docs: ``python -m tests.screenshot``.

Builds the icebreaker, unless the cache has it, and takes its report in headless Chromium.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from atomik_boards.build import build_board

__all__ = ["main", "take"]

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "report.png"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_SECONDS = 120


def take(browser: str, page: Path, picture: Path, size: tuple[int, int]) -> None:
    """Write what ``browser`` shows of ``page`` in a window of ``size`` pixels.

    Raises
    ------
    RuntimeError
        If it writes no picture.
    """
    with tempfile.TemporaryDirectory() as profile:
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        command += ["--disable-background-networking", f"--user-data-dir={profile}"]
        command += [f"--window-size={size[0]},{size[1]}", f"--screenshot={picture}", page.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS)
    if done.returncode or not picture.exists():
        raise RuntimeError(f"{browser} made no picture:\n{done.stderr}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 3 without a browser."""
    parser = argparse.ArgumentParser(prog="python -m tests.screenshot", description=__doc__)
    parser.add_argument("--board", default="icebreaker", help="whose report (icebreaker)")
    parser.add_argument("--size", default="900x1560", metavar="WxH", help="pixels (900x1560)")
    parser.add_argument("--out", type=Path, default=PICTURE, help="where to write it")
    options = parser.parse_args(arguments)
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        print(f"No {', '.join(BROWSERS)} on PATH: apt-get install chromium", file=sys.stderr)
        return 3
    width, height = map(int, options.size.split("x"))
    with tempfile.TemporaryDirectory() as folder:
        report = build_board(options.board, out=folder, progress=print).report
        take(browser, report, options.out.absolute(), (width, height))
    print(options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
