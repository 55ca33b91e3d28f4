"""Waves of failed simulations; fixtures of the suite of contexts: what it runs on, and a maker."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import suppress
from typing import Any

import pytest

from atomik_fpga import AtomikContext

from .backends import BACKENDS, Backend, Make, backends_for
from .simulate import lacks_waves, with_waves


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "quick: needs no simulation of the gateware")


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Run a test whose simulation failed once more, to leave its waves."""
    lacks_waves()
    try:
        return (yield)
    except BaseException:
        if lacks_waves():
            names = pyfuncitem._fixtureinfo.argnames
            # What it raises now is the same again, and the first failure is what counts.
            with suppress(Exception), with_waves():
                pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names})
        raise


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    # Two more than processors: many tests wait, for a line or for another worker's compiler.
    return (os.cpu_count() or 1) + 2


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "context_backend" in metafunc.fixturenames:
        quick = metafunc.definition.get_closest_marker("quick") is not None
        backends = backends_for(metafunc.config, simulation=not quick)
        metafunc.parametrize(
            ("context_backend", "atomik_board_options"),
            backends.items(),
            indirect=["context_backend"],
            ids=list(backends),
        )


@pytest.fixture
def context_backend(
    request: pytest.FixtureRequest, atomik_board_options: dict[str, str]
) -> Iterator[Backend]:
    if request.param in BACKENDS:
        with BACKENDS[request.param]() as backend:
            yield backend
    else:
        # Where there is none it must not be made.
        yield Backend(request.getfixturevalue("atomik_board").url)


@pytest.fixture
def context_port(context_backend: Backend, monkeypatch: pytest.MonkeyPatch) -> str | None:
    """The backend's port, which the environment names too."""
    if context_backend.port is None:
        monkeypatch.delenv("ATOMIK_PORT", raising=False)
    else:
        monkeypatch.setenv("ATOMIK_PORT", context_backend.port)
    return context_backend.port


@pytest.fixture
def make_context(context_port: str | None) -> Iterator[Make]:
    """A maker of contexts as a program makes them, closed at the end."""
    made: list[AtomikContext] = []

    def make_context(*args: Any, **options: Any) -> AtomikContext:
        made.append(AtomikContext(*args, **options))
        return made[-1]

    yield make_context
    for context in made:
        context.close()


@pytest.fixture
def no_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ATOMIK_PORT", raising=False)
