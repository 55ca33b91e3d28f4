"""A program in place of one that writes bitstreams: it records what it is asked, and fails as told.

The words are those of openFPGALoader v1.1.1, dfu-util 0.11 and the dynamic loader of Linux, as they
are printed where nothing is attached, or stand in the sources.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

__all__ = ["StandIn", "make_stand_in"]

_SOURCE = """#!{python}
import json, sys, time
from pathlib import Path

folder = Path({folder!r})
with (folder / "asked.jsonl").open("a") as log:
    log.write(json.dumps(sys.argv[1:]) + "\\n")
for answer in json.loads((folder / "answers.json").read_text()):
    if answer["if"] in sys.argv[1:] or answer["if"] == "":
        sys.stdout.write(answer["out"])
        sys.stdout.flush()
        time.sleep(answer["hangs"])
        sys.stderr.write(answer["err"])
        sys.exit(answer["code"])
"""


class StandIn:
    """The program's file, what it answers, and what it was asked."""

    def __init__(self, path: Path, folder: Path) -> None:
        self.path = path
        self._folder = folder
        self._answers: list[dict[str, object]] = []
        (folder / "asked.jsonl").touch()
        self.answer("", "", "", 0)

    def answer(
        self, argument: str, out: str = "", err: str = "", code: int = 0, hangs: float = 0
    ) -> None:
        """Answer so where ``argument`` is among the arguments; "" is any. The latest counts.

        It hangs for so many seconds before.
        """
        answer = {"if": argument, "out": out, "err": err, "code": code, "hangs": hangs}
        self._answers.insert(0, answer)
        # What is told of one argument comes before what is told of all.
        ordered = sorted(self._answers, key=lambda it: it["if"] == "")
        (self._folder / "answers.json").write_text(json.dumps(ordered))

    @property
    def asked(self) -> list[list[str]]:
        """The arguments of each run."""
        return [json.loads(it) for it in (self._folder / "asked.jsonl").read_text().splitlines()]


def make_stand_in(folder: Path, name: str) -> StandIn:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(_SOURCE.format(python=sys.executable, folder=str(folder)))
    path.chmod(0o755)
    return StandIn(path, folder)
