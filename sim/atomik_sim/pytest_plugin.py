"""The pytest plugin: boards and contexts as fixtures. ``docs/testing.md`` tells how to use it.

Every run of pytest in an environment with this distribution loads this module, whatever extras are
installed. So it imports nothing but the standard library and pytest before a fixture is used.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from atomik_fpga import AtomikContext, AtomikTable

    from .testing import AtomikBoard, BoardPool

__all__ = ["ENGINES"]

#: What ``--atomik-engine`` takes: `atomik_sim.options.ENGINES`, which can't be imported here.
ENGINES = ("cxxrtl", "amaranth")

#: What the making of boards had to say that matters for the whole run.
_warnings = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("atomik", "ATOMiK boards")
    group.addoption(
        "--atomik-port",
        metavar="URL",
        help="Use the board at this serial port or pyserial URL in place of simulated ones. All of "
        "its contexts are cleared before each test.",
    )
    group.addoption(
        "--atomik-engine",
        choices=ENGINES,
        help="What runs the gateware of simulated boards, where a test does not say.",
    )
    group.addoption(
        "--atomik-vcd",
        metavar="DIR",
        help="Write the waves of each test's simulated board to a VCD file in this folder.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Refuse options that exclude each other."""
    config.stash[_warnings] = []
    port = config.getoption("atomik_port")
    if port is None:
        return
    if not port:
        raise pytest.UsageError("--atomik-port must name a port, such as /dev/ttyUSB1, not ''")
    for option in ("engine", "vcd"):
        if config.getoption(f"atomik_{option}") is not None:
            raise pytest.UsageError(
                f"--atomik-port and --atomik-{option} exclude each other: "
                "the latter is for simulated boards"
            )
    workers = _workers(config)
    if workers > 1:
        raise pytest.UsageError(
            f"--atomik-port needs one process, not {workers}: one board has one user. "
            "Say -n 0, or leave --atomik-port out: then every worker has simulated boards of its "
            "own"
        )


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Make ``-n auto`` mean one process where there is one board."""
    return None if config.getoption("atomik_port") is None else 0


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say whose contexts are going to be cleared."""
    port = config.getoption("atomik_port")
    return port and f"atomik: the board at {port}; its contexts are cleared before each test"


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand what is to be said to the process that can say it."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["atomik_warnings"] = session.config.stash[_warnings]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what a worker of pytest-xdist has to say; one that crashed has nothing."""
    node.config.stash[_warnings].extend(
        getattr(node, "workeroutput", {}).get("atomik_warnings", [])
    )


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say once what was said in any process, such as that there is no compiler."""
    warnings = config.stash[_warnings]
    for warning in dict.fromkeys(warnings):
        terminalreporter.write_line(f"atomik: {warning}", yellow=True)


class _Relay(logging.Handler):
    """Shows at once that something takes long, and keeps warnings for the end."""

    def __init__(self, config: pytest.Config) -> None:
        super().__init__(logging.INFO)
        self._config = config

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if record.levelno >= logging.WARNING:
            self._config.stash[_warnings].append(message)
            return
        plugins = self._config.pluginmanager
        terminal, capture = (
            plugins.getplugin(name) for name in ("terminalreporter", "capturemanager")
        )
        if capture is None:
            return
        with capture.global_and_fixture_disabled():
            if hasattr(self._config, "workerinput"):
                # A worker of pytest-xdist has the terminal of the process that started it.
                sys.stderr.write(f"\natomik: {message}\n")
                sys.stderr.flush()
            elif terminal is not None:
                terminal.ensure_newline()
                terminal.write_line(f"atomik: {message}")


@contextmanager
def _relayed(config: pytest.Config) -> Iterator[None]:
    """Relay what the simulated board's modules log."""
    logger, relay = logging.getLogger(__package__), _Relay(config)
    level = logger.level
    logger.addHandler(relay)
    logger.setLevel(min(logger.getEffectiveLevel(), logging.INFO))
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.removeHandler(relay)


def _workers(config: pytest.Config) -> int:
    """Return how many processes pytest-xdist is going to start, 0 without it."""
    specs: list[str] = getattr(config.option, "tx", None) or []
    counts = [spec.partition("*")[0] for spec in specs if "*" in spec]
    return len(specs) - len(counts) + sum(int(it) for it in counts if it.isdecimal())


def _failure(message: str) -> BaseException:
    """Return what fails a test with this message and no traceback."""
    return pytest.fail.Exception(message, pytrace=False)


@pytest.fixture(scope="session")
def _atomik_boards() -> BoardPool:
    from .testing import BoardPool

    return BoardPool()


@pytest.fixture
def atomik_board_options() -> Mapping[str, Any]:
    """What the tests need of the board: override it, or parametrise it.

    A dictionary with ``contexts``, ``width``, ``lanes``, ``baud``, ``board``, ``engine`` and
    ``faults``, or some of these. A board at --atomik-port must have as many contexts and bits; the
    rest means nothing to it.
    """
    return {}


@pytest.fixture
def atomik_board(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    atomik_board_options: Mapping[str, Any],
) -> Iterator[AtomikBoard]:
    """A board for this test alone: simulated, just reset, no session, every context 0.

    It has `url`, `contexts`, `width`, `status`, `pin_bits` and `reset()`. While the test runs,
    ATOMIK_PORT names it: a program that names no port uses it. With --atomik-port it is the board
    there, and all its contexts are cleared first.
    """
    from atomik_fpga import AtomikError

    from .testing import board_at_port, read_options, wave_file

    port = request.config.getoption("atomik_port")
    engine = request.config.getoption("atomik_engine")
    waves = request.config.getoption("atomik_vcd")
    try:
        options = read_options(atomik_board_options, engine)
    except (TypeError, ValueError) as error:
        raise _failure(f"atomik_board_options: {error}") from None
    with ExitStack() as lent:
        try:
            if port is None:
                pool: BoardPool = request.getfixturevalue("_atomik_boards")
                vcd = None
                if waves is not None:
                    folder = request.config.invocation_params.dir / waves
                    vcd = wave_file(folder, request.node.nodeid)
                with _relayed(request.config):
                    board = lent.enter_context(pool.board(options, vcd))
            else:
                board = board_at_port(port, atomik_board_options)
        except (AtomikError, OSError) as error:
            raise _failure(str(error)) from None
        monkeypatch.setenv("ATOMIK_PORT", board.url)
        yield board


@pytest.fixture
def atomik_context(atomik_board: AtomikBoard) -> Iterator[AtomikContext]:
    """A context of 64 bits on `atomik_board`, 0 and clean, closed afterwards.

    An error of the link that no call has raised is raised at the end, so that a test that only
    posts does not pass for nothing.
    """
    from atomik_fpga import AtomikContext

    context = AtomikContext(64, port=atomik_board.url)
    yield context
    atomik_board.close_for(context)


@pytest.fixture
def atomik_table(atomik_board: AtomikBoard) -> Iterator[AtomikTable]:
    """All contexts of `atomik_board` as a table, 0 and clean, closed afterwards.

    A test that has it has no context left for `atomik_context`. Errors are as there.
    """
    from atomik_fpga import AtomikTable

    table = AtomikTable(atomik_board.contexts, atomik_board.width, port=atomik_board.url)
    yield table
    atomik_board.close_for(table)
