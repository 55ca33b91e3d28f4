"""What the pytest plugin says of the making of boards: at once what takes long, at the end why."""

from __future__ import annotations

import logging

import pytest

# Imported here, or each inner run would import it anew.
from atomik_sim import BoardOptions, testing
from atomik_sim.amaranth_engine import AmaranthEngine

pytest_plugins = ["pytester"]

LOGGER = "atomik_sim.cxxrtl.build"
USES_TWO_BOARDS = """
    import pytest

    @pytest.mark.parametrize("atomik_board_options", [{"contexts": 1}, {"contexts": 2}])
    def test_it(atomik_board, atomik_board_options): pass
"""


def test_what_takes_long_is_said_at_once_and_not_again(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make_engine(options: BoardOptions) -> AmaranthEngine:
        logging.getLogger(LOGGER).info("Compiling for %d contexts", options.contexts)
        return AmaranthEngine(options)

    monkeypatch.setattr(testing, "make_engine", make_engine)
    pytester.makepyfile(USES_TWO_BOARDS)
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(passed=2)
    said = [line for line in result.stdout.lines if line.startswith("atomik: ")]
    assert said == ["atomik: Compiling for 1 contexts", "atomik: Compiling for 2 contexts"]
    assert logging.getLogger("atomik_sim").level == logging.NOTSET


NO_COMPILER = (
    "atomik: The simulated board runs on Amaranth's simulator, hundreds of times slower than "
    "compiled gateware: CXX='no-such-compiler' names no program on the path"
)


@pytest.mark.parametrize("workers", [[], ["-n", "2"]])
def test_without_a_compiler_all_passes_and_the_end_says_so_once(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, workers: list[str]
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    pytester.makepyfile(USES_TWO_BOARDS)
    run = pytester.runpytest_subprocess if workers else pytester.runpytest_inprocess
    result = run(*workers)
    result.assert_outcomes(passed=2)
    assert result.stdout.lines.count(NO_COMPILER) == 1
