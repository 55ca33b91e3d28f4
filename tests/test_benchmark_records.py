"""What every benchmark prints, and its exit code."""

from __future__ import annotations

import importlib
import json
import pkgutil
from typing import Any, Literal

import pytest

import atomik_fpga
import benchmarks
from benchmarks import imports, model
from benchmarks.record import Record, machine, report, run


def record(value: float, better: Literal["higher", "lower"], target: float | None = None) -> Record:
    return Record("speed", value, "1/s", "measured", better, {"width": 8}, target)


@pytest.mark.parametrize(
    ("value", "better", "target", "met"),
    [
        (5, "higher", 5, True),
        (5, "higher", 5.1, False),
        (5, "lower", 5, True),
        (5, "lower", 4.9, False),
        (5, "lower", None, None),
    ],
)
def test_a_target_is_met_when_it_is_reached_from_the_better_side(
    value: float, better: Any, target: float | None, met: bool | None
) -> None:
    assert record(value, better, target).met is met


@pytest.mark.parametrize("as_json", [True, False])
def test_the_exit_code_is_4_when_one_target_is_missed_and_else_0(
    as_json: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad, free = record(1, "lower", 2), record(3, "lower", 2), record(3, "lower")
    assert report("some", [good, free], as_json=as_json) == 0
    assert report("some", [good, bad, free], as_json=as_json) == 4
    assert capsys.readouterr().out


def test_json_output_is_one_object_of_the_agreed_form(capsys: pytest.CaptureFixture[str]) -> None:
    def measure() -> list[Record]:
        return [record(3, "higher", 2)]

    assert run("some", "Some.", measure, ["--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "benchmark": "some",
        "version": atomik_fpga.__version__,
        "machine": machine(),
        "records": [
            {
                "metric": "speed",
                "value": 3,
                "unit": "1/s",
                "label": "measured",
                "conditions": {"width": 8},
                "target": 2,
                "better": "higher",
                "met": True,
            }
        ],
    }


def test_plain_output_names_target_and_result(capsys: pytest.CaptureFixture[str]) -> None:
    report("some", [record(3, "higher", 2), record(1, "higher", 2)], as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"some {atomik_fpga.__version__} on {machine()}"
    assert "measured, target ≥ 2: met" in lines[1]
    assert "measured, target ≥ 2: MISSED" in lines[2]


def test_the_benchmark_of_the_model_has_the_targets_of_accum_and_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("ATOMIK_PORT", raising=False)
    records = {it.metric: it for it in model.measure(number=100, repeats=3)}
    assert records["accum_over_xor"].target == 6.5
    assert records["read_over_xor"].target == 4.5
    assert {it.label for it in records.values()} == {"measured"}
    assert all(it.conditions["repeats"] == 3 for it in records.values())


def test_the_benchmark_of_imports_has_the_target_of_the_package() -> None:
    records = {it.metric: it for it in imports.measure(repeats=1)}
    assert (records["import_package"].target, records["import_package"].unit) == (150, "ms")


@pytest.mark.parametrize("name", [it.name for it in pkgutil.iter_modules(benchmarks.__path__)])
def test_every_benchmark_has_what_it_takes_from_elsewhere(name: str) -> None:
    module = importlib.import_module(f"benchmarks.{name}")
    assert [it for it in getattr(module, "__all__", ()) if not hasattr(module, it)] == []
