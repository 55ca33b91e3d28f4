"""What the demo found: rows on the screen, and the same for JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import click

__all__ = ["Report"]

# A word of 64 bits fits with its prefix.
_DIGITS: Final = 20


@dataclass(slots=True)
class Report:
    """Writes rows, compares values and keeps the differences.

    Attributes
    ----------
    silent : bool
        Write nothing; the JSON result tells all.
    checks : int
        Values that were compared so far.
    differences : list of dict
        ``what``, ``got`` and ``expected`` of those that were not equal.
    """

    silent: bool = False
    checks: int = 0
    differences: list[dict[str, Any]] = field(default_factory=list)

    def title(self, text: str) -> None:
        """Begin an act."""
        self.line()
        if not self.silent:
            click.secho(text, bold=True)

    def line(self, text: str = "") -> None:
        """Write one line, indented unless it is empty."""
        if not self.silent:
            click.echo(f"   {text}".rstrip())

    def compare(self, what: str, got: int, expected: int) -> bool:
        """Count a check without writing anything, but for a difference."""
        self.checks += 1
        if got == expected:
            return True
        self.differences.append({"what": what, "got": got, "expected": expected})
        if not self.silent:
            text = f"{what}: got {got:#x}, expected {expected:#x}, xor {got ^ expected:#x}"
            click.secho(f"   DIFFERS  {text}", fg="red")
        return False

    def at_least(self, what: str, got: int, expected: int) -> None:
        """Count a check of a lower bound without writing anything, but for a difference."""
        self.compare(what, min(got, expected), expected)

    def check(self, what: str, got: int, expected: int) -> None:
        """Write a row with the value and the expected one."""
        if self.compare(what, got, expected):
            ok = click.style("ok", fg="green")
            self.line(f"{what:<18} {_short(got):>20}   expected {_short(expected):>20}   {ok}")


def _short(value: int) -> str:
    """Hexadecimal; of a wide word the first and last digits."""
    text = f"{value:#x}"
    return text if len(text) <= _DIGITS else f"{text[:10]}..{text[-8:]}"
