"""What tests and the command line tell the pytest plugin: options, ports, workers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from atomik_fpga import connect
from atomik_fpga.cache import cache_folder

# Imported here, or each inner run would import it anew.
from atomik_sim import BoardOptions, SimBoard
from atomik_sim import amaranth_engine as amaranth_engine
from atomik_sim.registry import enter_board
from atomik_sim.server import serve
from atomik_sim.testing import BoardPool, url_of

from .processes import prepare

pytest_plugins = ["pytester"]

ROOT = Path(__file__).resolve().parents[1]

#: Seconds after which a process counts as stuck.
DEADLINE = 120

#: Of this process: `pytester` gives inner runs a home of their own, where nothing is compiled yet.
CACHE = str(cache_folder())

#: Nothing is compiled: what is tested here does not depend on the engine.
QUICK = ("--atomik-engine", "amaranth")

USES_A_BOARD = "def test_it(atomik_board): pass"


@pytest.fixture(autouse=True)
def no_port_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ATOMIK_PORT", raising=False)


@pytest.fixture
def port() -> Iterator[str]:
    """A board of 4 contexts of 32 bits in this process, at a TCP port as if in another one."""
    board = SimBoard(BoardOptions(contexts=4, width=32, engine="amaranth"))
    try:
        with serve(board) as server:
            yield server.url
    finally:
        board.close()


# What a test asks for.


def test_a_test_gets_the_board_that_it_asks_for(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest
        from atomik_fpga import connect

        def info_of(board):
            with connect(board.url) as connection:
                return connection.info

        class TestOverridden:
            @pytest.fixture
            def atomik_board_options(self):
                return {"contexts": 3, "baud": 2_000_000}

            def test_class(self, atomik_board):
                assert (atomik_board.contexts, atomik_board.width) == (3, 64)
                info = info_of(atomik_board)
                assert (info.depth, info.width, info.baud) == (3, 64, 2_000_000)

        @pytest.mark.parametrize("atomik_board_options", [{"width": 7}, {"width": 65}])
        def test_parametrised(atomik_board, atomik_board_options):
            assert atomik_board.width == atomik_board_options["width"]
            assert info_of(atomik_board).width == atomik_board.width
    """)
    pytester.runpytest_inprocess(*QUICK).assert_outcomes(passed=3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"depth": 4},
            "Unknown option 'depth': "
            "a test may ask for board, contexts, width, lanes, baud, engine, faults",
        ),
        (
            {"name": "mine"},
            "Unknown option 'name': "
            "a test may ask for board, contexts, width, lanes, baud, engine, faults",
        ),
        ({"contexts": 0}, "Option 'contexts' must be in 1..65536, not 0"),
        ({"width": "8"}, "Option 'width' must be an integer, not '8'"),
    ],
)
def test_what_a_test_can_not_ask_for_fails_it(
    pytester: pytest.Pytester, options: dict[str, object], message: str
) -> None:
    pytester.makepyfile(f"""
        import pytest

        @pytest.fixture
        def atomik_board_options():
            return {options!r}

        {USES_A_BOARD}
    """)
    result = pytester.runpytest_inprocess(*QUICK)
    result.assert_outcomes(errors=1)
    assert f"\natomik_board_options: {message}\n" in result.stdout.str()


@pytest.mark.parametrize(
    ("options", "url"),
    [
        (BoardOptions(), "sim://icebreaker"),
        (BoardOptions(contexts=256, width=7), "sim://icebreaker?contexts=256&width=7"),
        (BoardOptions(name="a&b=c d"), "sim://icebreaker?name=a%26b%3Dc+d"),
        (BoardOptions(fresh=True), "sim://icebreaker?fresh=1"),
    ],
)
def test_options_have_a_url_that_names_them(options: BoardOptions, url: str) -> None:
    assert url_of(options) == url
    assert BoardOptions.from_url(url) == options


