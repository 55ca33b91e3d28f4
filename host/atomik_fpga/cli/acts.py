"""The three acts of the demo. Each checks what it reads, and goes on after a difference."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Final

from ..context import AtomikContext
from .common import Settings, working
from .events import Event, Kind, Ledger
from .report import Report

__all__ = ["Stage", "accounts", "one_context", "orders"]

#: Balances are compared after so many events.
CHECK_EVERY: Final = 100

# Every balance of the file fits.
_BALANCE_BITS: Final = 32

_ORDERS: Final = 4
_DELTAS: Final = 16
_SEED: Final = 1


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the acts play.

    Attributes
    ----------
    width : int
        Bits of every context.
    new_context : callable
        Takes the board's next free context, loads the given value and returns the context.
    report : Report
        Takes the rows and the checks.
    settings : Settings
        Whether progress is shown.
    """

    width: int
    new_context: Callable[[int], AtomikContext]
    report: Report
    settings: Settings

    @property
    def mask(self) -> int:
        """All ones."""
        return (1 << self.width) - 1


@dataclass(frozen=True, slots=True)
class _Step:
    """A call, or a property, of a context, and what it returns; ``None`` if nothing."""

    name: str
    arguments: tuple[int, ...] | None = ()
    expected: int | None = None

    def __str__(self) -> str:
        if self.arguments is None:
            return f"ctx.{self.name}"
        return f"ctx.{self.name}({', '.join(f'{value:#x}' for value in self.arguments)})"

    def run(self, context: AtomikContext) -> int | None:
        member = getattr(context, self.name)
        result: int | None = member if self.arguments is None else member(*self.arguments)
        return result


_ONE_CONTEXT: Final = (
    _Step("read", (), 0x5000),
    _Step("accum", (0x0222,)),
    _Step("load", (0x1000,)),
    _Step("accum", (0x00FF,)),
    _Step("accum", (0x0F00,)),
    _Step("read", (), 0x1FFF),
    _Step("rollback", (0x0F00,)),
    _Step("read", (), 0x10FF),
    _Step("accumulator", None, 0x00FF),
    _Step("swap", (), 0x10FF),
    _Step("accumulator", None, 0),
    _Step("accum", (0x000F,)),
    _Step("read", (), 0x10F0),
    _Step("swap", (0,), 0x10F0),
    _Step("read", (), 0),
)


def one_context(stage: Stage) -> None:
    """Load, accumulate, undo and swap on one context, a row a call."""
    report = stage.report
    report.title("1. One context: its state is reference ^ accumulator")
    report.line(f"ctx = AtomikContext({stage.width}, 0x5000, port=port)")
    with closing(stage.new_context(0x5000)) as context:
        for step in _ONE_CONTEXT:
            with working(stage.settings, str(step)):
                got = step.run(context)
            if step.expected is None or got is None:
                report.line(str(step))
            else:
                report.check(str(step), got, step.expected & stage.mask)


def accounts(stage: Stage, events: Sequence[Event], contexts: int) -> None:
    """Follow every event with a delta, and compare all balances every `CHECK_EVERY` events.

    Parameters
    ----------
    stage : Stage
        Where.
    events : sequence of Event
        In their order. Account numbers are below ``contexts``.
    contexts : int
        Accounts, each with a context.
    """
    report = stage.report
    if stage.width < _BALANCE_BITS:
        report.line(f"balances are compared modulo 2 ** {stage.width}, the width of a context")
    report.line(f"{'events':>6}{'balances equal':>18}{'cents on the board':>22}{'by the fold':>16}")
    ledger = Ledger()
    with ExitStack() as stack:
        with working(stage.settings, f"taking {contexts} contexts", contexts) as progress:
            boards = []
            for account in range(contexts):
                boards.append(stack.enter_context(closing(stage.new_context(0))))
                progress(account + 1)
        for start in range(0, len(events), CHECK_EVERY):
            part = events[start : start + CHECK_EVERY]
            end = start + len(part)
            with working(
                stage.settings, f"events {start + 1} to {end}", len(part) + contexts
            ) as progress:
                for done, event in enumerate(part, 1):
                    _post(boards[event.account], event, *ledger.apply(event))
                    progress(done)
                states = []
                for account, board in enumerate(boards):
                    states.append(board.read())
                    progress(len(part) + account + 1)
            _compare(stage, end, states, ledger)


def _post(context: AtomikContext, event: Event, old: int, new: int) -> None:
    if event.kind is Kind.REVERSAL:
        context.rollback(old ^ new)
    else:
        context.accum(old ^ new)


def _compare(stage: Stage, event: int, states: Sequence[int], ledger: Ledger) -> None:
    """Compare balances with the fold, modulo the width."""
    balances = [ledger.balances.get(account, 0) & stage.mask for account in range(len(states))]
    equal = 0
    for account, (state, balance) in enumerate(zip(states, balances, strict=True)):
        equal += stage.report.compare(f"account {account} after event {event}", state, balance)
    stage.report.line(
        f"{event:6}{f'{equal} of {len(states)}':>18}{sum(states):22,}{sum(balances):16,}"
    )


def orders(stage: Stage) -> None:
    """Accumulate the same deltas in several random orders; then one of them twice."""
    report = stage.report
    rng = random.Random(_SEED)
    report.title(f"3. {_DELTAS} deltas in {_ORDERS} random orders, one state")
    base = rng.getrandbits(stage.width)
    deltas = [rng.getrandbits(stage.width) for _ in range(_DELTAS)]
    expected = base
    for delta in deltas:
        expected ^= delta
    for order in range(1, _ORDERS + 1):
        rng.shuffle(deltas)
        _row(stage, f"order {order}", base, deltas, expected)
    _row(stage, "one delta twice", base, [*deltas, deltas[0]], expected ^ deltas[0])
    report.line(
        "A delta that arrives twice cancels itself, so all that leads to a context must deliver"
    )
    report.line(
        "exactly once; this link does. And XOR is no addition: the README says what follows."
    )


def _row(stage: Stage, name: str, base: int, deltas: Sequence[int], expected: int) -> None:
    with working(stage.settings, name), closing(stage.new_context(base)) as context:
        for delta in deltas:
            context.accum(delta)
        got = context.read()
    stage.report.check(name, got, expected)
