"""What a program outside of this repository can rely on."""

from __future__ import annotations

import ast
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import atomik_fpga

from .processes import complaints

ROOT = Path(__file__).parent.parent

#: A program that uses every public name with full types.
OUTSIDE = """
from __future__ import annotations

import json

from atomik_fpga import (
    AtomikContext,
    AtomikError,
    AtomikTable,
    Banks,
    BanksError,
    BanksResult,
    ClosedError,
    Connection,
    ContextInUseError,
    DeviceFaultError,
    DriverError,
    ForkError,
    Info,
    LinkLostError,
    LinkStats,
    NoBoardError,
    NoFreeContextError,
    PortBusyError,
    PortPermissionError,
    ProtocolVersionError,
    SessionLostError,
    SeveralBoardsError,
    Snapshot,
    UnsupportedPortError,
    WidthError,
    WrongDeviceError,
    __version__,
    banks_state,
    connect,
)

ERRORS: list[type[AtomikError]] = [
    BanksError,
    ClosedError,
    ContextInUseError,
    DeviceFaultError,
    DriverError,
    ForkError,
    LinkLostError,
    NoBoardError,
    NoFreeContextError,
    PortBusyError,
    PortPermissionError,
    ProtocolVersionError,
    SessionLostError,
    SeveralBoardsError,
    UnsupportedPortError,
    WidthError,
    WrongDeviceError,
]


class Number:
    def __index__(self) -> int:
        return 3


def use(context: AtomikContext, other: AtomikContext) -> Snapshot:
    context.load(1)
    context.accum(Number())
    context.rollback(Number())
    state: int = context.read() + context.swap() + context.swap(0) + context.swap(None)
    context.merge(other)
    clean: bool = context.is_clean and context == other
    numbers: list[int] = [
        state,
        context.accumulator,
        context.reference,
        context.delta_count,
        context.width,
    ]
    port: str | None = context.port
    address: int | None = context.address
    stats: LinkStats | None = context.stats
    context.flush()
    print(json.dumps([clean, numbers, port, address, stats and stats.as_dict()]), context)
    return context.snapshot()


def use_table(table: AtomikTable) -> dict[int, int]:
    table.load(addr=0, initial_state=1)
    table.accum(addr=1, delta=Number())
    table.batch_accum({0: 2, 3: 4})
    table.accum_many(range(4), (1, 2, Number(), 4))
    states: list[int] = [table.read(0), table.swap(1), table.swap(1, 0), *table.read_all()]
    context: AtomikContext = table.context(2)
    print(states, context.read(), list(table.read_many([2, 1])), table.num_contexts, table.width)
    return table.snapshot()


def on_a_device(port: str) -> Info:
    with AtomikContext.attach(port, 0, width=8, baud=None, strict=True) as context:
        context.accum(1)
    with AtomikTable.attach(port, 0, 4, width=8, baud=None) as table:
        table.clear()
    connection: Connection = connect(port, baud=1_000_000)
    with connection:
        connection.accum(connection.allocate(), 1)
        pair: tuple[int, int] = connection.peek(0)
        print(pair, connection.stats.frames_sent)
    return connection.info


def use_banks(banks: Banks) -> bool:
    result: BanksResult = banks.run(1000, seed=Number())
    numbers: list[int] = [result.lanes, result.cycles, result.elapsed, result.accumulates]
    return result.state == banks_state(banks.width, banks.lanes, 1000, 3) and all(numbers)


with AtomikTable(8, 16, port=None, baud=None) as table:
    print(use_table(table))
with AtomikContext(8, 1, port=None, baud=None, strict=False) as first:
    with AtomikContext(width=8, initial_state=0) as second:
        first.load(0)
        snapshot = use(first, second)
    restored: AtomikContext = AtomikContext.from_snapshot(json.loads(json.dumps(snapshot)))
    print(restored == first, snapshot["state"], __version__, len(ERRORS))
"""

