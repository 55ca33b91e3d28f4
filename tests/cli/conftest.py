"""Fixtures of the command's tests: a device behind a TCP port, and what runs a command line."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from atomik_fpga.cli import main
from atomik_sim.model import DeviceModel

from ..tcp_device import TcpDevice, serve_device
from .bench import ACCUMULATOR, REFERENCE, Run

# Fixtures of some of the tests.
from .flash_bench import attach as attach
from .flash_bench import build as build
from .flash_bench import flashed as flashed
from .flash_bench import loader as loader


@pytest.fixture(autouse=True)
def without_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ATOMIK_PORT", raising=False)


@pytest.fixture
def device(request: pytest.FixtureRequest) -> Iterator[TcpDevice]:
    """Serve a device whose context 3 holds something."""
    model = DeviceModel(**getattr(request, "param", {}))
    model.references[3] = REFERENCE & (1 << model.info.width) - 1
    model.accumulators[3] = ACCUMULATOR & (1 << model.info.width) - 1
    with serve_device(model) as served:
        yield served


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return the function that runs a command line: exit code, stdout, stderr."""

    def command(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        output = capsys.readouterr()
        return code, output.out, output.err

    return command
