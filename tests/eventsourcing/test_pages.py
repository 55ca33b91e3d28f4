"""The pages in `examples/eventsourcing` print what they should, with and without a board."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ..processes import complaints, prepare

PAGES = Path(__file__).resolve().parents[2] / "examples" / "eventsourcing"
DEADLINE = 120

ACCOUNT = """\
opened                      0.00  False  {}
deposit, freeze, fee       70.00  True   {}
frozen by mistake          70.00  False  {}
"""

HYBRID = """\
audit: before the undo     70.00  True
the log                 Opened, Deposited, Frozen, Withdrawn, Undone
log, states and context agree at version 5
"""

TRANSFER = """\
                                alice  bob   sum
opened                            100  100   200
alice sends bob 10                 90  110   200
bob pays in 5                      90  115   205
XOR alone, on bob                      121
refused: balance changed since
cancelled by new deltas           100  105   205
"""

NOT_READ = ("no event read",) * 3
EXPECTED = {
    "account_replay.py": ACCOUNT.format("1 events read", "4 events read", "5 events read"),
    "account_context.py": ACCOUNT.format(*NOT_READ),
    "account_hybrid.py": ACCOUNT.format(*NOT_READ) + HYBRID,
    "cancelled_transfer.py": TRANSFER,
}


def output_of(script: Path, port: str | None, **variables: str) -> str:
    env = {name: text for name, text in os.environ.items() if name != "ATOMIK_PORT"}
    env |= variables if port is None else {**variables, "ATOMIK_PORT": port}
    prepare(port)
    done = subprocess.run(
        [sys.executable, str(script)], env=env, capture_output=True, text=True, timeout=DEADLINE
    )
    assert (done.returncode, complaints(done.stderr)) == (0, [])
    return done.stdout


@pytest.mark.parametrize("port", [None, "sim://"])
@pytest.mark.parametrize("page", EXPECTED)
def test_a_page_prints_what_its_account_comes_to(page: str, port: str | None) -> None:
    assert output_of(PAGES / page, port) == EXPECTED[page]


def test_every_page_is_tested() -> None:
    assert {path.name for path in PAGES.glob("*.py")} == set(EXPECTED)


def test_the_page_of_one_context_is_an_import_line_apart_from_atomik_core(tmp_path: Path) -> None:
    source = (PAGES / "account_context.py").read_text(encoding="utf-8")
    line = "from atomik_fpga import AtomikContext\n"
    assert source.count(line) == 1
    assert source.replace(line, "").count("atomik_fpga") == 0
    page = tmp_path / "account.py"
    page.write_text(source.replace(line, "from atomik_core import AtomikContext\n"))
    assert output_of(page, None) == EXPECTED["account_context.py"]
