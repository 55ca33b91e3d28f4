"""Programs in processes of their own, on simulated boards: what they may say, and when it is said.

The first board of a kind on a machine is compiled, which takes from seconds to minutes; a program
that waits for it says so. Where there is no compiler it says that. Neither is a complaint.
"""

from __future__ import annotations

from atomik_sim import BoardOptions
from atomik_sim.engine import make_engine

__all__ = ["complaints", "prepare"]

_NOTICES = ("Compiling the gateware of ", "The simulated board runs on Amaranth's simulator, ")


def prepare(port: str | None) -> None:
    """Compile the board of a ``sim://`` URL, for a program that has a deadline."""
    if port is not None and port.startswith("sim://"):
        make_engine(BoardOptions.from_url(port))


def complaints(stderr: str) -> list[str]:
    """Return the lines of what a program wrote to stderr that are no notices."""
    return [line for line in stderr.splitlines() if not line.startswith(_NOTICES)]
