"""From a port's name to an open session."""

from __future__ import annotations

import logging
import os
from contextlib import ExitStack

from .bridges import BRIDGES
from .errors import NoBoardError, UnsupportedPortError, WrongDeviceError
from .link import Handshake, Session
from .platforms import device_key, serial_ports
from .protocol import Info
from .transport import Port, has_rate, open_port, port_key

__all__ = ["BAUD_RATES", "identify", "line_rates", "open_session", "probe"]

#: Rates tried at a real port when none is given, in bit/s.
BAUD_RATES = (1_000_000, 115_200, 3_000_000)

#: Seconds that a device has to answer: a simulated one is slow, a real one has several rates.
_PATIENCE = 6.0
_PATIENCE_A_RATE = 0.7
_ROUNDS = 2

_log = logging.getLogger(__name__)


def open_session(url: str, baud: int | None) -> tuple[Port, Session, int]:
    """Open a port and a session; return both and the line's rate in bit/s.

    Raises
    ------
    AtomikError
        Of the kind that tells what stands against it; the port is closed then.
    """
    port, handshake, rate = _open(url, baud, identify_only=False, patience=_PATIENCE)
    if handshake.session is None:
        port.close()
        raise WrongDeviceError(f"{url} opened no session")
    return port, handshake.session, rate


def identify(url: str, baud: int | None = None) -> Info:
    """Return what the device at a port says of itself; this ends nobody's session.

    Raises
    ------
    AtomikError
        Of the kind that tells what stands against it.
    """
    return _ask(url, baud, _PATIENCE)[0]


def probe(url: str, baud: int | None = None) -> tuple[Info, int]:
    """Return what `identify` does and the line's rate in bit/s; ask no longer than needed."""
    return _ask(url, baud, _PATIENCE_A_RATE)


def line_rates(url: str) -> tuple[int, ...]:
    """Return the rates to be tried at a port, in bit/s: first that of the board table."""
    if not has_rate(url):
        # The rate of its line is the far end's affair.
        return BAUD_RATES[:1]
    key = port_key(url)
    try:
        ports = serial_ports()
    except NoBoardError as error:
        # A port that is named needs no list.
        _log.info("%s", error)
        return BAUD_RATES
    for port in ports:
        if device_key(port.name) == key and port.vendor is not None and port.product is not None:
            bridge = BRIDGES.get((port.vendor, port.product))
            if bridge is not None:
                rates = dict.fromkeys((bridge.default_baud, *BAUD_RATES))
                return tuple(rate for rate in rates if rate <= bridge.max_baud)
    return BAUD_RATES


def _ask(url: str, baud: int | None, patience: float) -> tuple[Info, int]:
    port, handshake, rate = _open(url, baud, identify_only=True, patience=patience)
    port.close()
    if handshake.info is None:
        raise WrongDeviceError(f"{url} does not say what it is")
    return handshake.info, rate


def _open(
    url: str, baud: int | None, *, identify_only: bool, patience: float
) -> tuple[Port, Handshake, int]:
    rates = (baud,) if baud is not None and has_rate(url) else line_rates(url)
    with ExitStack() as at_failure:
        port, rates = _open_at_first(url, rates)
        at_failure.callback(port.close)
        brief = patience < _PATIENCE
        rate = _find_rate(port, rates, 1 if brief else _ROUNDS) if len(rates) > 1 else rates[0]
        handshake = _shake_hands(port, patience, identify_only=identify_only)
        if handshake.error is not None:
            raise handshake.error
        at_failure.pop_all()
    if not has_rate(url) and handshake.info is not None:
        rate = handshake.info.baud
    return port, handshake, rate


def _open_at_first(url: str, rates: tuple[int, ...]) -> tuple[Port, tuple[int, ...]]:
    """Open a port at the first rate that it can run at; return it and the rates from that one on.

    Not every adapter runs at a megabaud.
    """
    for position, rate in enumerate(rates):
        try:
            return open_port(url, rate), rates[position:]
        except UnsupportedPortError as error:
            if not has_rate(url) or rate == rates[-1]:
                raise
            _log.info("%s can't run at %d bit/s: %s", url, rate, error)
    raise UnsupportedPortError(f"{url} can run at none of the usual rates: give a baud=")


def _find_rate(port: Port, rates: tuple[int, ...], rounds: int) -> int:
    """Return the rate at which something answers; the first one if nothing does."""
    for _ in range(rounds):
        for rate in rates:
            try:
                port.set_baud(rate)
            except UnsupportedPortError as error:
                _log.info("%s", error)
                continue
            if _shake_hands(port, _PATIENCE_A_RATE, identify_only=True).info is not None:
                return rate
    port.set_baud(rates[0])
    return rates[0]


def _shake_hands(port: Port, patience: float, *, identify_only: bool) -> Handshake:
    handshake = Handshake(
        port.clock(),
        patience=patience,
        random_bytes=os.urandom,
        identify_only=identify_only,
        where=f" at {port.url}",
    )
    while not handshake.done:
        data = handshake.output(port.clock())
        if data:
            port.write(data)
        received = port.read()
        if received:
            handshake.receive(received, port.clock())
    return handshake
