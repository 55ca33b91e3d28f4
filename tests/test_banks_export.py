"""Exported banks: ports, and behaviour on a simulator that is not Amaranth's."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from atomik_hdl.banks import DeltaBanks
from atomik_hdl.export import export_verilog, main

from .banks_bench import KEEP, Cycle, covered_answers
from .netlist import Netlist


def netlist(width: int, banks: int, topology: str, tmp_path: Path) -> Netlist:
    source = tmp_path / "export" / "banks.v"
    source.parent.mkdir()
    main(
        [
            *("banks", "--width", str(width), "--banks", str(banks), "--topology", topology),
            *("-o", str(source)),
        ]
    )
    return Netlist([source], "delta_banks", tmp_path)


@pytest.mark.parametrize("topology", ["chain", "tree"])
def test_the_ports_are_those_of_the_documentation(topology: str, tmp_path: Path) -> None:
    found = netlist(7, 8, topology, tmp_path)

    assert found.inputs == {
        "rst": 1,
        **{f"lanes_{lane}_valid": 1 for lane in range(8)},
        **{f"lanes_{lane}_payload": 7 for lane in range(8)},
        "load_valid": 1,
        "load_payload": 7,
        "read_valid": 1,
        "read_response_ready": 1,
        "swap_valid": 1,
        "swap_payload_keep": 1,
        "swap_payload_value": 7,
        "swap_response_ready": 1,
    }
    assert found.outputs == {
        **{f"lanes_{lane}_ready": 1 for lane in range(8)},
        "load_ready": 1,
        "read_ready": 1,
        "read_response_valid": 1,
        "read_response_payload_state": 7,
        "read_response_payload_accumulator": 7,
        "swap_ready": 1,
        "swap_response_valid": 1,
        "swap_response_payload_state": 7,
        "swap_response_payload_accumulator": 7,
    }


@pytest.mark.parametrize("topology", ["chain", "tree"])
def test_exported_banks_answer_with_what_is_covered_on_another_simulator(
    topology: str, tmp_path: Path
) -> None:
    width, banks, cycles = 7, 9, 600
    found = netlist(width, banks, topology, tmp_path)
    rng = random.Random(topology)
    accepted = []
    answers: dict[str, list[tuple[int, int]]] = {"read": [], "swap": []}

    for cycle in range(cycles):
        # The last cycles only take what is still on its way.
        last = cycle >= cycles - 20
        deltas = {n: rng.getrandbits(width) for n in range(banks) if rng.random() < 0.7}
        wanted = {port: not last and rng.random() < 0.3 for port in ("load", "read", "swap")}
        load, swap, keep = rng.getrandbits(width), rng.getrandbits(width), rng.getrandbits(1)
        ready = {port: last or rng.random() < 0.5 for port in answers}
        outputs = found.step(
            **{f"lanes_{lane}_valid": 1 for lane in deltas},
            **{f"lanes_{lane}_payload": delta for lane, delta in deltas.items()},
            **{f"{port}_valid": wish for port, wish in wanted.items()},
            **{f"{port}_response_ready": wish for port, wish in ready.items()},
            load_payload=load,
            swap_payload_keep=keep,
            swap_payload_value=swap,
        )

        done = {port: wish and bool(outputs[f"{port}_ready"]) for port, wish in wanted.items()}
        accepted.append(
            Cycle(
                deltas=deltas,
                load=load if done["load"] else None,
                read=done["read"],
                swap=(KEEP if keep else swap) if done["swap"] else None,
            )
        )
        for port, got in answers.items():
            if outputs[f"{port}_response_valid"] and ready[port]:
                name = f"{port}_response_payload"
                got.append((outputs[f"{name}_state"], outputs[f"{name}_accumulator"]))
        assert all(outputs[f"lanes_{lane}_ready"] for lane in range(banks))

    assert answers == covered_answers(accepted, topology, banks)
    assert min(map(len, answers.values())) > 20


def test_more_inputs_than_can_be_exported_are_refused() -> None:
    message = (
        "Inputs would have 66694 bits, but no more than 65532 can be exported: "
        "take fewer lanes or a smaller width"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        export_verilog(DeltaBanks(64, 1024), "delta_banks")


def test_the_command_names_an_unknown_topology(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "banks.v"

    with pytest.raises(SystemExit) as end:
        main(["banks", "--topology", "ring", "-o", str(output)])

    assert end.value.code == 2
    message = capsys.readouterr().err.splitlines()[-1]
    assert message == (
        "python -m atomik_hdl.export: error: Topology must be 'chain' or 'tree', not 'ring'"
    )
    assert not output.exists()
