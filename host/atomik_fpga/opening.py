"""From a port's name to an open session."""

from __future__ import annotations

import os

from .errors import WrongDeviceError
from .link import Handshake, Session
from .protocol import Info
from .transport import BAUD_RATES, Port, is_url, open_port

__all__ = ["identify", "open_session"]

#: Seconds that a device has to answer: a simulated one is slow, a real one has several rates.
_PATIENCE = 6.0
_PATIENCE_A_RATE = 0.7
_ROUNDS = 2


def open_session(url: str, baud: int | None) -> tuple[Port, Session, int]:
    """Open a port and a session; return both and the line's rate in bit/s.

    Raises
    ------
    AtomikError
        Of the kind that tells what stands against it; the port is closed then.
    """
    port, handshake, rate = _open(url, baud, identify_only=False)
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
    port, handshake, _ = _open(url, baud, identify_only=True)
    port.close()
    if handshake.info is None:
        raise WrongDeviceError(f"{url} does not say what it is")
    return handshake.info


def _open(url: str, baud: int | None, *, identify_only: bool) -> tuple[Port, Handshake, int]:
    if baud is not None and baud <= 0:
        raise ValueError(f"Baud rate must be positive, not {baud}")
    rates = BAUD_RATES[:1] if is_url(url) else BAUD_RATES
    if baud is not None:
        rates = (baud,)
    port = open_port(url, rates[0])
    done = False
    try:
        rate = _find_rate(port, rates) if len(rates) > 1 else rates[0]
        handshake = _shake_hands(port, _PATIENCE, identify_only=identify_only)
        if handshake.error is not None:
            raise handshake.error
        done = True
    finally:
        if not done:
            port.close()
    if is_url(url) and baud is None and handshake.info is not None:
        rate = handshake.info.baud
    return port, handshake, rate


def _find_rate(port: Port, rates: tuple[int, ...]) -> int:
    """Return the rate at which something answers; the first one if nothing does."""
    for _ in range(_ROUNDS):
        for rate in rates:
            port.set_baud(rate)
            if _shake_hands(port, _PATIENCE_A_RATE, identify_only=True).info is not None:
                return rate
    port.set_baud(rates[0])
    return rates[0]


def _shake_hands(port: Port, patience: float, *, identify_only: bool) -> Handshake:
    handshake = Handshake(
        port.clock(), patience=patience, random_bytes=os.urandom, identify_only=identify_only
    )
    while not handshake.done:
        data = handshake.output(port.clock())
        if data:
            port.write(data)
        received = port.read()
        if received:
            handshake.receive(received, port.clock())
    return handshake
