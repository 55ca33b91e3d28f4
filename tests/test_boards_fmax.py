"""The benchmark of clock frequencies, with the tools."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from atomik_boards.catalog import Family
from atomik_boards.errors import BuildError
from atomik_hdl.banks import DeltaBanks
from benchmarks.fmax import flow
from benchmarks.fmax.__main__ import EXIT_FAILED, main
from benchmarks.fmax.harness import Harness


def test_a_case_runs_once_and_comes_from_the_cache_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ATOMIK_CACHE", str(tmp_path))
    command = ["--only", "core_8_up5k", "--seeds", "1", "--json"]
    assert main(command) == 0
    first = json.loads(capsys.readouterr().out)["records"]
    logic, usable = first
    assert logic["metric"] == "core_8_up5k_logic"
    assert 20 < logic["value"] < 400
    assert usable["value"] == min(logic["value"], 185)
    # At least state, accumulator, delta, value, and two responses of two words.
    assert logic["conditions"]["registers"] >= 8 * 8

    def fail(*_arguments: Any) -> None:
        raise BuildError("nothing has to run")

    monkeypatch.setattr(flow, "run_steps", fail)
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out)["records"] == first
    # Another seed was not run before.
    assert main(["--only", "core_8_up5k", "--seeds", "2"]) == EXIT_FAILED
    printed = capsys.readouterr()
    assert "core_8_up5k, seed 2 FAILED: nothing has to run" in printed.err
    assert "No result for core_8_up5k" in printed.err


@pytest.mark.parametrize("family", [Family.ICE40, Family.ECP5])
def test_banks_keep_the_gates_of_all_lanes_though_lanes_share_registers(
    family: Family, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATOMIK_CACHE", str(tmp_path))
    width, lanes = 8, 12
    harness = Harness(DeltaBanks(width, lanes), lanes_per_word=6)
    cells = flow.synthesise(harness, family, print).cells
    # 6 pairs, 2 groups, delta, value, state, accumulator, load, swap, and what each of two slots of
    # two words takes in: a gate and a register a bit each.
    words = 6 + 2 + 4 + 2 + 4
    assert width * words <= cells.luts < width * words + 40
    # Beside them: three tokens, each three cycles on its way and as it arrives, 3 bits of the count
    # since a reset and that it has begun, 6 of the handshakes, one ready, and what the swap keeps.
    single = 3 * 4 + 3 + 1 + 6 + 1 + 1
    # Of the one part of the context: two that are ready, `settled`, three that act, `clear` and
    # `replace`, and two takes for each slot.
    controls = 2 + 1 + 3 + 2 + 4
    assert cells.registers == width * words + single + controls
    assert (cells.rams, cells.lut_rams) == (0, 0)
