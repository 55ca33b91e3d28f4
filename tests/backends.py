"""What the suite of contexts runs on. One more backend is one more line in `BACKENDS`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import serial

from atomik_fpga import AtomikContext
from atomik_sim.model import DeviceModel
from atomik_sim.options import ENGINES

from .ideal_peer import IdealPort

__all__ = ["BACKENDS", "ECP5", "Backend", "Make", "backends_for", "model_port", "quick"]

#: The one board with an ECP5 that is compiled for tests: the deepest table, 4 clocks a bit.
ECP5 = {"board": "ulx3s-25f", "contexts": 65_536, "width": 16, "baud": 6_250_000}

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


#: Those without a board; the others are what the fixture ``atomik_board`` yields.
BACKENDS: dict[str, Callable[[], AbstractContextManager[Backend]]] = {
    "embedded": embedded,
    "model of the device": model,
}

#: Marks tests of what the driver decides before it sends anything: no simulation needed.
quick = pytest.mark.quick


def backends_for(config: pytest.Config, *, simulation: bool) -> dict[str, dict[str, str]]:
    """Return the backends of a run, each with the options of its board.

    With ``--atomik-port`` that is the board there; else all that need none, and simulated boards on
    every engine, or the one that ``--atomik-engine`` names.
    """
    if config.getoption("atomik_port") is not None:
        return {"board": {}}
    backends: dict[str, dict[str, str]] = {name: {} for name in BACKENDS}
    if simulation:
        engine = config.getoption("atomik_engine")
        for name in ENGINES if engine is None else (engine,):
            backends[f"simulated board, {name}"] = {"engine": name}
    return backends
