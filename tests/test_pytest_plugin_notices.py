"""What the pytest plugin writes: waves, and what there is to say of the making of boards."""

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


def test_each_test_writes_the_waves_of_its_board(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
        import pytest

        @pytest.mark.parametrize("delta", ["1", "0x/2"])
        def test_one(atomik_context, delta):
            atomik_context.accum(3)
            assert atomik_context.read() == 3

        class TestGroup:
            def test_two(self, atomik_board): pass
            def test_none(self): pass
    """
    )
    for _ in range(2):
        result = pytester.runpytest_inprocess("--atomik-engine=amaranth", "--atomik-vcd=waves")
        result.assert_outcomes(passed=4)
        waves = pytester.path / "waves" / "test_it.py"
        files = [path.relative_to(waves).as_posix() for path in waves.rglob("*.vcd")]
        assert sorted(files) == [
            "TestGroup/test_two.vcd",
            "test_one[0x%2F2].vcd",
            "test_one[1].vcd",
        ]
    busy, quiet = (waves / name for name in ("test_one[1].vcd", "TestGroup/test_two.vcd"))
    for path in (busy, quiet):
        assert "$enddefinitions $end" in path.read_text(encoding="utf-8")
    assert "ACCUM" in busy.read_text(encoding="utf-8")
    assert "ACCUM" not in quiet.read_text(encoding="utf-8")


def test_waves_that_can_not_be_written_fail_the_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(atomik_board): pass")
    pytester.path.joinpath("waves").touch()
    result = pytester.runpytest_inprocess("--atomik-engine=amaranth", "--atomik-vcd=waves")
    result.assert_outcomes(errors=1)
    assert "waves" in result.stdout.str()
    assert "Traceback" not in result.stdout.str()


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


def test_a_worker_says_it_at_once_too(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        f"""
        import logging
        from atomik_sim import testing

        make_engine = testing.make_engine

        def logging_first(options):
            logging.getLogger("{LOGGER}").info("Compiling for %d contexts", options.contexts)
            return make_engine(options)

        testing.make_engine = logging_first
        """
    )
    pytester.makepyfile("def test_it(atomik_board): pass")
    result = pytester.runpytest_subprocess("-n1", "--atomik-engine=amaranth")
    result.assert_outcomes(passed=1)
    assert result.stderr.lines.count("atomik: Compiling for 16 contexts") == 1


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
