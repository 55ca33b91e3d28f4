"""How far the rate of a line may be off before frames are damaged."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit

from ..connection import connect
from ..errors import (
    DeviceFaultError,
    LinkLostError,
    ProtocolVersionError,
    SessionLostError,
    UnsupportedPortError,
    WrongDeviceError,
)
from ..opening import probe
from ..ports import MAX_BAUD
from ..transport import has_rate

__all__ = ["LineRate", "Sweep", "can_sweep", "sweep_baud"]

#: Step between two rates, and how far they go, in tenths of a percent.
_STEP = 5
_FARTHEST = 80
#: Rates on end that must fail before the next ones are not tried any more.
_FAILURES = 2
#: Frames that must come through undamaged, and words in each.
_ROUNDS = 24
_WORDS = 8
#: How often a rate is tried at which nothing came, or came late, and no frame was damaged: once
#: that may be a machine that has more to do.
_TRIES = 2

_SIMULATED = "sim"

#: What a rate that is off may lead to; an adapter may also be unable to make it.
_TROUBLES = (
    DeviceFaultError,
    LinkLostError,
    ProtocolVersionError,
    SessionLostError,
    UnsupportedPortError,
    WrongDeviceError,
)


@dataclass(frozen=True, slots=True)
class LineRate:
    """A rate of the host's line that was tried.

    Attributes
    ----------
    baud : int
        In bit/s, as asked for. An adapter makes the nearest one that it can.
    percent : float
        How far it is from the device's rate.
    clean : bool
        Whether all came through, and nothing had to be sent again.
    why : str
        What happened if not.
    """

    baud: int
    percent: float
    clean: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class Sweep:
    """Rates that were tried, from the lowest to the highest."""

    rates: tuple[LineRate, ...]

    @property
    def clean(self) -> tuple[LineRate, ...]:
        """Those around the device's own rate that were clean, with no other one between them."""
        middle = min(range(len(self.rates)), key=lambda it: abs(self.rates[it].percent))
        if not self.rates[middle].clean:
            return ()
        first = last = middle
        while first > 0 and self.rates[first - 1].clean:
            first -= 1
        while last + 1 < len(self.rates) and self.rates[last + 1].clean:
            last += 1
        return self.rates[first : last + 1]


def can_sweep(url: str) -> bool:
    """Return whether the rate of the line at a port is the host's to choose."""
    return has_rate(url) or urlsplit(url).scheme == _SIMULATED


def sweep_baud(url: str, baud: int, tell: Callable[[str], None] | None = None) -> Sweep:
    """Try rates above and below that of a device, from the near ones on.

    Nobody may have the port open. Contexts are written: they are 0 afterwards, or unknown where
    the last rate lost a frame, so that the caller clears them.

    Parameters
    ----------
    url : str
        Where `can_sweep`. For a simulated board, boards of the same options are made, on whose line
        the host's rate is off.
    baud : int
        The device's rate in bit/s.
    tell : callable of str
        Is told each rate.

    Raises
    ------
    ValueError
        If the rate of that line can't be chosen.
    AtomikError
        If the port can't be opened, whatever the rate.
    """
    if not can_sweep(url):
        raise ValueError(f"The rate of the line behind {url} is not this machine's to choose")
    found: dict[int, LineRate] = {}
    for direction in (1, -1):
        failures = 0
        for tenths in range(0, _FARTHEST + 1, _STEP):
            if not tenths and direction < 0:
                continue
            off = direction * tenths
            rate = round(baud * (1 + off / 1000))
            if rate > MAX_BAUD:
                break
            if tell is not None:
                tell(f"{rate:,} baud")
            why = _trouble(url, rate, off / 10)
            found[off] = LineRate(rate, off / 10, not why, why)
            failures = failures + 1 if why else 0
            if failures == _FAILURES:
                break
    return Sweep(tuple(found[off] for off in sorted(found)))


def _trouble(url: str, rate: int, percent: float) -> str:
    """Return what goes wrong at a rate; nothing if it is clean."""
    simulated = urlsplit(url).scheme == _SIMULATED
    port, baud = (_off_board(url, percent), None) if simulated else (url, rate)
    why = ""
    for _ in range(_TRIES):
        try:
            # It gives up sooner than an attempt to open a session.
            probe(port, baud)
            damaged, late = _send_and_read(port, baud)
        except _TROUBLES as error:
            why = str(error)
            continue
        if damaged:
            return f"{damaged} frames were damaged"
        if not late:
            return ""
        why = f"{late} frames were not answered in time"
    return why


def _off_board(url: str, percent: float) -> str:
    """Return the URL of a new simulated board with a line on which the host's rate is off."""
    parts = urlsplit(url)
    options = [it for it in parse_qsl(parts.query) if it[0] not in ("name", "fresh", "faults")]
    options.append(("fresh", "1"))
    if percent:
        options.append(("faults", f"baud:{percent:g}"))
    return f"{_SIMULATED}://{parts.netloc}{parts.path}?{urlencode(options, safe=':')}"


def _send_and_read(port: str, baud: int | None) -> tuple[int, int]:
    """Send words and read them back; return how many frames were damaged, and how many late."""
    with connect(port, baud=baud) as connection:
        info = connection.info
        rng = random.Random(baud or 0)
        count = min(_WORDS, info.depth)
        for _ in range(_ROUNDS):
            words = [rng.getrandbits(info.width) for _ in range(count)]
            connection.load_many(0, words)
            if connection.read_many(0, count) != words:
                raise WrongDeviceError(f"A word at {port} is not as it was loaded")
        stats = connection.stats
        connection.load_many(0, [0] * count)
        connection.flush()
    return stats.damaged + stats.naks, stats.timeouts
