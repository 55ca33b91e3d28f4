"""One line of the doctor."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

__all__ = ["JOBS", "Check", "Job", "State"]


class Job(Enum):
    """What somebody wants to do."""

    MODEL = "model"
    SIM = "sim"
    BUILD = "build"
    FLASH = "flash"
    PORT = "port"
    EVENTSOURCING = "eventsourcing"


#: What each job is, in a line.
JOBS: Final = {
    Job.MODEL: "the embedded model, and the commands",
    Job.SIM: "a simulated board",
    Job.BUILD: "a bitstream",
    Job.FLASH: "writing it into a board",
    Job.PORT: "talking to a board at a serial port",
    Job.EVENTSOURCING: "the tools for event sourcing",
}


class State(Enum):
    """What came of a look."""

    OK = "ok"
    #: Something that a job needs is not there.
    MISSING = "missing"
    #: Something to know, which no job needs.
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, and what came of it.

    Attributes
    ----------
    name : str
    state : State
    text : str
        What was seen, in a line.
    fix : tuple of str
        What to do about it, a line each.
    jobs : tuple of Job
        Whose it is: they can't run if it is missing.
    """

    name: str
    state: State
    text: str
    fix: tuple[str, ...] = ()
    jobs: tuple[Job, ...] = ()

    def stops(self, job: Job) -> bool:
        """Return whether ``job`` can't run for it."""
        return self.state is State.MISSING and job in self.jobs

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return {
            "name": self.name,
            "state": self.state.value,
            "text": self.text,
            "fix": list(self.fix),
            "jobs": [job.value for job in self.jobs],
        }