#: Two accounts, as in the README: it names no port.
ACCOUNTS = """
from atomik_fpga import AtomikContext

with AtomikContext() as alice, AtomikContext(initial_state=500) as bob:
    alice.load(100)
    paid = (100 ^ 70, 500 ^ 530)
    alice.accum(paid[0])
    bob.accum(paid[1])
    print(alice.read(), bob.read(), alice.delta_count, bob.is_clean)
    alice.rollback(paid[0])
    bob.rollback(paid[1])
    print(alice.read(), bob.read(), bob.is_clean, alice == bob)
    print(alice.swap(), bob.swap(0), alice.snapshot(), bob.snapshot())
print(alice.read(), bob.read())
"""


def run(program: str, port: str | None = None) -> str:
    """Run a program in an interpreter of its own, where it must complain of nothing.

    Return what it prints.
    """
    environment = {key: value for key, value in os.environ.items() if key != "ATOMIK_PORT"}
    if port is not None:
        environment["ATOMIK_PORT"] = port
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )
    assert (complaints(result.stderr), result.returncode) == ([], 0)
    return result.stdout


def test_all_public_names_are_there() -> None:
    assert set(atomik_fpga.__all__) <= set(dir(atomik_fpga))
    for name in atomik_fpga.__all__:
        assert getattr(atomik_fpga, name) is not None


def test_every_error_of_the_driver_is_public() -> None:
    from atomik_fpga import errors

    assert set(errors.__all__) <= set(atomik_fpga.__all__)
    for name in errors.__all__:
        assert getattr(atomik_fpga, name) is getattr(errors, name)
        assert issubclass(getattr(errors, name), atomik_fpga.AtomikError)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(
        AttributeError, match=r"^module 'atomik_fpga' has no attribute 'AtomicContext'$"
    ):
        _ = atomik_fpga.AtomicContext


def test_the_names_for_type_checkers_are_the_names_at_run_time() -> None:
    tree = ast.parse(Path(inspect.getfile(atomik_fpga)).read_text(encoding="utf-8"))
    checked = {
        alias.name
        for block in tree.body
        if isinstance(block, ast.If)
        for statement in block.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }
    assert checked | {"__version__"} == set(atomik_fpga.__all__)


def test_every_public_name_of_a_context_is_documented() -> None:
    for name, member in inspect.getmembers(atomik_fpga.AtomikContext):
        if not name.startswith("_"):
            assert inspect.getdoc(member), name


def test_a_context_has_every_public_name_of_the_package_that_it_stands_in_for() -> None:
    names = (
        "load accum read swap rollback merge snapshot from_snapshot accumulator reference is_clean "
        "delta_count width"
    )
    assert set(names.split()) <= set(dir(atomik_fpga.AtomikContext))
    parameters = list(inspect.signature(atomik_fpga.AtomikContext).parameters.values())
    assert [(it.name, it.default) for it in parameters[:2]] == [("width", 64), ("initial_state", 0)]
    assert [it.name for it in parameters if it.kind is it.KEYWORD_ONLY] == [
        "port",
        "baud",
        "coalesce",
        "strict",
    ]


def test_every_public_name_of_a_table_is_documented() -> None:
    for name, member in inspect.getmembers(atomik_fpga.AtomikTable):
        if not name.startswith("_"):
            assert inspect.getdoc(member), name


def test_a_table_has_every_public_name_of_the_package_that_it_stands_in_for() -> None:
    names = "load accum read swap context batch_accum snapshot num_contexts width"
    assert set(names.split()) <= set(dir(atomik_fpga.AtomikTable))
    parameters = list(inspect.signature(atomik_fpga.AtomikTable).parameters.values())
    assert [(it.name, it.default) for it in parameters[:2]] == [
        ("num_contexts", 256),
        ("width", 64),
    ]
    assert [it.name for it in parameters if it.kind is it.KEYWORD_ONLY] == [
        "port",
        "baud",
        "coalesce",
    ]


def test_the_embedded_table_needs_neither_driver_nor_numpy() -> None:
    program = (
        "from atomik_fpga import AtomikTable as T; import json, sys; t = T(9);"
        "t.accum_many(range(9), range(9)); t.batch_accum({1: 6}); print(json.dumps("
        "[t.read_many([1, 8]), t.read_all(), t.snapshot(), list(sys.modules)]))"
    )
    *results, loaded = json.loads(run(program))
    states = [0, 7, 2, 3, 4, 5, 6, 7, 8]
    assert results == [[7, 8], states, {str(addr): it for addr, it in enumerate(states) if it}]
    assert not {"numpy", "atomik_fpga.shared", "atomik_fpga.remote_table"} & set(loaded)