def test_a_board_that_its_options_do_not_name_alone_is_refused() -> None:
    with BoardPool().board(BoardOptions(contexts=1, width=1, engine="amaranth")) as board:
        assert board.simulation is not None
        with pytest.raises(ValueError, match=r"can't name this board: give it a name of its own$"):
            enter_board(board.simulation)


# Engines.


def test_the_engine_of_the_command_line_runs_the_boards_that_name_none(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATOMIK_CACHE", CACHE)
    pytester.makepyfile("""
        import pytest

        @pytest.mark.parametrize("atomik_board_options", [{}, {"engine": "cxxrtl"}])
        def test_it(atomik_board, atomik_board_options):
            asked = atomik_board_options.get("engine", "amaranth")
            assert atomik_board.simulation.options.engine == asked
    """)
    pytester.runpytest_inprocess(*QUICK).assert_outcomes(passed=2)


def test_an_unknown_engine_is_a_wrong_command_line(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(USES_A_BOARD)
    result = pytester.runpytest_inprocess("--atomik-engine", "abacus")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "argument --atomik-engine: invalid choice: 'abacus'" in result.stderr.str()


# The board at a port.


def test_with_a_port_the_same_tests_run_there_and_each_finds_its_contexts_cleared(
    pytester: pytest.Pytester, port: str
) -> None:
    with connect(port) as board:
        for address in range(4):
            board.load(address, 0xDEAD)
            board.accum(address, address)
        board.flush()
    pytester.makepyfile("""
        import os
        import pytest
        from atomik_fpga import AtomikContext, connect

        @pytest.mark.parametrize("number", [1, 2])
        def test_board(atomik_board, number):
            assert os.environ["ATOMIK_PORT"] == atomik_board.url
            assert (atomik_board.contexts, atomik_board.width) == (4, 32)
            assert atomik_board.simulation is None
            with connect(atomik_board.url) as board:
                assert board.read_many(0, 4) == [0] * 4
                assert board.peek(3) == (0, 0)
                board.accum(number, number)
                board.accum(3, number)
    """)
    result = pytester.runpytest_inprocess("--atomik-port", port)
    result.assert_outcomes(passed=2)
    header = f"atomik: the board at {port}; its contexts are cleared before each test"
    assert header in result.stdout.lines
    with connect(port) as board:
        assert board.read_many(0, 4) == [0, 0, 2, 2]


def test_the_environment_alone_does_not_clear_a_board(
    pytester: pytest.Pytester, port: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(port) as board:
        board.load(2, 0xDEAD)
        board.flush()
    monkeypatch.setenv("ATOMIK_PORT", port)
    pytester.makepyfile("""
        def test_it(atomik_board):
            assert atomik_board.url.startswith("sim://")
    """)
    pytester.runpytest_inprocess(*QUICK).assert_outcomes(passed=1)
    with connect(port) as board:
        assert board.read(2) == 0xDEAD


@pytest.mark.parametrize("use", ["reset()", "status", "pin_bits"])
def test_what_a_port_can_not_do_raises(pytester: pytest.Pytester, port: str, use: str) -> None:
    pytester.makepyfile(f"""
        def test_it(atomik_board):
            atomik_board.{use}
    """)
    result = pytester.runpytest_inprocess("--atomik-port", port)
    result.assert_outcomes(failed=1)
    what = "status" if use == "pin_bits" else use
    message = (
        f"UnsupportedPortError: {what} needs a simulated board, and this one is at {port}: skip "
        "the test where atomik_board.simulation is None, or run it without --atomik-port"
    )
    assert message in result.stdout.str()


def test_a_board_that_is_smaller_than_a_test_asks_for_fails_it(
    pytester: pytest.Pytester, port: str
) -> None:
    pytester.makepyfile("""
        import pytest

        @pytest.mark.parametrize("atomik_board_options", [{"contexts": 5}, {"width": 64}])
        def test_large(atomik_board): pass

        @pytest.mark.parametrize("atomik_board_options", [{"contexts": 4, "width": 32}])
        def test_small(atomik_board): pass
    """)
    result = pytester.runpytest_inprocess("--atomik-port", port)
    result.assert_outcomes(passed=1, errors=2)
    for wanted, have in (("contexts=5", 4), ("width=64", 32)):
        assert (
            f"The test asks for {wanted}, and the board at {port} has {have}: use a larger board, "
            "or ask for less in atomik_board_options"
        ) in result.stdout.str()


def test_a_port_without_a_board_fails_the_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(USES_A_BOARD)
    result = pytester.runpytest_inprocess("--atomik-port", "/dev/no-such-port")
    result.assert_outcomes(errors=1)
    assert "\nCan't open /dev/no-such-port (" in result.stdout.str()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--atomik-port="], "--atomik-port must name a port, such as /dev/ttyUSB1, not ''"),
        (
            ["--atomik-port=COM6", "--atomik-engine=amaranth"],
            "--atomik-port and --atomik-engine exclude each other: the latter is for simulated "
            "boards",
        ),
        (
            ["--atomik-port=COM6", "--atomik-vcd=waves"],
            "--atomik-port and --atomik-vcd exclude each other: the latter is for simulated boards",
        ),
        *(
            (
                ["--atomik-port=COM6", *workers],
                f"--atomik-port needs one process, not {count}: one board has one user. Say -n 0, "
                "or leave --atomik-port out: then every worker has simulated boards of its own",
            )
            for workers, count in (
                (["-n", "3"], 3),
                (["-d", "--tx", "2*popen", "--tx", "popen"], 3),
            )
        ),
    ],
)
def test_what_excludes_each_other_is_refused(
    pytester: pytest.Pytester, arguments: list[str], message: str
) -> None:
    pytester.makepyfile(USES_A_BOARD)
    result = pytester.runpytest_inprocess(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert result.stderr.lines == [f"ERROR: {message}", ""]


# Workers.


def test_with_a_port_as_many_workers_as_the_board_has_users_are_one(
    pytester: pytest.Pytester, port: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # This test may itself be in a worker.
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    pytester.makepyfile("""
        import os

        def test_it(atomik_board):
            assert "PYTEST_XDIST_WORKER" not in os.environ
    """)
    result = pytester.runpytest_inprocess("--atomik-port", port, "-n", "auto")
    result.assert_outcomes(passed=1)


def test_each_worker_has_simulated_boards_of_its_own(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import os
        import pytest

        @pytest.mark.parametrize("number", [1, 2, 3, 4])
        def test_it(atomik_context, number):
            assert os.environ["PYTEST_XDIST_WORKER"] in ("gw0", "gw1")
            assert atomik_context.address == 0
            atomik_context.accum(number)
            assert atomik_context.read() == number
    """)
    pytester.runpytest_subprocess("-n", "2", *QUICK).assert_outcomes(passed=4)


# The example.


def test_the_example_project_passes_by_pytest_alone() -> None:
    prepare("sim://")
    variables = {name: it for name, it in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"],
        cwd=ROOT / "examples" / "ci",
        env=variables,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert re.search(r"^=+ 6 passed in ", done.stdout, re.MULTILINE)


def test_the_readme_shows_the_workflow_of_the_example_project() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    workflow = ROOT / "examples" / "ci" / ".github" / "workflows" / "test.yml"
    [shown] = re.findall(r"^```yaml\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    assert shown == workflow.read_text(encoding="utf-8")


def test_the_test_in_the_readme_passes(pytester: pytest.Pytester) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.partition("## In your CI\n")[2].partition("\n## ")[0]
    [code] = re.findall(r"^```python\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    assert len(code.splitlines()) == 5
    pytester.makepyfile(code)
    pytester.runpytest_inprocess(*QUICK).assert_outcomes(passed=1)


def test_the_tests_in_the_documentation_pass(pytester: pytest.Pytester) -> None:
    page = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 3
    for number, code in enumerate(blocks):
        header = "" if "import pytest" in code else "import pytest\n"
        pytester.path.joinpath(f"test_{number}.py").write_text(header + code, encoding="utf-8")
    pytester.runpytest_inprocess(*QUICK).assert_outcomes(passed=5)
