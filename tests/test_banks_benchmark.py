"""``python -m benchmarks.banks`` on simulated boards."""

from __future__ import annotations

import json

import pytest

import benchmarks.banks
from benchmarks.banks import main

URL = "sim://?lanes=6&contexts=2"


def test_it_counts_accumulates_and_finds_the_state_right(capsys):
    assert main(["--port", URL, "--seconds", "0.001", "--json"]) == 0
    records = {it["metric"]: it for it in json.loads(capsys.readouterr().out)["records"]}
    assert set(records) == {"state_by_numpy", "state_of_the_long_run", "accumulates"}
    assert records["state_by_numpy"]["conditions"]["cycles"] == 4096
    rate = records["accumulates"]
    assert (rate["label"], rate["unit"], rate["met"]) == ("simulated", "G/s", True)
    assert rate["conditions"]["elapsed"] == 12_000 + 6 + 1 + 5
    # Six lanes at 12 MHz, but for the pipeline.
    assert rate["value"] == pytest.approx(6 * 0.012 * 12_000 / 12_012)


@pytest.mark.parametrize("computed", ["state_by_numpy", "expected"])
def test_a_state_that_is_wrong_is_a_target_missed(computed, monkeypatch, capsys):
    owner = benchmarks.banks if computed == "state_by_numpy" else benchmarks.banks.Banks
    right = getattr(owner, computed)
    monkeypatch.setattr(owner, computed, lambda *arguments: right(*arguments) ^ 1)
    assert main(["--port", URL, "--seconds", "0.001"]) == 4
    assert capsys.readouterr().out.count("MISSED") == 1


def test_a_device_without_banks_is_an_error(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--port", "sim://?contexts=2&engine=amaranth"])
    assert ended.value.code == 1
    assert "has no banks" in capsys.readouterr().err
