"""Which faults a line has, as a text that can stand in a URL: ``docs/faults.md``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

__all__ = ["BOTH", "FAULTS", "TO_DEVICE", "TO_HOST", "Fault", "FaultSpec", "Scope"]

#: Directions, by what is at their end.
TO_DEVICE, TO_HOST = "device", "host"
BOTH = (TO_DEVICE, TO_HOST)

#: Frames that a fault may be narrowed to, by the direction in which they go.
_FRAMES = {
    TO_DEVICE: ("DATA", "OPEN", "INFO"),
    TO_HOST: ("ACK", "NAK", "VALUES", "OPENED", "INFO", "NO_SESSION", "OPEN_REFUSED"),
}
_ALL_FRAMES = tuple(dict.fromkeys(frame for frames in _FRAMES.values() for frame in frames))
_MOST_BAUD_ERROR = 10.0
_ITEM = re.compile(r"(?P<name>[^:/@]+)(?:/(?P<frame>[^:/@]+))?:(?P<value>[^:/@]+)(?:@(?P<end>.*))?")


class Scope(Enum):
    """What a fault hits, and of what its rate is a share."""

    #: One character on the line.
    CHARACTER = "character"
    #: One frame, its delimiter included.
    FRAME = "frame"


#: Every fault that has a rate, with its scope and what it does.
FAULTS: dict[str, tuple[Scope, str]] = {
    "flip": (Scope.CHARACTER, "one of its ten levels is the other one"),
    "glitch": (Scope.CHARACTER, "for a quarter of a bit the line has the other level"),
    "break": (Scope.CHARACTER, "the line is low for as long as two characters take"),
    "framing": (Scope.CHARACTER, "its stop bit is low"),
    "drop": (Scope.CHARACTER, "it is lost"),
    "insert": (Scope.CHARACTER, "a random one comes before it"),
    "burst": (Scope.CHARACTER, "noise takes its place, and that of up to 15 behind it"),
    "lose": (Scope.FRAME, "it is lost"),
    "repeat": (Scope.FRAME, "it comes twice"),
    "late": (Scope.FRAME, "it comes again later, up to three seconds"),
    "truncate": (Scope.FRAME, "it ends too early"),
    "cut": (Scope.FRAME, "a 00 comes in its midst"),
    "oversize": (Scope.FRAME, "up to 600 random bytes come in its midst, none of them 00"),
    "empty": (Scope.FRAME, "one to eight empty frames come before it"),
    "cobs": (Scope.FRAME, "one of its COBS codes is another one"),
    "foreign": (Scope.FRAME, "an undamaged one of another session comes before it"),
    "stall": (Scope.FRAME, "the line rests for 100 to 300 ms before it"),
    "partial": (Scope.FRAME, "the line rests for 100 to 300 ms in its midst"),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault and how often it comes.

    Attributes
    ----------
    name : str
        A key of `FAULTS`.
    rate : float
        Share of the characters, or of the frames, that it hits: more than 0, at most 1.
    ends : tuple of str
        The directions that it has.
    frame : str
        Kind of frame that alone it hits; empty for all.
    """

    name: str
    rate: float
    ends: tuple[str, ...] = BOTH
    frame: str = ""

    @property
    def scope(self) -> Scope:
        """What it hits."""
        return FAULTS[self.name][0]

    def __str__(self) -> str:
        frame = f"/{self.frame}" if self.frame else ""
        end = "" if self.ends == BOTH or self.frame_ends == self.ends else f"@{self.ends[0]}"
        return f"{self.name}{frame}:{self.rate:g}{end}"

    @property
    def frame_ends(self) -> tuple[str, ...]:
        """Directions that frames of its kind have."""
        return tuple(end for end in BOTH if not self.frame or self.frame in _FRAMES[end])


@dataclass(frozen=True, slots=True)
class FaultSpec:
    """All faults of a line.

    Attributes
    ----------
    faults : tuple of Fault
    baud_error : float
        By how many percent the host's line rate is too high.
    seed : int
        Of all that is random.
    """

    faults: tuple[Fault, ...] = ()
    baud_error: float = 0.0
    seed: int = 0

    @classmethod
    def parse(cls, text: str) -> FaultSpec:
        """Read ``NAME[/FRAME]:RATE[@END],…``, with ``baud:PERCENT`` and ``seed:N`` among them.

        Raises
        ------
        ValueError
            If an item has another form, is unknown, out of its range, or given twice.
        """
        faults: dict[tuple[str, str, str], Fault] = {}
        settings: dict[str, float | int] = {}
        for item in text.split(","):
            match = _ITEM.fullmatch(item.strip())
            if match is None:
                raise ValueError(
                    f"Fault must be NAME:RATE, NAME/FRAME:RATE or NAME:RATE@END, not {item!r}"
                )
            name, value = match["name"], match["value"]
            if name in ("baud", "seed"):
                if match["frame"] is not None or match["end"] is not None:
                    raise ValueError(f"Fault {name!r} has neither frame nor end: {item!r}")
                if name in settings:
                    raise ValueError(f"Fault {name!r} is given twice in {text!r}")
                settings[name] = _percent(value) if name == "baud" else _seed(value)
                continue
            fault = _fault(name, match["frame"] or "", value, match["end"])
            for end in fault.ends:
                if (name, fault.frame, end) in faults:
                    raise ValueError(f"Fault {name!r} is given twice in {text!r}")
                faults[name, fault.frame, end] = fault
        return cls(
            tuple(dict.fromkeys(faults.values())),
            float(settings.get("baud", 0.0)),
            int(settings.get("seed", 0)),
        )

    def __str__(self) -> str:
        return ",".join(self._items())

    def _items(self) -> Iterator[str]:
        yield from map(str, self.faults)
        if self.baud_error:
            yield f"baud:{self.baud_error:g}"
        if self.seed:
            yield f"seed:{self.seed}"


def _fault(name: str, frame: str, value: str, end: str | None) -> Fault:
    if name not in FAULTS:
        raise ValueError(f"Unknown fault {name!r}: there are {', '.join(FAULTS)}, baud and seed")
    rate = _number(value)
    if rate is None or not 0 < rate <= 1:
        raise ValueError(f"Rate of fault {name!r} must be more than 0 and at most 1, not {value!r}")
    if frame:
        if FAULTS[name][0] is not Scope.FRAME:
            raise ValueError(f"Fault {name!r} hits characters, it can't be narrowed to {frame!r}")
        if frame not in _ALL_FRAMES:
            raise ValueError(f"Unknown frame {frame!r}: there are {', '.join(_ALL_FRAMES)}")
    if end is not None and end not in BOTH:
        raise ValueError(f"Unknown end {end!r} of fault {name!r}: faults go to device or host")
    possible = Fault(name, rate, frame=frame).frame_ends
    if end is not None and end not in possible:
        raise ValueError(f"No {frame} goes to the {end}, so that {name!r} can't hit it there")
    return Fault(name, rate, possible if end is None else (end,), frame)


def _number(text: str) -> float | None:
    form = r"[+-]?(\d+(\.\d*)?|\.\d+)(e-?\d+)?"
    return float(text) if re.fullmatch(form, text, re.ASCII) else None


def _percent(text: str) -> float:
    error = _number(text)
    if error is None or abs(error) > _MOST_BAUD_ERROR:
        raise ValueError(
            f"Error of the line rate must be in -{_MOST_BAUD_ERROR:g}..{_MOST_BAUD_ERROR:g} "
            f"percent, not {text!r}"
        )
    return error


def _seed(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(f"Seed of the faults must be a decimal number, not {text!r}")
    return int(text)
