"""The self-test's steps on a board: that at --atomik-port, or a simulated one.

pytest tests/hil --atomik-port /dev/ttyUSB1
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from atomik_fpga import Connection, connect
from atomik_fpga.selftest import STEPS, Bench, Step, find_held, put_back, run_step
from atomik_sim.testing import AtomikBoard

#: Seconds of the soak: a board has hours for it, with `atomik selftest --seconds`.
SECONDS = 0.2


@pytest.fixture
def atomik_board_options(request: pytest.FixtureRequest) -> dict[str, Any]:
    """A simulated board has banks where they are tested; a real one is taken as it is."""
    step = request.node.callspec.params.get("step") if hasattr(request.node, "callspec") else None
    simulated = request.config.getoption("atomik_port") is None
    return {"contexts": 2, "lanes": 6} if simulated and step is not None and step.needs else {}


@pytest.fixture
def connection(atomik_board: AtomikBoard) -> Iterator[Connection]:
    with connect(atomik_board.url) as opened:
        # What the link is asked about by itself.
        opened.read(0)
        yield opened
        # A board is left as it was found by who had nothing in it.
        opened.clear()


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name.replace(" ", "-"))
def test_a_step_of_the_self_test_finds_nothing_wrong(connection: Connection, step: Step) -> None:
    result = run_step(step, Bench(connection, random.Random(7), seconds=SECONDS))
    if result.passed is None:
        assert connection.info.features & step.needs == 0
        return
    assert result.error is None
    assert [str(it) for it in result.differences] == []
    assert result.checks > 0


def test_contexts_get_back_what_they_held(connection: Connection) -> None:
    last = connection.info.depth - 1
    connection.load(0, 1)
    connection.accum(last, 1)
    held = find_held(connection)
    assert held == {0: (1, 0), last: (0, 1)}
    connection.clear()
    put_back(connection, held)
    assert connection.peek(0) == (1, 0)
    assert connection.peek(last) == (1, 1)
