"""All proofs of the project; the proofs of a component are in the module named after it."""

from __future__ import annotations

from . import arbiter, banks, core, link, table
from .registry import Proof

__all__ = ["PROOFS"]

PROOFS: tuple[Proof, ...] = (
    *core.PROOFS,
    *table.PROOFS,
    *banks.PROOFS,
    *arbiter.PROOFS,
    *link.PROOFS,
)
