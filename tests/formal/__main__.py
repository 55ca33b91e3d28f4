"""Lists and runs the proofs: ``python -m tests.formal [-k TEXT] [--list] [--json]``."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Sequence

from atomik_fpga import __version__

from .catalog import PROOFS
from .engine import ToolError
from .registry import Outcome, Proof

__all__ = ["main"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.formal",
        description="Prove the properties of the gateware, by k-induction for unbounded time or, "
        "where it says so, for some cycles from power-up or from any state; and show for each that "
        "a faulty design fails it.",
        epilog="Exit code: 0 if all are proven and all faulty designs failed, 1 if not, "
        "2 for a wrong command line, 3 if a tool is missing or gave no verdict.",
    )
    parser.add_argument(
        "-k", metavar="TEXT", default="", help="only proofs whose name has TEXT in it"
    )
    parser.add_argument("--list", action="store_true", help="list the proofs, run none")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _line(outcome: Outcome) -> str:
    proof = outcome.proof
    verdict = f"proven, {proof.bound_in_words}" if outcome.proven else "NOT PROVEN"
    mutant = "mutant failed" if outcome.mutant_failed else "MUTANT PASSED"
    return (
        f"{proof.name}\n    {verdict}, {outcome.seconds:.1f} s; "
        f"{mutant}, which {proof.mutation.fault}"
    )


def _report(outcomes: Sequence[Outcome]) -> str:
    return json.dumps(
        {
            "suite": "formal",
            "version": __version__,
            "machine": platform.platform(),
            "passed": all(outcome.passed for outcome in outcomes),
            "proofs": [outcome.as_dict() for outcome in outcomes],
        },
        indent=2,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    chosen: list[Proof] = [proof for proof in PROOFS if options.k.lower() in proof.name.lower()]
    if not chosen:
        parser.error(f"no proof has {options.k!r} in its name; --list shows the names")
    if options.list:
        bounds = {proof.name: proof.bound_in_words for proof in chosen}
        lines = [f"{name} [{bound}]" for name, bound in bounds.items()]
        print(json.dumps([*bounds], indent=2) if options.json else "\n".join(lines))
        return 0

    outcomes = []
    for number, proof in enumerate(chosen, start=1):
        print(f"{number}/{len(chosen)} {proof.name}", file=sys.stderr, flush=True)
        try:
            outcomes.append(proof.run())
        except ToolError as error:
            print(error, file=sys.stderr)
            return 3
        if not options.json:
            print(_line(outcomes[-1]), flush=True)
    if options.json:
        print(_report(outcomes))
    failed = [outcome for outcome in outcomes if not outcome.passed]
    if not options.json:
        print(f"{len(outcomes) - len(failed)} of {len(outcomes)} proven with a failing mutant")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
