"""What the suite of contexts runs on. One more backend is one more line in `BACKENDS`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import serial

from atomik_fpga import AtomikContext, connect
from atomik_sim.model import DeviceModel

from .ideal_peer import IdealPort

__all__ = ["BACKENDS", "Backend", "Make", "model_port", "quick"]

#: Makes a context as a program does: with the constructor's parameters.
Make = Callable[..., AtomikContext]


@dataclass(frozen=True)
class Backend:
    """Where contexts are made: the port to pass, or to set in the environment."""

    port: str | None


@contextmanager
def embedded() -> Iterator[Backend]:
    yield Backend(None)


@contextmanager
def model_port(width: int = 64, depth: int = 16) -> Iterator[tuple[str, IdealPort]]:
    """A port that reaches the device's model in Python: its URL, and its far end."""
    url = f"model://{width}x{depth}"
    peer = IdealPort(DeviceModel(width, depth))
    with pytest.MonkeyPatch.context() as patch:
        usual = serial.serial_for_url

        def serial_for_url(name: str, *args: Any, **options: Any) -> Any:
            return peer if name == url else usual(name, *args, **options)

        patch.setattr(serial, "serial_for_url", serial_for_url)
        yield url, peer


@contextmanager
def model() -> Iterator[Backend]:
    with model_port() as (url, _):
        yield Backend(url)


@contextmanager
def board(url: str) -> Iterator[Backend]:
    """A device that is kept open, so that a simulated one starts once only."""
    with connect(url):
        yield Backend(url)


BACKENDS: dict[str, Callable[[], AbstractContextManager[Backend]]] = {
    "embedded": embedded,
    "model of the device": model,
    "simulated board": partial(board, "sim://?name=suite"),
}

#: Marks tests of what the driver decides before it sends anything.
quick = pytest.mark.parametrize(
    "context_backend", ["embedded", "model of the device"], indirect=True, scope="module"
)
