"""Trials of the link: random ops, faults, and what became of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from types import MappingProxyType
from typing import Any

from atomik_fpga.errors import AtomikError, LinkLostError
from atomik_fpga.link import Engine, Session

from .oracle import Client, Snapshot, WrongValueError
from .virtual_line import Journal, StuckError, VirtualLine

__all__ = ["NEEDLESS", "REPAIRED", "REPORTED", "STUCK", "UNDISTURBED", "WRONG", "Outcome", "Trial"]

#: How a trial ends. The faults did no harm, all of it repaired.
REPAIRED = "repaired"
#: An error was raised that the faults account for; after a new connection all went on rightly.
REPORTED = "reported"
#: An error was raised though the faults were such that they are to be repaired.
NEEDLESS = "needless"
#: A value was wrong and no error was raised, or something that must be told was not.
WRONG = "silently wrong"
#: It did not come to an end.
STUCK = "stuck"
#: No fault came to pass.
UNDISTURBED = "undisturbed"

#: Errors in a trial after which it is ended, with the faults taken away for the last ones.
_MOST_ERRORS = 6
_CALM_AFTER = 3


@dataclass
class Outcome:
    """How a trial ended, and why."""

    verdict: str
    detail: str = ""
    errors: list[AtomikError] = field(default_factory=list)
    hits: Counter[str] = field(default_factory=Counter)


class _EnoughError(Exception):
    """So many errors were reported that the trial is at its end."""


class Trial:
    """One host, or more, on a line with faults.

    Parameters
    ----------
    rng : Random
        Of all that is random.
    device : DeviceModel or Device
    width, depth : int
        Of the device.
    faults : str
        Of the line.
    ops : int
        How many there are.
    engine : callable
        Makes the host's engine.
    event : callable of Trial
        What happens besides, once, at a random moment; it may wait for its own.
    to_repair : bool
        No error is to be raised.
    at_start : callable of Trial
        What happens before a session is open.
    start : mapping
        Where the counters of a session begin: ``next_index`` and ``opcount``.
    journal : Journal
        Where to note what happens.
    delay : float
        Of the line, one way, in seconds; by default a random one.
    """

    def __init__(
        self,
        rng: Random,
        device: Any,
        *,
        width: int,
        depth: int,
        faults: str = "",
        ops: int = 60,
        engine: Callable[[Session], Engine] = Engine,
        event: Callable[[Trial], None] | None = None,
        at_start: Callable[[Trial], None] | None = None,
        to_repair: bool = True,
        start: Mapping[str, int] = MappingProxyType({}),
        journal: Journal | None = None,
        delay: float | None = None,
    ) -> None:
        self.rng = rng
        self.faults = faults
        self.device = device
        self.line = VirtualLine(
            device,
            rng,
            faults,
            engine=engine,
            delay=rng.choice([0.0, 0.001, 0.02]) if delay is None else delay,
            journal=journal,
            width=width,
        )
        self.client = Client(self.line, rng, width, depth)
        self._ops = ops
        self._event = event
        self._at_start = at_start
        self._to_repair = to_repair
        self._start = start
        self.errors: list[AtomikError] = []
        #: The device may hold anything: the host reloads it.
        self.unknown = False
        #: What the device may hold, while the host does not know which of that.
        self._possible: list[Snapshot] | None = [self.client.contexts.snapshot]
        self._looking = True
        #: What somebody else has left on the device, once it is this host's again.
        self.left: Snapshot | None = None
        #: Something besides the faults of the line came to pass.
        self.disturbed = False

    def run(self) -> Outcome:
        """Run it to its end."""
        verdict, detail = "", ""
        try:
            self._run()
        except WrongValueError as error:
            verdict, detail = WRONG, str(error)
        except StuckError as error:
            verdict, detail = STUCK, str(error)
        except _EnoughError as error:
            detail = f"ended with {error.__cause__}"
        if not verdict:
            if self.errors:
                verdict = NEEDLESS if self._to_repair else REPORTED
                detail = detail or "; ".join(map(str, self.errors))
            elif self.line.hits or self.disturbed:
                verdict = REPAIRED
            else:
                verdict = UNDISTURBED
        return Outcome(verdict, detail, self.errors, self.line.hits)

    def _run(self) -> None:
        if self._at_start is not None:
            self._at_start(self)
        self.guarded(self._connect)
        moment = self.rng.randrange(self._ops) if self._event is not None else None
        for number in range(self._ops):
            self.guarded(self.client.act)
            if number == moment and self._event is not None:
                self._event(self)
            for _ in range(self.rng.choice([0, 0, 1, 3])):
                self.guarded(self.step)
            if self.rng.random() < 0.1:
                self.guarded(self.client.flush)
        self.guarded(self.client.flush)
        # What still comes late must change nothing.
        self.guarded(self.line.drain)
        self.guarded(lambda: self.client.look([self.client.contexts.snapshot]))

    def _connect(self) -> None:
        self.client.connect(**self._start)
        self._looking = False

    def step(self) -> None:
        """Go on to the next event, if anything is under way."""
        if not self.line.engine.idle:
            self.line.step()
            self.client.check()

    def guarded(self, action: Callable[[], None]) -> None:
        """Do it; after an error connect again, and go on with what the device holds."""
        try:
            action()
        except AtomikError as error:
            self.recover(error)

    def expect(self, kind: type[AtomikError], action: Callable[[], None], what: str) -> None:
        """Do it, which must raise such an error.

        On a line with faults the link may also be lost on the way to know.
        """
        rightly = (kind, LinkLostError) if self.faults else (kind,)
        try:
            action()
        except AtomikError as error:
            if not isinstance(error, rightly):
                raise WrongValueError(f"{what} was told as {error!r}") from error
            self.recover(error)
        else:
            raise WrongValueError(f"{what} was not noticed")

    def recover(self, error: AtomikError) -> None:
        """Note an error; connect again, and look at the contexts or load them."""
        self.errors.append(error)
        self.line.note(f"error: {error}")
        self.client.check()
        if len(self.errors) >= _MOST_ERRORS:
            raise _EnoughError from error
        if len(self.errors) >= _CALM_AFTER:
            self.line.unplugged = False
            self.line.inject("")
        try:
            self.restart()
        except AtomikError as another:
            self.recover(another)

    def restart(self) -> None:
        """Connect as a new program, which looks at the contexts or loads them."""
        self._possible, self._looking = self.possible(), True
        self.line.peer = self.line.greet()
        self.client.connect(**self._start)
        if self._possible is None:
            self.client.reload()
        else:
            self.client.look(self._possible)
        self.unknown = self._looking = False
        self.left = None

    def possible(self) -> list[Snapshot] | None:
        """Return what the contexts may be now; None if they may be anything."""
        if self.unknown or "late" in self.faults:
            # A session of the past may be taken up again, by frames that come as late as its OPEN.
            return None
        if self.left is not None:
            return [self.left]
        return self._possible if self._looking else self.client.possible()