def test_importing_the_package_loads_neither_driver_nor_gateware_nor_command_line() -> None:
    loaded = json.loads(run("import atomik_fpga, json, sys; print(json.dumps(list(sys.modules)))"))
    roots = {name.partition(".")[0] for name in loaded}
    assert "atomik_fpga" in roots
    assert not roots & {
        "amaranth",
        "atomik_boards",
        "atomik_hdl",
        "atomik_sim",
        "asyncio",
        "click",
        "numpy",
        "rich",
    }
    assert not {"atomik_fpga.shared", "atomik_fpga.link", "serial.tools"} & set(loaded)


def test_the_embedded_model_runs_without_the_driver() -> None:
    program = (
        "from atomik_fpga import AtomikContext as C; import json, sys; c = C(8, 1); c.accum(2)"
    )
    loaded = json.loads(run(f"{program}; print(json.dumps([c.read(), list(sys.modules)]))"))
    assert loaded[0] == 3
    assert not {"atomik_fpga.shared", "atomik_fpga.remote"} & set(loaded[1])


def test_importing_the_package_makes_simulated_boards_known_to_pyserial() -> None:
    program = (
        "import serial; before = list(serial.protocol_handler_packages); import atomik_fpga;"
        "print(*(set(serial.protocol_handler_packages) - set(before)))"
    )
    assert run(program) == "atomik_sim.urlhandlers\n"


def test_the_outside_program_uses_every_public_name() -> None:
    (imported,) = (
        {alias.name for alias in statement.names}
        for statement in ast.walk(ast.parse(OUTSIDE))
        if isinstance(statement, ast.ImportFrom) and statement.module == "atomik_fpga"
    )
    assert imported == set(atomik_fpga.__all__)


def type_check(program: str, folder: Path) -> str:
    """Write a program to ``folder``, check it there, and return what mypy says."""
    script = folder / "outside.py"
    script.write_text(program, encoding="utf-8")
    options = ["--strict", "--warn-unreachable", "--no-incremental", "--config-file="]
    return subprocess.run(
        [sys.executable, "-m", "mypy", *options, script.name],
        cwd=folder,
        env={key: value for key, value in os.environ.items() if key != "MYPYPATH"},
        capture_output=True,
        text=True,
        check=False,
    ).stdout


def test_a_strict_type_check_of_an_outside_program_passes(tmp_path: Path) -> None:
    assert type_check(OUTSIDE, tmp_path) == "Success: no issues found in 1 source file\n"


def test_a_strict_type_check_of_an_outside_program_finds_wrong_uses(tmp_path: Path) -> None:
    wrong = """
from atomik_fpga import AtomikContext
context = AtomikContext()
context.accum(1.5)
context.load("1")
state: str = context.read()
"""
    found = [line.split(":")[1] for line in type_check(wrong, tmp_path).splitlines()[:-1]]
    assert found == ["4", "5", "6"]


def test_the_outside_program_runs() -> None:
    assert run(OUTSIDE).splitlines()[-1] == f"True 0 {atomik_fpga.__version__} 17"


@pytest.mark.parametrize("port", ["sim://"])
def test_one_script_of_two_accounts_prints_the_same_with_and_without_a_port(port: str) -> None:
    expected = (
        "70 530 1 False\n"
        "100 500 True False\n"
        "100 500 "
        "{'width': 64, 'reference': 100, 'accumulator': 0, 'state': 100, 'delta_count': 0} "
        "{'width': 64, 'reference': 0, 'accumulator': 0, 'state': 0, 'delta_count': 0}\n"
        "0 0\n"
    )
    assert run(ACCOUNTS) == expected
    assert run(ACCOUNTS, port) == expected


def test_a_program_that_closes_nothing_ends_in_silence() -> None:
    program = (
        "import sys; from atomik_fpga import AtomikContext;"
        "sys.kept = AtomikContext(8); cycle = [AtomikContext(8)]; cycle.append(cycle);"
        "sys.kept.accum(5); print(sys.kept.read()); cycle[0].accum(1); del cycle"
    )
    assert run(program, "sim://") == "5\n"
